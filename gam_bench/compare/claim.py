"""Pairs of cells that are worth a comparison, and how the claims that papers make of them stand."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gam_bench.compare.cell import TASK, Cell, tuned
from gam_bench.compare.match import Difference
from gam_bench.compare.paired import LEVEL, Comparison, compare, holm

PASSES = "forward_backward_passes"
EQUAL_PASSES = 0.05
"""Two cells whose forward-backward passes differ by less, relatively, cost the same."""
CLAIMS: tuple[tuple[str, str], ...] = (("sam", "sgd"), ("gam", "sgd"), ("gam", "sam"))
"""What the SAM and GAM papers claim of generalization: the first beats the second."""


class ClaimStanding(StrEnum):
    """*supported*: the paired difference has the claimed sign and a Holm-corrected p-value below 5 %;
    *contradicted*: the other sign and such a p-value; else *undecided*."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNDECIDED = "undecided"


def claim(gain: float, p: float | None) -> ClaimStanding:
    """Judge a claim from the gain of the claimed better one (> 0 is better) and the corrected p-value."""
    if p is None or p >= LEVEL or gain == 0:
        return ClaimStanding.UNDECIDED
    return ClaimStanding.SUPPORTED if gain > 0 else ClaimStanding.CONTRADICTED


def claims(found: "Sequence[Finding]", better: str, worse: str) -> list[ClaimStanding]:
    """How the claim that one optimizer beats the other stands on each task where both were run."""
    return [
        claim(f.gain if f.one.optimizer == better else -f.gain, f.p_holm)
        for f in found
        if not f.equal_compute and {f.one.optimizer, f.other.optimizer} == {better, worse}
    ]


@dataclass
class Finding:
    """`one` − `other` on one task, by their main figure.

    `comparison` is None where the two cannot be compared: they are `unlike` in settings that a fair
    comparison shares, or have no finished seed in common that one numerics version computed. `p_holm` is
    corrected for the number of comparisons in the table, `family`. `equal_compute`: the two spent the same
    passes over different epochs. `leads`: the two are the best and the runner-up of their row.
    """

    one: Cell
    other: Cell
    comparison: Comparison | None
    unlike: tuple[Difference, ...] = ()
    equal_compute: bool = False
    leads: bool = False
    p_holm: float | None = None
    family: int = 1

    @property
    def better(self) -> Cell:
        """The one of the two with the better mean."""
        return self.one if self.gain > 0 else self.other

    @property
    def significant(self) -> bool:
        return self.p_holm is not None and self.p_holm < LEVEL

    @property
    def decidable(self) -> bool:
        """Whether so many seeds can bring this comparison below 5 % at all."""
        return self.comparison is not None and self.comparison.floor * self.family < LEVEL

    @property
    def gain(self) -> float:
        """The difference with the sign that makes more of it better."""
        return (self.comparison.difference if self.comparison else 0.0) * (self.one.main.metric.better or 1)


def findings(cells: Sequence[Cell]) -> list[Finding]:
    """All comparisons among cells, Holm-corrected together.

    Each optimizer against its base; the pairs that papers make claims of; the best of a row against the
    runner-up; and pairs of equal compute, by their mean forward-backward passes, where cells have them.
    """
    tasks: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        tasks[tuple(cell.settings.get(name) for name in TASK)].append(cell)
    pairs: dict[tuple[Any, Any], Finding] = {}
    for group in tasks.values():
        measured = [cell for cell in group if cell.main.n]
        for one, other in _pairs(measured):
            pairs.setdefault((one.place, other.place), _compare(one, other))
        for one, other in _leaders(measured):
            turned = (other.place, one.place) in pairs
            pair = (other.place, one.place) if turned else (one.place, other.place)
            pairs.setdefault(pair, _compare(one, other)).leads = True
    found = list(pairs.values())
    for group in tasks.values():
        found += _equal_compute(group)
    _correct(found)
    return found


def _correct(found: Sequence[Finding]) -> None:
    """Holm's correction over all that have a p-value."""
    tested = [(f, f.comparison.p) for f in found if f.comparison is not None and f.comparison.p is not None]
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
        rivals = {base} | {worse for better, worse in CLAIMS if better == cell.optimizer}
        for rival in sorted(rivals - {cell.optimizer}, key=lambda name: (name != base, name)):
            other = counterpart(cell, by_optimizer.get(rival, {}))
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


def _leaders(group: Sequence[Cell]) -> Iterable[tuple[Cell, Cell]]:
    """Best and runner-up of each row (equal telling settings but the optimizer)."""
    rows: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in group:
        if cell.main.mean is not None and cell.main.metric.better:
            rows[cell.row].append(cell)
    for row in rows.values():
        if len(row) > 1:
            ranked = sorted(row, key=lambda cell: -cell.main.metric.better * (cell.main.mean or 0.0))
            yield ranked[0], ranked[1]


def _compare(one: Cell, other: Cell) -> Finding:
    unlike = unlikeness(one, other)
    return Finding(one, other, None, unlike) if unlike else _paired(one, other)


def _paired(one: Cell, other: Cell, *, equal_compute: bool = False) -> Finding:
    mine, its = one.main.values, other.main.values
    shared = sorted(seed for seed in mine.keys() & its.keys() if one.numerics[seed] == other.numerics[seed])
    differences = [mine[seed] - its[seed] for seed in shared]
    comparison = compare(differences) if differences else None
    return Finding(one, other, comparison, equal_compute=equal_compute)


def unlikeness(one: Cell, other: Cell, but: Iterable[str] = ()) -> tuple[Difference, ...]:
    """In which settings that a fair comparison must share the two differ."""
    names = sorted((set(one.settings) | set(other.settings)) - tuned() - set(but))
    pairs = (Difference(name, one.settings.get(name), other.settings.get(name)) for name in names)
    return tuple(pair for pair in pairs if pair.one != pair.other)


def _equal_compute(group: Sequence[Cell]) -> Iterable[Finding]:
    """Pairs that differ in epochs and spent the same passes, the dearer step first."""
    if len({cell.settings["epochs"] for cell in group}) < 2:
        return
    for one in group:
        for other in group:
            if (
                other.optimizer == one.settings["base"] != one.optimizer
                and other.settings["epochs"] != one.settings["epochs"]
                and one.main.n
                and other.main.n
                and _same_passes(one, other)
                and not unlikeness(one, other, but=("epochs",))
            ):
                yield _paired(one, other, equal_compute=True)


def _same_passes(one: Cell, other: Cell) -> bool:
    mine, its = one.sample(PASSES).mean, other.sample(PASSES).mean
    return bool(mine and its and abs(mine / its - 1) <= EQUAL_PASSES)
