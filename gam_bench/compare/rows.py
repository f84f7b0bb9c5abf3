"""The rows of a claim: the tasks on which both of its optimizers were run alike, and what their seeds tell.

A row is a task, not a tuning value: where one optimizer stands there with several (a sweep of ρ), the best by
mean validation accuracy is taken; without a validation split, the mean over all of them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gam_bench.compare.cell import Cell, tuned
from gam_bench.compare.pairs import difference, outcomes, refusal, same_passes
from gam_bench.results.figures import Figure
from gam_bench.suite.claim import BASE, Claim

VALIDATION = "validation_accuracy"


@dataclass(frozen=True)
class Row:
    """One task of a claim: the cells of both sides, several where an optimizer has several tuning values."""

    better: tuple[Cell, ...]
    worse: tuple[Cell, ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        return self.better + self.worse

    @property
    def dataset(self) -> str:
        return str(self.better[0].settings["dataset"])

    def differences(self, metric: Figure) -> dict[int, float]:
        """Seed → better − worse, of the seeds that all its cells share; ±∞ where one side diverged."""
        one, other = (_side(cells, metric) for cells in (self.better, self.worse))
        return {
            seed: difference(one[seed], other[seed])
            for seed in sorted(one.keys() & other.keys())
            if not any(refusal(mine, its, metric, seed) for mine in self.better for its in self.worse)
        }

    def refusal(self, metric: Figure) -> str:
        """Why the seeds that both sides have are not paired; empty where they are, or are none."""
        one, other = self.sides(metric)
        for cells, side in ((self.better, one), (self.worse, other)):
            if not side and all(outcomes(cell, metric) for cell in cells):
                return "tuning values of one side share no seeds"
        told = (refusal(self.better[0], self.worse[0], metric, seed) for seed in one.keys() & other.keys())
        return next(filter(None, told), "")

    def sides(self, metric: Figure) -> tuple[dict[int, float], dict[int, float]]:
        """Seed → outcome of each side, for seeds that the two do not share."""
        return _side(self.better, metric), _side(self.worse, metric)


def _side(cells: Sequence[Cell], metric: Figure) -> dict[int, float]:
    found = [outcomes(cell, metric) for cell in cells]
    seeds = set.intersection(*(set(values) for values in found))
    return {seed: sum(values[seed] for values in found) / len(found) for seed in seeds}


def rows(cells: Sequence[Cell], claim: Claim) -> list[Row]:
    """The rows of a claim among the cells of a table, in the table's order."""
    groups: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[_shared(cell, () if claim.at == "epochs" else ("epochs",))].append(cell)
    found = []
    for group in groups.values():
        base = str(group[0].settings["base"])
        better = [cell for cell in group if cell.optimizer == claim.better]
        worse = [cell for cell in group if cell.optimizer == (base if claim.worse == BASE else claim.worse)]
        if claim.better == base and claim.worse == BASE:
            continue
        for mine, its in _matched(better, worse, claim):
            found.append(Row(_tuned(mine), _tuned(its)))
    return found


def _shared(cell: Cell, but: Iterable[str]) -> tuple[Any, ...]:
    """The settings that a fair comparison shares."""
    left_out = tuned() | set(but)
    return tuple(sorted((name, value) for name, value in cell.settings.items() if name not in left_out))


def _matched(
    better: Sequence[Cell], worse: Sequence[Cell], claim: Claim
) -> Iterable[tuple[list[Cell], list[Cell]]]:
    """The two sides of each row: of equal epochs, or of unequal epochs and equal passes."""
    if claim.at == "epochs":
        if better and worse:
            yield list(better), list(worse)
        return
    for epochs, mine in _by_epochs(better).items():
        for its_epochs, its in _by_epochs(worse).items():
            if epochs != its_epochs and same_passes(mine[0], its[0]):
                yield mine, its


def _by_epochs(cells: Sequence[Cell]) -> dict[int, list[Cell]]:
    groups: dict[int, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.settings["epochs"]].append(cell)
    return groups


def _tuned(cells: Sequence[Cell]) -> tuple[Cell, ...]:
    """Of several tuning values the best by validation accuracy, if every one that has run has it."""
    if len(cells) == 1:
        return tuple(cells)
    ran = [cell for cell in cells if cell.states["done"]]
    means = [_validation(cell) for cell in ran]
    known = [mean for mean in means if mean is not None]
    if known and len(known) == len(ran):
        return (ran[max(range(len(known)), key=known.__getitem__)],)
    return tuple(cells)


def _validation(cell: Cell) -> float | None:
    found = [sample.mean for sample in cell.samples if sample.metric.name == VALIDATION]
    return found[0] if found else None
