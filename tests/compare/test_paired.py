"""Statistics against scipy, statsmodels, closed forms, and the ten-seed re-run."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from gam_bench.compare.paired import bca, compare, holm, seeds_to_decide, sign_flip

# Whole numbers: sums are exact, so both sides see the same ties.
whole = st.lists(st.integers(-50, 50), min_size=3, max_size=9).filter(lambda values: len(set(values)) > 1)


@given(whole)
def test_the_interval_is_scipys_bca_bootstrap(values):
    found = compare(values)
    reference = scipy.stats.bootstrap(
        (np.array(values, dtype=float),),
        np.mean,
        method="BCa",
        n_resamples=9999,
        rng=np.random.default_rng(0),
    ).confidence_interval
    assume(np.isfinite(reference.low))
    assert found.low == pytest.approx(reference.low, abs=1e-9)
    assert found.high == pytest.approx(reference.high, abs=1e-9)


@given(whole)
def test_the_p_value_is_scipys_exact_permutation_test(values):
    reference = scipy.stats.permutation_test(
        (np.array(values, dtype=float),), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert compare(values).p == pytest.approx(reference.pvalue, abs=1e-12)


def test_many_seeds_are_drawn_and_agree_with_the_t_test(random):
    values = random.normal(0.4, 1, 60)
    assert sign_flip(values) == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    assert sign_flip(values + 10) == 1 / 10_000  # never 0


@given(whole)
def test_students_interval_is_scipys(values):
    found = compare(values)
    reference = scipy.stats.ttest_1samp(values, 0).confidence_interval()
    assert (found.t_low, found.t_high) == (pytest.approx(reference.low), pytest.approx(reference.high))


@settings(max_examples=20)  # statsmodels takes a tenth of a second
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


@given(whole, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_does_not_matter(values, factor):
    one, other = compare(values), compare(np.array(values) * factor)
    assert other.p == one.p
    assert (other.low, other.high) == (pytest.approx(one.low * factor), pytest.approx(one.high * factor))


@given(whole)
def test_the_order_of_the_two_does_not_matter(values):
    one, other = compare(values), compare(-np.array(values))
    assert other.difference == -one.difference
    assert other.p == one.p
    assert (other.t_low, other.t_high) == (pytest.approx(-one.t_high), pytest.approx(-one.t_low))


@given(whole)
def test_the_interval_lies_within_the_differences(values):
    found = compare(values)
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


def test_one_difference_gives_nothing_but_itself():
    found = compare([0.5])
    assert (found.difference, found.low, found.t_low, found.p) == (0.5, None, None, None)


def test_two_differences_give_no_interval_and_p_of_a_half_at_least():
    found = compare([0.5, 0.6])
    assert (found.low, found.t_low, found.p) == (None, None, 0.5)


def test_equal_differences_have_no_interval():
    found = compare([0.1 + 0.2, 0.3, 0.3])  # equal but for rounding
    assert (found.low, found.p) == (None, 0.25)


def test_no_difference_is_an_error():
    with pytest.raises(ValueError, match="no differences"):
        compare([])


@pytest.mark.parametrize(("comparisons", "seeds"), [(1, 6), (2, 7), (6, 8), (40, 11)])
def test_how_many_seeds_can_decide(comparisons, seeds):
    assert seeds_to_decide(comparisons) == seeds
    best = 2.0 ** (1 - seeds)
    assert holm([best] + [1.0] * (comparisons - 1))[0] < 0.05
    assert holm([2 * best] + [1.0] * (comparisons - 1))[0] >= 0.05


@pytest.mark.parametrize(("n", "stated"), [(3, 0.73), (5, 0.84), (10, 0.90)])
def test_the_interval_covers_the_truth_as_often_as_tables_say(n, stated):
    random = np.random.default_rng(n)
    intervals = [bca(random.normal(0, 1, n)) for _ in range(800)]
    covered = np.mean([low <= 0 <= high for low, high in intervals])
    assert covered == pytest.approx(stated, abs=3.5 * np.sqrt(stated * (1 - stated) / 800))


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
    assert found.p == pytest.approx(reference.pvalue)
    assert found.p < 0.01
