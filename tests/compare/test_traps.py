"""Traps of comparison: ties that rounding hides, and cells with more than one counterpart."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from made_runs import runs

from gam_bench.compare.answer import Standing
from gam_bench.compare.cell import Cell, Sample, cells
from gam_bench.compare.cost import hours
from gam_bench.compare.paired import sign_flip
from gam_bench.compare.pairs import counterpart, findings
from gam_bench.compare.verdict import Verdict
from gam_bench.results.figures import METRICS


@pytest.mark.parametrize(
    "values", [[1, 2, 3], [3, 5, 7, 8], [1, 2, 3, 4, 6], [7, 11, -18, 4], [1, 1, 2, 4, 8, -16]]
)
@pytest.mark.parametrize("unit", [0.1, 0.001, 1 / 3, 1e-9, 1e9])
def test_means_that_tie_but_for_rounding_are_ties(values, unit):
    """In whole numbers the p-value is exact; in tenths sums differ in their last digits, p must not."""
    signs = np.array(list(product([1, -1], repeat=len(values))))
    exact = np.mean(np.abs(signs @ values) >= abs(sum(values)))
    for places in range(len(values)):  # in another order they differ otherwise
        assert sign_flip(np.roll(np.array(values) * unit, places)) == exact


def cell(optimizer, **key):
    settings = {"optimizer": optimizer, "base": "sgd"} | key
    samples = (Sample(METRICS["test_accuracy"], {0: 0.5}),)
    return Cell({"optimizer": optimizer} | key, settings, samples, Counter({"done": 1}))


def by_row(*cells):
    return {one.row: one for one in cells}


def test_a_cells_counterpart_is_the_one_of_its_row():
    sam = cell("sam", rho=0.1, lr=0.05)
    same, bare = cell("sgd", rho=0.1, lr=0.05), cell("sgd", rho=None, lr=0.05)
    assert counterpart(sam, by_row(bare, same)) is same


def test_without_one_it_is_the_only_one_that_agrees_as_far_as_it_goes():
    sam = cell("sam", rho=0.1, lr=0.05)
    near, far = cell("sgd", rho=None, lr=0.05), cell("sgd", rho=None, lr=0.1)
    assert counterpart(sam, by_row(far, near)) is near
    assert counterpart(sam, by_row(far)) is None
    assert counterpart(sam, {}) is None


def test_of_several_that_agree_none_is_picked():
    """The first would be a comparison that nobody chose, and another one in another order of runs."""
    sam = cell("sam", rho=0.1, lr=0.05)
    one, other = cell("sgd", rho=None, lr=0.05), cell("sgd", rho=0.1, lr=None)
    assert counterpart(sam, by_row(one, other)) is None
    assert counterpart(sam, by_row(other, one)) is None


def test_without_runs_there_are_no_cells():
    assert cells(runs({}), ["optimizer"], [METRICS["test_accuracy"]]) == []


@pytest.mark.parametrize(("metric", "leads"), [("test_accuracy", True), ("train_loss", False)])
def test_a_figure_that_is_neither_better_high_nor_low_has_no_leader(metric, leads):
    made = runs({"sam": [0.8, 0.9], "gam": [0.7, 0.6]})
    made["train_loss"] = [4.0, 5.0, 3.0, 2.0]
    of_each = cells(made, ["optimizer"], [METRICS[metric]])
    assert any(finding.leads for finding in findings(of_each, METRICS[metric])) == leads


def test_hours_are_of_all_the_time_or_where_nobody_wrote_it_of_training():
    made = runs({"sgd": [0.8, 0.8]}, train_seconds=3600.0)
    made["total_seconds"] = [7200.0, np.nan]
    assert hours(made) == {"cpu": 3.0}


def test_verdicts_are_words_for_people():
    assert list(map(str, Verdict)) == ["reproduced", "differs", "undecided", "no published figure"]
    assert list(map(str, Standing)) == [
        "supported", "contradicted", "equivalent", "undecided", "not run",
    ]  # fmt: skip
