"""Does a measured gap between two optimizers reproduce the published one?

A gap is harder to reproduce than an accuracy: half a point of margin would swallow most of those that papers
report. Here the margin is at most half of the published gap, and a measured gap that may be none decides
nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from gam_bench.compare.cell import Cell
from gam_bench.compare.contrast import Contrast, between
from gam_bench.compare.match import Match
from gam_bench.compare.paired import LEVEL, satterthwaite
from gam_bench.compare.pairs import Finding
from gam_bench.compare.verdict import MARGIN, Judgement, Verdict, decide


@dataclass(frozen=True)
class Gap:
    """A measured difference beside a published one of the same two recipes.

    `measured`: the mean paired difference. `margin`: within which the two gaps are one. Both are in stored
    units. `judgement.difference` is measured − published.
    """

    finding: Finding
    published: Contrast
    measured: float
    margin: float
    judgement: Judgement


def gaps(found: Sequence[Finding], margin: float = MARGIN) -> list[Gap]:
    """Each finding beside the gap of every source that has both its recipes in one table."""
    made = []
    for finding in found:
        if finding.comparison is None or finding.equal_compute or not finding.comparison.paired:
            continue
        for one, other in _pairs(finding.one, finding.other):
            contrast = between(one.figure, other.figure)
            if contrast.unpaired is not None and not contrast.confounders:
                made.append(_judged(finding, contrast, margin))
    return made


def _pairs(one: Cell, other: Cell) -> Sequence[tuple[Match, Match]]:
    return [
        (mine, its)
        for mine in one.published
        for its in other.published
        if mine.same and its.same and mine.figure.where == its.figure.where
    ]


def _judged(finding: Finding, published: Contrast, margin: float) -> Gap:
    differences = _differences(finding.one, finding.other)
    n, mean = len(differences), float(np.mean(differences))
    margin = min(margin, abs(published.difference) / 2)
    if n < 2:
        return Gap(finding, published, mean, margin, _open(mean - published.difference, "one seed"))
    error = float(np.std(differences, ddof=1)) / math.sqrt(n)
    if abs(mean) <= float(stdtrit(n - 1, 1 - LEVEL / 2)) * error:
        why = "the measured gap is not shown to be one"
        return Gap(finding, published, mean, margin, _open(mean - published.difference, why))
    theirs = published.unpaired
    assert theirs is not None  # see gaps
    parts = [(error**2, n - 1), ((theirs.error or 0.0) ** 2, theirs.df or math.inf)]
    judgement = decide(mean - published.difference, *satterthwaite(parts), margin)
    return Gap(finding, published, mean, margin, judgement)


def _open(difference: float, reason: str) -> Judgement:
    return Judgement(Verdict.UNDECIDED, difference, reason=reason)


def _differences(one: Cell, other: Cell) -> list[float]:
    """A seed each, of those that one numerics version computed for both."""
    mine, its = one.main.values, other.main.values
    shared = [seed for seed in mine if seed in its and one.numerics[seed] == other.numerics[seed]]
    return [mine[seed] - its[seed] for seed in shared]
