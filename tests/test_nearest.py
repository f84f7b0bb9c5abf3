"""`mutations.py` is run by hand, and seldom: all that it names is still there."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent


def nearest() -> dict[str, tuple[str, ...]]:
    """Its table, read without importing it: it needs a package of its own."""
    for node in ast.parse((TESTS / "mutations.py").read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "NEAREST":
            assert node.value is not None
            return ast.literal_eval(node.value)
    raise AssertionError("no NEAREST in mutations.py")


def test_every_module_and_every_test_that_mutations_name_is_there():
    for home, tests in nearest().items():
        assert (TESTS.parent / home).exists(), home
        for test in tests:
            assert (TESTS / test).exists(), test


def test_a_module_is_found_before_its_folder():
    """Of several that fit the first counts, so a folder must not stand before what lies in it."""
    homes = list(nearest())
    for place, home in enumerate(homes):
        assert not any(home.startswith(f"{earlier}/") for earlier in homes[:place]), home
