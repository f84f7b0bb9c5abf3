"""Welch's difference against scipy's."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from gam_bench.compare.paired import welch, welch_of

values = st.lists(st.floats(-1, 1), min_size=2, max_size=12).filter(lambda found: np.std(found) > 1e-3)


def summary(found):
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found))), len(found)


@given(values, values)
def test_interval_and_degrees_of_freedom_are_scipys(one, other):
    found = welch_of(summary(one), summary(other))
    assert welch(one, other).interval() == pytest.approx(found.interval())
    reference = scipy.stats.ttest_ind(one, other, equal_var=False)
    low, high = reference.confidence_interval(0.95)
    assert found.difference == pytest.approx(np.mean(one) - np.mean(other))
    assert found.df == pytest.approx(reference.df, rel=1e-6)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))
    assert (found.p < 0.05) == (low > 0 or high < 0)


def test_one_run_or_no_spread_says_nothing():
    assert welch_of((0.8, 0.1, 1), (0.7, 0.1, 9)).p is None
    assert welch_of((0.8, 0.0, 5), (0.7, 0.0, 5)).p is None
    assert welch_of((0.8, 0.01, 5), (0.7, 0.0, 5)).df == pytest.approx(4)
