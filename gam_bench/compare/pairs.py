"""The rows of a table as evidence: which cells are compared, seed by seed, and how they differ."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gam_bench.compare.cell import TASK, Cell, tuned
from gam_bench.compare.match import Difference
from gam_bench.compare.paired import LEVEL, Comparison, compare, holm, sign_test, welch
from gam_bench.results.figures import Figure

PASSES = "forward_backward_passes"
EQUAL_PASSES = 0.05
"""Two cells whose forward-backward passes differ by less, relatively, cost the same."""
RIVALS = {"gam": ("sam",)}
"""Besides its base, whom an optimizer is compared with in every row."""


@dataclass(frozen=True)
class Signs:
    """Seeds that the one won, lost and tied, where runs diverged: one that did loses to one that did not."""

    wins: int
    losses: int
    ties: int

    @classmethod
    def of(cls, gains: Iterable[float]) -> "Signs":
        found = list(gains)
        wins, losses = sum(gain > 0 for gain in found), sum(gain < 0 for gain in found)
        return cls(wins, losses, len(found) - wins - losses)

    @property
    def n(self) -> int:
        return self.wins + self.losses + self.ties

    @property
    def p(self) -> float:
        """Of the exact two-sided sign test."""
        return sign_test(self.wins, self.losses)


@dataclass
class Finding:
    """`one` − `other` in one row, by `metric`.

    `comparison` is None where the two cannot be compared: they are `unlike` in settings that a fair
    comparison shares, or `refused` says why their seeds are not paired; and where runs diverged, of which
    `signs` then tells. `p_holm` is corrected for the number of comparisons in the table, `family`.
    `equal_compute`: the two spent the same passes over different epochs. `leads`: the two are the best and
    the runner-up of their row.
    """

    one: Cell
    other: Cell
    metric: Figure
    comparison: Comparison | None
    unlike: tuple[Difference, ...] = ()
    refused: str = ""
    signs: Signs | None = None
    equal_compute: bool = False
    leads: bool = False
    p_holm: float | None = None
    family: int = 1

    @property
    def p(self) -> float | None:
        if self.signs is not None:
            return self.signs.p
        return self.comparison.p if self.comparison else None

    @property
    def significant(self) -> bool:
        """After Holm's correction: this text names which rows differ."""
        return self.p_holm is not None and self.p_holm < LEVEL

    @property
    def telling(self) -> bool:
        """Alone, without a correction."""
        return self.p is not None and self.p < LEVEL

    @property
    def gain(self) -> float:
        """The difference with the sign that makes more of it better."""
        if self.signs is not None:
            return float(self.signs.wins - self.signs.losses)
        return (self.comparison.difference if self.comparison else 0.0) * (self.metric.better or 1)

    @property
    def better(self) -> Cell:
        """The one of the two with the better mean."""
        return self.one if self.gain > 0 else self.other


def outcomes(cell: Cell, metric: Figure) -> dict[int, float]:
    """What each seed came to; a run that diverged is worse than any other, in figures that are judged."""
    lost = dict.fromkeys(cell.diverged, -metric.better * math.inf) if metric.judged else {}
    return lost | cell.sample(metric.name).values


def difference(one: float, other: float) -> float:
    """`one` − `other`; two that diverged are a tie."""
    return 0.0 if one == other else one - other


def refusal(one: Cell, other: Cell, metric: Figure, seed: int) -> str:
    """Why two runs of a seed are not paired; empty if they are."""
    if len({cell.numerics[seed] for cell in (one, other) if seed in cell.numerics}) > 1:
        return "their seeds in common are of different numerics versions"
    if metric.by_machine and one.machines.get(seed) != other.machines.get(seed):
        return "their seeds in common ran on unlike machines"
    return ""


def findings(cells: Sequence[Cell], metric: Figure) -> list[Finding]:
    """All comparisons among cells by `metric`, Holm-corrected together.

    Each optimizer against its base, GAM against SAM; the best of a row against the runner-up; and pairs of
    equal compute, by their mean forward-backward passes, where cells have them.
    """
    tasks: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        if outcomes(cell, metric):
            tasks[tuple(cell.settings.get(name) for name in TASK)].append(cell)
    pairs: dict[tuple[Any, Any], Finding] = {}
    for group in tasks.values():
        for one, other in _pairs(group):
            pairs.setdefault((one.place, other.place), _compare(one, other, metric))
        for one, other in _leaders(group, metric):
            turned = (other.place, one.place) in pairs
            pair = (other.place, one.place) if turned else (one.place, other.place)
            pairs.setdefault(pair, _compare(one, other, metric)).leads = True
    found = list(pairs.values())
    for group in tasks.values():
        for one, other in equal_compute(group):
            if other.optimizer == one.settings["base"]:
                found.append(_paired(one, other, metric))
                found[-1].equal_compute = True
    _correct(found)
    return found


