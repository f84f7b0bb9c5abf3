"""Does a measured mean, or a measured gap, reproduce the published one?

The rule, by Welch's t on means with their standard errors (measured sd/√n; published spread and
n):

- *reproduced*: two one-sided tests at 5 % each place the difference within ± the margin, which is to say its
  90 % interval lies inside (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15);
- *differs*: the 95 % interval of the difference lies outside ± the margin: a real difference that may be
  within the margin does not count;
- *undecided*: otherwise; with the number of seeds that would give the test 80 % power if the truth were
  equality;
- *no published figure*.

A published mean without a spread is taken as the mean of its n runs (of one run where n is not stated) with
the measured spread: the figure itself is then uncertain, and no number of our seeds can repair that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from scipy.special import stdtr, stdtrit

from gam_bench.compare.paired import LEVEL
from gam_bench.results.published import PublishedFigure

MARGIN = 0.005
"""Two accuracies within half a point are taken as the same result, unless the user sets another margin."""
MOST_SEEDS = 1000


class Verdict(StrEnum):
    REPRODUCED = "reproduced"
    DIFFERS = "differs"
    UNDECIDED = "undecided"
    NONE = "no published figure"


@dataclass(frozen=True)
class Judgement:
    """A verdict and what it rests on; the differences are measured − published, as fractions.

    `low`, `high`: 95 % interval of the difference. `equivalence_p`: p-value of the equivalence test, small
    where the two are the same within the margin. `seeds`: how many would decide, where that is open and
    possible.
    """

    verdict: Verdict
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    equivalence_p: float | None = None
    seeds: int | None = None
    reason: str = ""


def judge(
    n: int, mean: float, sd: float | None, figure: PublishedFigure | None, margin: float = MARGIN
) -> Judgement:
    """Judge n measured values (mean, sample sd; None for n = 1) against a published figure."""
    if figure is None:
        return Judgement(Verdict.NONE)
    difference = mean - figure.value
    if n < 2 or sd is None:
        return Judgement(Verdict.UNDECIDED, difference, reason="one seed has no spread to judge by")
    error, df = _welch(n, sd, figure)
    found = decide(difference, error, df, margin)
    if found.verdict != Verdict.UNDECIDED or error == 0:
        return found
    seeds = _seeds(sd, figure, margin)
    reason = "" if seeds else "the published figure is itself too uncertain for any number of seeds"
    if seeds is not None and seeds <= n:
        seeds, reason = None, "as many seeds as equality would need, and still neither inside nor outside"
    return replace(found, seeds=seeds, reason=reason)


def decide(difference: float, error: float, df: float, margin: float) -> Judgement:
    """The rule for a difference with its standard error and degrees of freedom (without `seeds`)."""
    if error == 0:
        verdict = Verdict.REPRODUCED if abs(difference) <= margin else Verdict.DIFFERS
        return Judgement(verdict, difference, difference, difference, reason="no spread in either")
    half = float(stdtrit(df, 1 - LEVEL / 2)) * error
    low, high = difference - half, difference + half
    p = float(stdtr(df, (abs(difference) - margin) / error))
    if p < LEVEL:
        verdict = Verdict.REPRODUCED
    else:
        verdict = Verdict.DIFFERS if low > margin or high < -margin else Verdict.UNDECIDED
    return Judgement(verdict, difference, low, high, p)


def _welch(n: int, sd: float, figure: PublishedFigure) -> tuple[float, float]:
    """Standard error and degrees of freedom of measured − published."""
    ours = sd**2 / n
    error = figure.standard_error
    if error is None:  # no spread published: the measured one, at its own n
        return math.sqrt(ours + sd**2 / (figure.n or 1)), n - 1
    theirs = error**2
    if ours + theirs == 0:
        return 0.0, math.inf
    parts = ours**2 / (n - 1)
    if figure.n and figure.n > 1:
        parts += theirs**2 / (figure.n - 1)
    return math.sqrt(ours + theirs), (ours + theirs) ** 2 / parts if parts else math.inf


def _seeds(sd: float, figure: PublishedFigure, margin: float) -> int | None:
    """The fewest seeds for 80 % power of the equivalence test at true equality; None if none would do."""
    for n in range(2, MOST_SEEDS + 1):
        error, df = _welch(n, sd, figure)
        if (stdtrit(df, 1 - LEVEL) + stdtrit(df, 0.9)) * error <= margin:
            return n
    return None


def tally(judged: Sequence[StrEnum]) -> str:
    """For example `3 reproduced, 1 undecided`, in the order of the rule."""
    kinds = type(judged[0]) if judged else ()
    return ", ".join(f"{judged.count(kind)} {kind}" for kind in kinds if kind in judged)
