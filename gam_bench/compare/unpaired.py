"""Two means that share no seeds: their difference by Welch's t (Welch 1947, Biometrika 34)."""

import math
from dataclasses import dataclass

from scipy.special import stdtrit

from gam_bench.compare.paired import LEVEL


@dataclass(frozen=True)
class Unpaired:
    """A difference of two means, in the metric's stored unit.

    `error`, `df`: its standard error and Satterthwaite's degrees of freedom. `low`, `high`: 95 % interval.
    """

    difference: float
    error: float
    df: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


def welch(one: tuple[float, float, int], other: tuple[float, float, int]) -> Unpaired | None:
    """`one` − `other`, each as (mean, standard error of it, number of runs).

    None where a side has fewer than two runs, or neither has a spread: then nothing can be said of chance.
    """
    (mean, error, n), (its_mean, its_error, its_n) = one, other
    if min(n, its_n) < 2 or error == its_error == 0:
        return None
    whole = error**2 + its_error**2
    df = whole**2 / (error**4 / (n - 1) + its_error**4 / (its_n - 1))
    half = float(stdtrit(df, 1 - LEVEL / 2)) * math.sqrt(whole)
    difference = mean - its_mean
    return Unpaired(difference, math.sqrt(whole), df, difference - half, difference + half)
