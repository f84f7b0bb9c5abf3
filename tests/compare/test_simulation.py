"""The promises of the answer's rules, by a bounded part of `simulate.py`."""

import pytest
from simulate import BARS

CASES = 1500


@pytest.mark.parametrize("bar", BARS, ids=lambda bar: bar.name)
def test_what_verdicts_and_intervals_promise(bar):
    cases = max(60, CASES // bar.cost)
    found = bar.share(cases)
    assert bar.holds(found, cases), f"{found:.3f}, not in [{bar.low}, {bar.high}]"
