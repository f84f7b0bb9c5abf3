"""Two optimizers on the same seeds: the difference, its interval, and how likely it is by chance.

All statistics are of paired differences, one a shared seed. The interval is the bias-corrected and
accelerated bootstrap (Efron 1987, J. Am. Stat. Assoc. 82), the p-value that of flipping the signs of the
differences, exact up to `EXACT` of them. Both are what scipy.stats.bootstrap and scipy.stats.permutation_test
give (tests hold that); they stand here because importing scipy.stats takes as long as all else that `table`
does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtrit

Array = NDArray[np.float64]

LEVEL = 0.05
EXACT = 14
"""Up to this many differences all 2ⁿ sign flips are counted; above, `DRAWS` of them are drawn."""
DRAWS = 9999
_TIE = 1e-9  # of the values' size: means that differ by less are one mean, summed in another order


@dataclass(frozen=True)
class Comparison:
    """Statistics of n paired differences, in the metric's stored unit.

    `above`, `below`: how many are above and below 0. `low`, `high`: 95 % BCa bootstrap interval of the mean
    difference; None below three differences or when they are all equal. `t_low`, `t_high`: Student's, which
    is wider and honest for few seeds. `p`: two-sided sign-flip p-value, None for one difference. `floor`: the
    smallest p-value that n differences can give.
    """

    n: int
    difference: float
    above: int
    below: int
    low: float | None = None
    high: float | None = None
    t_low: float | None = None
    t_high: float | None = None
    p: float | None = None

    @property
    def floor(self) -> float:
        return 2.0 ** (1 - self.n)


def compare(differences: Sequence[float] | Array) -> Comparison:
    """Statistics of paired differences. Raises ValueError without any."""
    values = np.asarray(differences, dtype=float)
    n = len(values)
    if n == 0:
        raise ValueError("no differences")
    mean = float(values.mean())
    above, below = int(np.count_nonzero(values > 0)), int(np.count_nonzero(values < 0))
    if n == 1:
        return Comparison(1, mean, above, below)
    p = sign_flip(values)
    spread = float(values.std(ddof=1))
    if n == 2 or spread <= _TIE * max(1e-300, float(np.abs(values).max())):
        return Comparison(n, mean, above, below, p=p)
    half = float(stdtrit(n - 1, 1 - LEVEL / 2)) * spread / np.sqrt(n)
    low, high = bca(values)
    return Comparison(n, mean, above, below, low, high, mean - half, mean + half, p)


def sign_flip(differences: Array) -> float:
    """Two-sided p-value of a mean difference when each sign is as likely as the other.

    Exact up to `EXACT` differences; above, from `DRAWS` draws and the observed one, so never 0.
    """
    n = len(differences)
    tie = _TIE * np.abs(differences).sum()
    reached = np.abs(_signs(n) @ differences) >= abs(differences.sum()) - tie
    if n <= EXACT:
        return float(np.mean(reached))
    return float((np.count_nonzero(reached) + 1) / (DRAWS + 1))


@cache
def _signs(n: int) -> Array:
    """Sign patterns of n differences, shape (patterns, n): up to `EXACT` the 2ⁿ⁻¹ that start with +, whose
    mirror images give the same, and above it `DRAWS` drawn ones."""
    if n > EXACT:
        return np.random.default_rng(0).choice((-1.0, 1.0), size=(DRAWS, n))
    bits = (np.arange(2 ** (n - 1))[:, None] >> np.arange(n)) & 1
    return np.asarray(1.0 - 2.0 * bits, dtype=np.float64)


def bca(values: Array, level: float = LEVEL) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean of `values`, which must not all be equal.

    9,999 resamples from a fixed seed, so that a table is the same at every printing.
    """
    n, mean = len(values), values.mean()
    means = _resamples(n) @ values / n
    tie = _TIE * np.abs(values).max()
    below = np.mean(means < mean - tie) + 0.5 * np.mean(np.abs(means - mean) <= tie)
    bias = ndtri(below)
    jackknife = (values.sum() - values) / (n - 1)
    deviations = jackknife.mean() - jackknife
    acceleration = np.sum(deviations**3) / (6 * np.sum(deviations**2) ** 1.5)
    z = bias + np.array([ndtri(level / 2), ndtri(1 - level / 2)])
    quantiles = ndtr(bias + z / (1 - acceleration * z))
    low, high = np.quantile(means, quantiles)
    return float(low), float(high)


@cache
def _resamples(n: int) -> Array:
    """How often each of n values is drawn in each resample. Shape (9999, n)."""
    drawn = np.random.default_rng(0).integers(0, n, (DRAWS, n))
    counts = np.zeros((DRAWS, n))
    np.add.at(counts, (np.arange(DRAWS)[:, None], drawn), 1.0)
    return counts


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979, Scand. J. Stat. 6), in the given order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected


def seeds_to_decide(comparisons: int, level: float = LEVEL) -> int:
    """The fewest shared seeds with which one of so many comparisons can become significant at all."""
    n = 1
    while comparisons * 2.0 ** (1 - n) >= level:
        n += 1
    return n