def _correct(found: Sequence[Finding]) -> None:
    """Holm's correction over all that have a p-value."""
    tested = [(f, f.p) for f in found if f.p is not None]
    for (finding, _), p in zip(tested, holm([p for _, p in tested]), strict=True):
        finding.p_holm = p
    for finding in found:
        finding.family = max(1, len(tested))


def _pairs(group: Sequence[Cell]) -> Iterable[tuple[Cell, Cell]]:
    """The pairs of one task that are worth a comparison."""
    by_optimizer: dict[str, dict[tuple[Any, ...], Cell]] = defaultdict(dict)
    for cell in group:
        by_optimizer[cell.optimizer][cell.row] = cell
    for cell in group:
        base = str(cell.settings["base"])
        for rival in (base, *RIVALS.get(cell.optimizer, ())):
            other = counterpart(cell, by_optimizer.get(rival, {})) if rival != cell.optimizer else None
            if other is not None:
                yield cell, other


def counterpart(cell: Cell, others: Mapping[tuple[Any, ...], Cell]) -> Cell | None:
    """The one cell whose row settings equal `cell`'s, else the one that does so as far as it has such
    settings at all.

    (In a sweep of ρ, each ρ of SAM is compared with the SGD that has none.) `others`: by their rows.
    """
    if cell.row in others:
        return others[cell.row]
    found = [
        other
        for row, other in others.items()
        if all(its is None or its == mine for its, mine in zip(row, cell.row, strict=True))
    ]
    return found[0] if len(found) == 1 else None


def _leaders(group: Sequence[Cell], metric: Figure) -> Iterable[tuple[Cell, Cell]]:
    """Best and runner-up of each row (equal telling settings but the optimizer)."""
    rows: dict[tuple[Any, ...], list[tuple[float, Cell]]] = defaultdict(list)
    for cell in group:
        mean = cell.sample(metric.name).mean
        if mean is not None and metric.better:
            rows[cell.row].append((-metric.better * mean, cell))
    for row in rows.values():
        if len(row) > 1:
            ranked = sorted(row, key=lambda entry: entry[0])
            yield ranked[0][1], ranked[1][1]


def _compare(one: Cell, other: Cell, metric: Figure) -> Finding:
    unlike = unlikeness(one, other)
    return Finding(one, other, metric, None, unlike) if unlike else _paired(one, other, metric)


def _paired(one: Cell, other: Cell, metric: Figure) -> Finding:
    mine, its = outcomes(one, metric), outcomes(other, metric)
    common = sorted(mine.keys() & its.keys())
    refused = [refusal(one, other, metric, seed) for seed in common]
    shared = [seed for seed, why in zip(common, refused, strict=True) if not why]
    differences = [difference(mine[seed], its[seed]) for seed in shared]
    if metric.judged and (one.diverged or other.diverged):
        return Finding(one, other, metric, None, signs=Signs.of(metric.better * d for d in differences))
    if differences:
        return Finding(one, other, metric, compare(differences))
    if common or not _alike(one, other, metric):
        why = refused[0] if common else "they ran on unlike machines"
        return Finding(one, other, metric, None, refused=why)
    if min(len(mine), len(its)) < 2:
        return Finding(one, other, metric, None, refused="no finished seed in common")
    return Finding(one, other, metric, welch(list(mine.values()), list(its.values())))


def _alike(one: Cell, other: Cell, metric: Figure) -> bool:
    """Whether all runs of both may be compared in this figure."""
    return not metric.by_machine or len({*one.machines.values(), *other.machines.values()}) == 1


def unlikeness(one: Cell, other: Cell, but: Iterable[str] = ()) -> tuple[Difference, ...]:
    """In which settings that a fair comparison must share the two differ."""
    names = sorted((set(one.settings) | set(other.settings)) - tuned() - set(but))
    pairs = (Difference(name, one.settings.get(name), other.settings.get(name)) for name in names)
    return tuple(pair for pair in pairs if pair.one != pair.other)


def equal_compute(group: Sequence[Cell]) -> Iterable[tuple[Cell, Cell]]:
    """Pairs that differ in epochs and spent the same passes, the fewer epochs first."""
    if len({cell.settings["epochs"] for cell in group}) < 2:
        return
    for one in group:
        for other in group:
            if (
                one.settings["epochs"] < other.settings["epochs"]
                and one.optimizer != other.optimizer
                and same_passes(one, other)
                and not unlikeness(one, other, but=("epochs",))
            ):
                yield one, other


def same_passes(one: Cell, other: Cell) -> bool:
    mine, its = one.sample(PASSES).mean, other.sample(PASSES).mean
    return bool(mine and its and abs(mine / its - 1) <= EQUAL_PASSES)
