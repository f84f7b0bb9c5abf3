"""Statistics against scipy, statsmodels, closed forms, and the ten-seed re-run."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from gam_bench.compare.paired import compare, holm, sign_flip, sign_test, welch

# Whole numbers: sums are exact, so both sides see the same ties.
whole = st.lists(st.integers(-50, 50), min_size=3, max_size=9).filter(lambda values: len(set(values)) > 1)


@given(whole)
def test_flipped_signs_are_scipys_exact_permutation_test(values):
    reference = scipy.stats.permutation_test(
        (np.array(values, dtype=float),), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flip(np.array(values, dtype=float)) == pytest.approx(reference.pvalue, abs=1e-12)


def test_many_seeds_are_drawn_and_agree_with_the_t_test(random):
    values = random.normal(0.4, 1, 60)
    assert sign_flip(values) == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    assert sign_flip(values + 10) == 1 / 10_000  # never 0


@given(whole)
def test_students_interval_and_p_value_are_scipys(values):
    found, reference = compare(values), scipy.stats.ttest_1samp(values, 0)
    for level in (0.05, 0.1):
        interval = reference.confidence_interval(1 - level)
        assert found.interval(level) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert found.p == pytest.approx(reference.pvalue)


@given(whole, whole)
def test_values_that_are_not_paired_are_judged_by_scipys_welch(one, other):
    found, reference = welch(one, other), scipy.stats.ttest_ind(one, other, equal_var=False)
    assert found.p == pytest.approx(reference.pvalue)
    interval = reference.confidence_interval()
    assert (found.low, found.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert (found.n, found.n_other, found.paired) == (len(one), len(other), False)


@given(st.integers(0, 20), st.integers(0, 20))
def test_the_sign_test_is_scipys_binomial_test(wins, losses):
    reference = scipy.stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(reference)


def test_nine_of_twelve_are_no_evidence_and_eleven_are():
    assert sign_test(9, 3) == pytest.approx(0.146, abs=5e-4)
    assert sign_test(11, 1) == pytest.approx(0.006, abs=5e-4)


@settings(max_examples=20)  # statsmodels takes a tenth of a second
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


@given(whole, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_does_not_matter(values, factor):
    one, other = compare(values), compare(np.array(values) * factor)
    assert other.p == pytest.approx(one.p)
    assert (other.low, other.high) == (pytest.approx(one.low * factor), pytest.approx(one.high * factor))


@given(whole)
def test_the_order_of_the_two_does_not_matter(values):
    one, other = compare(values), compare(-np.array(values))
    assert other.difference == -one.difference
    assert other.p == one.p
    assert (other.low, other.high) == (pytest.approx(-one.high), pytest.approx(-one.low))


def test_signs_are_flipped_from_eight_seeds_on():
    values = np.array([3.0, 1, 4, 1, 5, 9, 2, 6])
    assert compare(values[:7]).flips is None
    assert compare(values).flips == 2 / 2**8


def test_one_difference_gives_nothing_but_itself():
    found = compare([0.5])
    assert (found.difference, found.low, found.high, found.p) == (0.5, None, None, None)
    assert welch([0.5], [0.4, 0.3]).p is None


def test_without_any_spread_nothing_is_known_of_chance():
    found = compare([0.1 + 0.2, 0.3, 0.3])  # equal but for rounding
    assert (found.low, found.p) == (None, None)
    assert welch([0.3, 0.3], [0.1, 0.1]).p is None


def test_no_difference_is_an_error():
    with pytest.raises(ValueError, match="no differences"):
        compare([])
    with pytest.raises(ValueError, match="no values"):
        welch([], [1.0])


@pytest.mark.parametrize(
    ("dataset", "optimizer", "mean", "sd"),
    [
        ("cifar100", "sgd", 79.23, 0.17),
        ("cifar100", "gam", 79.38, 0.30),
        ("cifar100", "exact-gam", 79.86, 0.26),
        ("cifar10", "sgd", 95.42, 0.15),
        ("cifar10", "gam", 95.93, 0.13),
        ("cifar10", "exact-gam", 95.62, 0.12),
    ],
)
def test_the_ten_seed_rerun(rerun, dataset, optimizer, mean, sd):
    values = rerun.query("dataset == @dataset and optimizer == @optimizer")["test_accuracy"] * 100
    assert len(values) == 10
    assert round(values.mean(), 2) == mean
    assert round(values.std(), 2) == sd


def test_a_difference_of_the_rerun_by_scipy(rerun):
    by = {
        name: group.sort_values("seed")["test_accuracy"].to_numpy()
        for name, group in rerun.query("dataset == 'cifar100'").groupby("optimizer")
    }
    found = compare(by["exact-gam"] - by["sgd"])
    reference = scipy.stats.permutation_test(
        (by["exact-gam"], by["sgd"]),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    assert found.difference == pytest.approx(0.00634, abs=1e-5)
    assert found.flips == pytest.approx(reference.pvalue)
    assert found.p < 0.01
