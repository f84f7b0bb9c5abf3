"""Two optimizers on the same seeds: the difference, its interval, and how likely it is by chance.

Differences are paired, one a shared seed, and judged by Student's t, whose 95 % interval covers the truth in
95 % of cases at any number of normal differences, and in 88 to 90 % where they are skewed (a simulation holds
both). Where seeds are not shared, Welch's t. Beside them, as a check that rests on no distribution: flipped
signs (exact up to `EXACT` differences) and the sign test. All are what scipy.stats gives (tests hold that);
they stand here because importing scipy.stats takes as long as all else that `table` does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, stdtr, stdtrit

Array = NDArray[np.float64]

LEVEL = 0.05
FLIPPED = 8
"""From so many differences on their signs are flipped: with fewer, no p-value below 0.01 is possible."""
EXACT = 14
"""Up to this many differences all 2ⁿ sign flips are counted; above, `DRAWS` of them are drawn."""
DRAWS = 9999
_TIE = 1e-9  # of the values' size: means that differ by less are one mean, summed in another order


@dataclass(frozen=True)
class Comparison:
    """An estimated difference, in the figure's stored unit.

    n: shared seeds; for a difference that is not `paired`, runs of the one, `n_other` those of the other.
    error, df: standard error and degrees of freedom; None where one seed, or no spread at all, tells neither.
    flips: two-sided p-value of flipped signs, from `FLIPPED` paired differences on.
    """

    n: int
    difference: float
    error: float | None = None
    df: float | None = None
    flips: float | None = None
    paired: bool = True
    n_other: int | None = None

    @property
    def p(self) -> float | None:
        """Two-sided, that there is no difference."""
        if self.error is None or self.df is None:
            return None
        return float(2 * stdtr(self.df, -abs(self.difference) / self.error))

    @property
    def low(self) -> float | None:
        """Where the 95 % interval begins."""
        return self.interval()[0]

    @property
    def high(self) -> float | None:
        """Where the 95 % interval ends."""
        return self.interval()[1]

    def interval(self, level: float = LEVEL) -> tuple[float, float] | tuple[None, None]:
        """The interval that leaves out the truth in a share `level` of cases."""
        if self.error is None or self.df is None:
            return None, None
        half = float(stdtrit(self.df, 1 - level / 2)) * self.error
        return self.difference - half, self.difference + half


def compare(differences: Sequence[float] | Array) -> Comparison:
    """Judge paired differences. Raises ValueError without any."""
    values = np.asarray(differences, dtype=float)
    n = len(values)
    if n == 0:
        raise ValueError("no differences")
    mean, variance = float(values.mean()), _variance(values)
    flips = sign_flip(values) if n >= FLIPPED else None
    if variance is None:
        return Comparison(n, mean, flips=flips)
    return Comparison(n, mean, math.sqrt(variance / n), n - 1.0, flips)


def welch(one: Sequence[float] | Array, other: Sequence[float] | Array) -> Comparison:
    """Judge the difference of two means whose values are not paired (Welch 1947, Biometrika 34).

    Raises ValueError where one of them has no values.
    """
    return welch_of(*(_summary(np.asarray(values, dtype=float)) for values in (one, other)))


def welch_of(one: tuple[float, float, int], other: tuple[float, float, int]) -> Comparison:
    """The same from what is known of each side: mean, standard error of it, and number of values."""
    (mean, error, n), (its_mean, its_error, its_n) = one, other
    if min(n, its_n) < 2 or error == its_error == 0:
        return Comparison(n, mean - its_mean, paired=False, n_other=its_n)
    whole, df = satterthwaite([(error**2, n - 1), (its_error**2, its_n - 1)])
    return Comparison(n, mean - its_mean, whole, df, paired=False, n_other=its_n)


def _summary(values: Array) -> tuple[float, float, int]:
    if not len(values):
        raise ValueError("no values")
    variance = _variance(values) if len(values) > 1 else None
    return float(values.mean()), math.sqrt((variance or 0.0) / len(values)), len(values)


def satterthwaite(parts: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Standard error and degrees of freedom of a sum of variances (Satterthwaite 1946, Biometrics 2).

    parts: each variance of the sum, above 0 in one of them, with its own degrees of freedom.
    """
    total = sum(variance for variance, _ in parts)
    return math.sqrt(total), total**2 / sum(variance**2 / df for variance, df in parts)


def _variance(values: Array) -> float | None:
    """Sample variance; None below two values, or where they are all equal but for rounding."""
    if len(values) < 2:
        return None
    spread = float(values.std(ddof=1))
    return None if spread <= _TIE * max(1e-300, float(np.abs(values).max())) else spread**2


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


def sign_test(wins: int, losses: int) -> float:
    """Exact two-sided p-value of so many wins and losses, ties left out; 1 without any."""
    n = wins + losses
    return min(1.0, 2 * float(bdtr(min(wins, losses), n, 0.5))) if n else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values corrected for their number (Holm 1979, Scand. J. Stat. 6), in the given order."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = highest
    return corrected
