"""The architecture, held: imports go down the floors only, and the quick verbs import no torch."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from gam_bench.cli import verbs

PACKAGE = Path(__file__).parents[1] / "gam_bench"

FLOORS = (
    {"errors"},
    {"files", "hardware", "commit", "numerics"},
    {"optim", "models", "data"},
    {"suite"},
    {"store"},
    {"results"},
    {"compare", "train"},
    {"report"},
    {"launch"},
    {"bench"},
    {"cli"},
)
"""From the ground up. A module imports from its own package and from floors below, never beside or above."""

LEVEL = {name: level for level, names in enumerate(FLOORS) for name in names}


def modules():
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem in LEVEL)


def home(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path):
    """The dotted names under gam_bench that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "gam_bench" and len(parts) > 1 and not parts[1].startswith("__"):
                yield parts[1:]


def test_every_part_has_a_floor():
    parts = {home(path) for path in PACKAGE.rglob("*.py")} - {"__init__", "__main__"}
    assert parts <= set(LEVEL)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path):
    own = home(path)
    for part, *_ in imported(path):
        assert part == own or LEVEL[part] < LEVEL[own], f"{path} imports {part}"


def modules_imported(path: Path, known: set[str]):
    """The modules of gam_bench that a file imports, by dotted name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                if name in known:
                    yield name
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def test_no_module_imports_itself_over_others():
    """Inside functions and for type checkers, too. A package's `__init__` stands for nothing of its own."""
    files = {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path
        for path in PACKAGE.rglob("*.py")
        if path.stem != "__init__"
    }
    graph = {name: set(modules_imported(path, set(files))) for name, path in files.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


VERBS = {verb for panel in verbs.VERBS.values() for verb in panel}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_verbs_do_not_import_verbs(verb):
    """What two of them need has a floor below, or a file of its own beside them."""
    found = imported(PACKAGE / "cli" / f"{verb}.py")
    others = {parts[1] for parts in found if parts[0] == "cli" and parts[1] in VERBS}
    assert not others


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list", "suites"],
        ["list", "models", "resnet18*"],
        ["list", "datasets"],
        ["show", "quickstart"],
        ["plan", "quickstart"],
        ["run", "quickstart", "--dry-run"],
        ["status", "quickstart"],
        ["table", "quickstart"],
    ],
    ids=" ".join,
)
def test_the_quick_verbs_import_no_torch(arguments, tmp_path):
    """Importing torch takes seconds; these verbs are to answer at once."""
    code = (
        "import sys\n"
        "from gam_bench.cli import main\n"
        "sys.argv = ['gam-bench', *sys.argv[1:]]\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert end.code in (None, 0, 4), end.code\n"  # 4: runs are missing
        "heavy = {'torch', 'timm', 'torchvision'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 0, done.stderr
