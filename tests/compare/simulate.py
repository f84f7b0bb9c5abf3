"""What the answer's rules promise, simulated: power, false positives, coverage, seeds that decide.

    .venv/bin/python tests/compare/simulate.py --whole

prints every figure beside its bar in about five minutes; `test_simulation.py` holds a bounded part of it.
Points of accuracy; the noise of a seed has sd 0.15, of which a share is common to all rows of a seed.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gam_bench.compare import power
from gam_bench.compare.answer import like_these
from gam_bench.compare.paired import Comparison, compare, sign_test

SD, MARGIN = 0.15, 0.5


@dataclass(frozen=True)
class Bar:
    """What is simulated, and between which shares it must be. `share(cases)` simulates."""

    name: str
    low: float
    high: float
    share: Callable[[int], float]
    cost: int = 1  # how many times dearer a case is

    def holds(self, found: float, cases: int) -> bool:
        """Within the bar, but for three and a half standard errors of the simulation itself."""
        slack = 3.5 * np.sqrt(max(found * (1 - found), 0.01) / cases)
        return self.low - slack <= found <= self.high + slack


def differences(random, rows, seeds, effect, shared, data_sets=0, sd=0.0):
    """Paired differences. Shape (rows, seeds); rows of one data set share its own effect."""
    common = random.normal(0, SD * np.sqrt(shared), (2, 1, seeds))
    own = random.normal(0, SD * np.sqrt(1 - shared), (2, rows, seeds))
    of_data_set = (
        random.normal(0, sd, data_sets)[np.arange(rows) % data_sets] if data_sets else np.zeros(rows)
    )
    noise = common + own
    return effect + of_data_set[:, None] + noise[0] - noise[1]


def on_tasks(rows, seeds, effect, shared, ask):
    """Share of cases of which `ask` is true, on these tasks."""

    def share(cases):
        random = np.random.default_rng([rows, seeds, int(100 * effect), int(100 * shared)])
        return np.mean([
            ask(compare(differences(random, rows, seeds, effect, shared).mean(axis=0))) for _ in range(cases)
        ])  # fmt: skip

    return share


def on_data_sets(number, seeds, effect, sd, ask):
    """The same on data sets like these, four rows in each."""

    def share(cases):
        random = np.random.default_rng([number, seeds, int(100 * effect), int(100 * sd)])
        found = []
        for _ in range(cases):
            table = differences(random, 4 * number, seeds, effect, 0.3, number, sd)
            by_data_set = np.array([table[place::number].mean(axis=0) for place in range(number)])
            found.append(ask(like_these(by_data_set)))
        return np.mean(found)

    return share


def covering(n, draw):
    """Share of intervals of n differences that hold the truth, 0."""

    def share(cases):
        random = np.random.default_rng(n)
        return np.mean([covers(0)(compare(draw(random, n))) for _ in range(cases)])

    return share


def skewed(random, n):
    return random.exponential(1, n) - 1


def normal(random, n):
    return random.normal(0, 1, n)


def significant(found: Comparison) -> bool:
    return found.p is not None and found.p < 0.05


def covers(truth: float) -> Callable[[Comparison], bool]:
    return lambda found: found.low <= truth <= found.high


def decided(found: Comparison, margin: float) -> bool:
    low, high = found.interval(0.1)
    return significant(found) or (-margin < low and high < margin)


def deciding(n, effect):
    """Share of undecided cases that are decided at the seeds that were said to decide."""

    def share(cases):
        random = np.random.default_rng([n, int(100 * effect)])
        won = []
        while len(won) < cases:
            sofar = random.normal(effect, SD * np.sqrt(2), n)
            if not decided(compare(sofar), MARGIN):
                total = power.seeds(compare(sofar), MARGIN)
                more = random.normal(effect, SD * np.sqrt(2), total - n)
                won.append(decided(compare([*sofar, *more]), MARGIN))
        return np.mean(won)

    return share


def seeds_by_signs_decide(cases):
    """The same where runs diverge: the better one of a single row wins nine seeds of ten."""
    random = np.random.default_rng(3)
    won = []
    while len(won) < cases:
        wins = random.binomial(6, 0.9)
        total = power.seeds_by_signs(wins, 6 - wins, 0)
        if total is not None and wins < 6:
            all_wins = wins + random.binomial(total - 6, 0.9)
            won.append(sign_test(all_wins, total - all_wins) < 0.05)
    return np.mean(won)


BARS = (
    Bar("power: 20 rows, 3 seeds, effect 0.3, nothing shared", 0.95, 1, on_tasks(20, 3, 0.3, 0, significant)),
    Bar("power: 20 rows, 5 seeds, effect 0.3, 30 % shared", 0.95, 1, on_tasks(20, 5, 0.3, 0.3, significant)),
    *(
        Bar(f"power: 20 rows, {seeds} seeds, effect 0.3, 30 % shared", low, high,
            on_tasks(20, seeds, 0.3, 0.3, significant))
        for seeds, low, high in ((3, 0.55, 0.67), (4, 0.85, 0.95))
    ),
    Bar("power: 4 rows, 5 seeds, effect 0.5, 30 % shared", 0.95, 1, on_tasks(4, 5, 0.5, 0.3, significant)),
    *(
        Bar(f"false positives: {rows} rows, {seeds} seeds, {shared:.0%} shared", 0.0, 0.055,
            on_tasks(rows, seeds, 0, shared, significant))
        for rows, seeds, shared in ((20, 3, 0), (20, 3, 0.3), (20, 5, 0.3), (1, 3, 0), (4, 10, 0.9))
    ),
    *(
        Bar(f"coverage: {rows} rows, {seeds} seeds, 30 % shared", 0.93, 0.97,
            on_tasks(rows, seeds, 0.3, 0.3, covers(0.3)))
        for rows in (1, 20) for seeds in (3, 5, 10)
    ),
    *(
        Bar(f"data sets: false positives, {number} of them, sd {sd}, {seeds} seeds", 0.0, 0.065,
            on_data_sets(number, seeds, 0, sd, significant), 3)
        for number, seeds, sd in ((6, 3, 0.2), (6, 3, 0.0), (6, 10, 0.2), (10, 3, 0.2), (10, 5, 0.2))
    ),
    *(
        Bar(f"data sets: coverage, {number} of them, sd 0.2, {seeds} seeds", 0.93, 0.97,
            on_data_sets(number, seeds, 0.3, 0.2, covers(0.3)), 3)
        for number, seeds in ((6, 3), (6, 5), (6, 10), (10, 3), (10, 5), (10, 10))
    ),
    *(Bar(f"coverage: normal, n = {n}", 0.93, 0.97, covering(n, normal)) for n in (2, 3, 5, 10)),
    *(Bar(f"coverage: skewed, n = {n}", 0.87, 0.91, covering(n, skewed)) for n in (3, 5, 10)),
    *(
        Bar(f"seeds that would decide do: {n} so far, effect {effect}", 0.8, 1, deciding(n, effect), 20)
        for n in (2, 3, 5) for effect in (0, 0.1, 0.2, 0.3, 0.5)
    ),
    Bar("seeds that would decide do: diverging runs", 0.8, 1, seeds_by_signs_decide, 20),
)  # fmt: skip


def main() -> None:
    """Print each share beside its bar; exit 1 where one is missed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--whole", action="store_true", help="20,000 cases each instead of 2,000")
    cases = 20_000 if parser.parse_args().whole else 2_000
    missed = 0
    for bar in BARS:
        found = bar.share(cases // bar.cost)
        holds = bar.low <= round(found, 3) <= bar.high
        missed += not holds
        print(
            f"{found:.3f}  in [{bar.low:g}, {bar.high:g}]  {'' if holds else 'MISSED '}{bar.name}", flush=True
        )
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
