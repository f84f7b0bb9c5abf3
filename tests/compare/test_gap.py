"""Measured gaps against published ones."""

import numpy as np
import pandas as pd
import pytest
from made_runs import published_runs

from gam_bench.compare.verdict import Verdict
from gam_bench.report.render import sentences
from gam_bench.report.table import build


def built(shift=0.0, scale=1.0, seeds=10, margin=0.005):
    """The re-run as measured here, its exact GAM on CIFAR-100 moved by `shift`, its spread scaled."""
    frame = published_runs("basic")
    frame = frame[(frame["dataset"] == "cifar100") & (frame["seed"] < seeds)].reset_index(drop=True)
    exact = frame["optimizer"] == "exact-gam"
    mean = frame.loc[exact, "test_accuracy"].mean()
    frame.loc[exact, "test_accuracy"] = mean + scale * (frame.loc[exact, "test_accuracy"] - mean) + shift
    return build(frame, ["test_accuracy"], margin=margin)


def only(table):
    ((_, gap),) = table.gaps
    return gap


def test_the_same_gap_is_reproduced_within_half_of_itself():
    gap = only(built())
    assert gap.measured == pytest.approx(0.00634, abs=1e-9)
    assert gap.published.difference == pytest.approx(gap.measured)
    assert gap.margin == pytest.approx(0.00317)
    assert gap.judgement.verdict == Verdict.REPRODUCED
    assert gap.judgement.difference == pytest.approx(0, abs=1e-12)


def test_a_smaller_margin_of_the_user_holds():
    assert only(built(margin=0.001)).margin == 0.001


def test_another_gap_differs_though_it_has_the_same_sign():
    gap = only(built(shift=0.012))
    assert gap.judgement.verdict == Verdict.DIFFERS
    assert gap.judgement.low > gap.margin


@pytest.mark.parametrize("change", [{"shift": -0.0055}, {"scale": 8.0}, {"seeds": 1}])
def test_a_gap_that_may_be_none_decides_nothing(change):
    gap = only(built(**change))
    assert gap.judgement.verdict == Verdict.UNDECIDED
    assert gap.judgement.reason


def test_confounded_published_gaps_and_other_recipes_are_no_gap():
    """GAM in batches of 256 against SGD in 128; SGD on CIFAR-10 basic counts with its runs in 128 alone."""
    frame = published_runs("basic")
    found = [gap.published for _, gap in build(frame, ["test_accuracy"]).gaps]
    assert {(c.one.figure.optimizer, c.one.figure.dataset, c.other.n) for c in found} == {
        ("exact-gam", "cifar100", 10),
        ("exact-gam", "cifar10", 7),
    }
    assert build(frame.assign(weight_decay=1e-3), ["test_accuracy"]).gaps == []


def test_it_is_said():
    (text,) = [line for line in sentences(built()) if "gap" in line]
    assert text == (
        "the gap ExactGAM − SGD, measured +0.63, published +0.63 (Waterloo, logs): "
        "reproduced (margin ±0.32 points)."
    )


def test_welch_by_hand():
    """Standard errors add in squares; Satterthwaite's degrees of freedom over both parts."""
    gap = only(built(scale=2.0, seeds=10))
    frame = pd.DataFrame(published_runs("basic"))
    by = {
        name: group.sort_values("seed")["test_accuracy"].to_numpy()
        for name, group in frame[frame["dataset"] == "cifar100"].groupby("optimizer")
    }
    exact = by["exact-gam"].mean() + 2 * (by["exact-gam"] - by["exact-gam"].mean())
    ours = np.var(exact - by["sgd"], ddof=1) / 10
    theirs = np.var(by["exact-gam"], ddof=1) / 10 + np.var(by["sgd"], ddof=1) / 10
    half = (gap.judgement.high - gap.judgement.low) / 2
    assert half / np.sqrt(ours + theirs) == pytest.approx(2.1, abs=0.15)
