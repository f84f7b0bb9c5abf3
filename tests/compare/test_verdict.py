"""Verdicts by their stated rule, against statsmodels' two one-sided tests and by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_ind

from gam_bench.compare.verdict import Verdict, judge, tally
from gam_bench.results.published import figures

FIGURE = next(
    f for f in figures() if (f.source, f.optimizer, f.dataset, f.n) == ("Waterloo", "sgd", "cifar100", 10)
)


def figure(value=0.8, spread=None, kind="", n=None):
    return dataclasses.replace(FIGURE, value=value, spread=spread, spread_kind=kind, n=n)


def test_reproduced_is_statsmodels_tost(random):
    """Judging from mean, sd and n gives the p-value that statsmodels finds in the runs themselves."""
    ours, theirs = random.normal(0.792, 0.002, 6), random.normal(0.7925, 0.003, 9)
    published = figure(theirs.mean(), theirs.std(ddof=1) / 3, "sem", 9)
    found = judge(6, ours.mean(), ours.std(ddof=1), published, margin=0.005)
    expected, *_ = ttost_ind(ours, theirs, -0.005, 0.005, usevar="unequal")
    assert found.equivalence_p == pytest.approx(expected, rel=1e-9)
    assert found.verdict == Verdict.REPRODUCED
    low, high = CompareMeans(DescrStatsW(ours), DescrStatsW(theirs)).tconfint_diff(usevar="unequal")
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_differs_when_the_interval_excludes_the_figure():
    found = judge(10, 0.78, 0.002, figure(0.80, 0.0005, "sem", 10))
    assert found.verdict == Verdict.DIFFERS
    assert found.high < 0


def test_a_difference_that_is_real_but_within_the_margin_is_reproduced():
    found = judge(100, 0.801, 0.001, figure(0.80, 0.0001, "sem", 10))
    assert found.low > 0
    assert found.verdict == Verdict.REPRODUCED


def test_a_real_difference_that_may_be_within_the_margin_is_undecided():
    found = judge(5, 0.8045, 0.001, figure(0.80, 0.0006, "sem", 5))
    assert found.low > 0
    assert found.verdict == Verdict.UNDECIDED


def test_differs_inside_the_margin_is_rare(random):
    """A true +0.25 points within half a point: that 0 be excluded alone called 30 % of them different."""
    called = 0
    for _ in range(2000):
        ours, theirs = random.normal(0.8025, 0.002, 8), random.normal(0.80, 0.002, 8)
        published = figure(theirs.mean(), theirs.std(ddof=1) / np.sqrt(8), "sem", 8)
        called += judge(8, ours.mean(), ours.std(ddof=1), published).verdict == Verdict.DIFFERS
    assert called <= 0.025 * 2000


def test_too_few_seeds_are_undecided_and_the_number_that_would_do_would():
    published = figure(0.80, 0.0005, "sem", 10)
    found = judge(3, 0.801, 0.006, published)
    assert found.verdict == Verdict.UNDECIDED
    assert found.seeds > 3
    assert judge(found.seeds, 0.80, 0.006, published).verdict == Verdict.REPRODUCED


def test_an_uncertain_figure_cannot_be_reproduced_by_any_number_of_seeds():
    found = judge(20, 0.80, 0.004, figure(0.80, 0.02, "ci95", 3))
    assert found.verdict == Verdict.UNDECIDED
    assert found.seeds is None
    assert "too uncertain" in found.reason


def test_a_figure_without_spread_is_one_run_with_our_spread():
    by_hand = np.sqrt(0.002**2 / 5 + 0.002**2)
    found = judge(5, 0.805, 0.002, figure(0.80))
    assert found.high - found.low == pytest.approx(2 * 2.7764451 * by_hand, rel=1e-6)


@pytest.mark.parametrize("published", [None, FIGURE])
def test_one_seed_decides_nothing(published):
    found = judge(1, 0.79, None, published)
    assert found.verdict == (Verdict.UNDECIDED if published else Verdict.NONE)


def test_published_spreads_become_standard_errors():
    assert figure(0.8, 0.002, "ci95", 5).standard_error == pytest.approx(0.002 / 1.96, rel=1e-4)
    assert figure(0.8, 0.002, "sd", 4).standard_error == pytest.approx(0.001)
    assert figure(0.8, 0.002, "sem", 4).sd == pytest.approx(0.004)
    assert figure(0.8, 0.002, "sd").standard_error is None


@given(st.floats(0.7, 0.9), st.floats(1e-4, 0.02), st.integers(2, 30))
def test_the_verdict_is_by_the_intervals(mean, sd, n):
    """Whatever the numbers: reproduced needs closeness, differs an interval outside the margin."""
    found = judge(n, mean, sd, figure(0.8, 0.0007, "sem", 10))
    if found.verdict == Verdict.REPRODUCED:
        assert abs(found.difference) < 0.005
    if found.verdict == Verdict.DIFFERS:
        assert found.low > 0.005 or found.high < -0.005
    if found.verdict == Verdict.UNDECIDED:
        assert found.low <= 0.005
        assert found.high >= -0.005


def test_tally_counts_in_the_order_of_the_rule():
    found = [Verdict.UNDECIDED, Verdict.REPRODUCED, Verdict.UNDECIDED]
    assert tally(found) == "1 reproduced, 2 undecided"
    assert tally([]) == ""
