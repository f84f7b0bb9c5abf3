"""How many seeds would decide what is undecided, by simulation.

What is not known, the true difference and its spread over seeds, is drawn from what the seeds so far leave
open (normal differences, no opinion before them); then further seeds are drawn from that truth, and the same
rule judges them with those there are. The number given is the first at which `SHARE` of `CASES` are decided.
"""

from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtrit

from gam_bench.compare.paired import LEVEL, Comparison

Array = NDArray[np.float64]

SHARE = 0.8
CASES = 2000
MOST = 1000
"""More seeds than this are said to be too many."""


def seeds(found: Comparison, margin: float | None = None, level: float = LEVEL) -> int | None:
    """The seeds, those of `found` included, with which its difference would be decided; None if too many.

    Decided: the interval that leaves out `level` excludes 0, or, with a `margin`, lies around 0 while that
    which leaves out 10 % is within the margin. None, too, where nothing tells the spread.
    """
    if found.error is None or not found.paired:
        return None
    return _first(found.n, lambda total: float(np.mean(_decided(found, total, margin, level))))


def _first(n: int, share: Callable[[int], float]) -> int | None:
    """The first number above n, up to `MOST`, whose share is large enough; shares grow with it."""
    total = bisect_left(range(MOST + 1), True, lo=n + 1, key=lambda total: share(total) >= SHARE)
    return total if total <= MOST else None


def _decided(found: Comparison, total: int, margin: float | None, level: float) -> NDArray[np.bool_]:
    """Whether each simulated case is decided once there are `total` seeds."""
    n, more = found.n, total - found.n
    seen = (found.error or 0.0) ** 2 * n  # variance of a difference, as the seeds so far tell it
    draws = _draws(n, more)
    sigma = np.sqrt(seen * (n - 1) / draws[0])
    truth = found.difference + sigma * draws[1] / sqrt(n)
    mean_of_more = truth + sigma * draws[2] / sqrt(more)
    mean = (n * found.difference + more * mean_of_more) / total
    between = n * more / total * (mean_of_more - found.difference) ** 2
    squares = seen * (n - 1) + sigma**2 * draws[3] + between
    error = np.sqrt(squares / (total - 1) / total)
    apart = np.abs(mean) > stdtrit(total - 1, 1 - level / 2) * error
    if margin is None:
        return np.asarray(apart)
    return np.asarray(apart | (np.abs(mean) + stdtrit(total - 1, 1 - LEVEL) * error < margin))


@cache
def _draws(n: int, more: int) -> tuple[Array, Array, Array, Array]:
    """χ² of the spread so far, normals of truth and further mean, χ² of the further spread; one a case."""
    random = np.random.default_rng(0)
    spread, truth, mean = random.chisquare(n - 1, CASES), random.normal(size=CASES), random.normal(size=CASES)
    further = random.chisquare(more - 1, CASES) if more > 1 else np.zeros(CASES)
    return spread, truth, mean, further


def seeds_by_signs(wins: int, losses: int, ties: int, level: float = LEVEL) -> int | None:
    """As `seeds`, where runs diverged and the sign test judges: the shares of the three are drawn."""
    n = wins + losses + ties
    random = np.random.default_rng(0)
    shares = random.dirichlet([wins + 0.5, losses + 0.5, ties + 0.5], CASES)

    def share(total: int) -> float:
        drawn = np.random.default_rng(1).multinomial(total - n, shares)
        better, worse = drawn[:, 0] + wins, drawn[:, 1] + losses
        p = 2 * bdtr(np.minimum(better, worse).astype(float), better + worse, 0.5)
        return float(np.mean((p < level) & (better + worse > 0)))

    return _first(n, share)
