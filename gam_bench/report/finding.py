"""What a table shows of one optimizer against another, in honest words."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gam_bench.report.cell import TASK, Cell, title, tuned
from gam_bench.report.compare import LEVEL, Comparison, compare, holm
from gam_bench.report.published import shown
from gam_bench.report.verdict import CLAIMS

FEW = 8
"""Below so many seeds the bootstrap interval is plainly too narrow, and Student's is shown beside it."""
EQUAL_PASSES = 0.05
"""Two cells whose forward-backward passes differ by less, relatively, cost the same."""


@dataclass
class Finding:
    """`one` − `other` on one task.

    `comparison` is None where the two cannot be compared, and `reason` says why. `p_holm` is corrected for
    the number of comparisons in the table, `family`. `equal_compute`: the two spent the same passes over
    different epochs. `leads`: the two are the best and the runner-up of their row.
    """

    one: Cell
    other: Cell
    comparison: Comparison | None
    reason: str = ""
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
        return (self.comparison.difference if self.comparison else 0.0) * (self.one.metric.better or 1)

    def names(self) -> str:
        """For example `GAM − SGD`, or `GAM (20 epochs) − SGD (80 epochs)` at equal compute."""
        if not self.equal_compute:
            return f"{title(self.one.optimizer)} − {title(self.other.optimizer)}"
        return " − ".join(
            f"{title(cell.optimizer)} ({cell.settings['epochs']} epochs)" for cell in (self.one, self.other)
        )

    def sentence(self) -> str:
        """One line without the row it is of: difference, interval, p, n, and what follows."""
        if self.comparison is None:
            return f"{self.names()}: {self.reason}"
        c, metric = self.comparison, self.one.metric
        unit = f" {metric.points}" if metric.points else ""
        text = f"{self.names()} {metric.text(c.difference, sign=True)}{unit}"
        if c.low is not None:
            text += f", 95 % interval {_interval(self, c.low, c.high)}"
            if c.n < FEW:
                text += f" (t: {_interval(self, c.t_low, c.t_high)})"
        if c.p is not None:
            corrected = f" (Holm {_p(self.p_holm)})" if self.family > 1 and self.decidable else ""
            text += f", p = {_p(c.p)}{corrected}"
        return f"{text}, n = {c.n}: {self.conclusion()}"

    def conclusion(self) -> str:
        """What may be said, and nothing more."""
        c = self.comparison
        if c is None:
            return self.reason
        if c.n == 1:
            return "one seed says nothing about chance"
        if c.n == 2:
            return "two seeds give no interval and no p-value below 0.5"
        name = title(self.one.optimizer)
        if self.significant:
            if not self.one.metric.better:
                return f"{name} is {'higher' if c.difference > 0 else 'lower'}"
            return f"{name} is {'better' if self.gain > 0 else 'worse'}"
        if self.decidable:
            return "no difference shown"
        ahead = c.above if c.difference > 0 else c.below
        if not self.one.metric.better or c.difference == 0:
            return "too few seeds to tell from chance"
        return (
            f"{title(self.better.optimizer)} is better on {ahead} of {c.n} seeds, too few to tell from chance"
        )


def _interval(finding: Finding, low: float | None, high: float | None) -> str:
    metric = finding.one.metric
    return f"[{metric.text(low, sign=True)}, {metric.text(high, sign=True)}]"


def _p(value: float | None) -> str:
    if value is None:
        return "—"
    return "< 0.001" if value < 0.001 else f"{value:.2g}"


def findings(cells: Sequence[Cell], passes: Sequence[float | None]) -> list[Finding]:
    """All comparisons among cells of one metric, Holm-corrected together.

    Each optimizer against its base; the pairs that papers make claims of; the best of a row against the
    runner-up; and pairs of equal compute, by `passes`, the mean forward-backward passes of each cell (None
    where unknown).
    """
    tasks: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        tasks[tuple(cell.settings.get(name) for name in TASK)].append(cell)
    pairs: dict[tuple[int, int], Finding] = {}
    for group in tasks.values():
        group = [cell for cell in group if cell.n]
        for one, other in _pairs(group):
            pairs.setdefault((id(one), id(other)), _compare(one, other))
        for one, other in _leaders(group):
            pair = (id(other), id(one)) if (id(other), id(one)) in pairs else (id(one), id(other))
            pairs.setdefault(pair, _compare(one, other)).leads = True
    found = list(pairs.values())
    spent = {id(cell): value for cell, value in zip(cells, passes, strict=True)}
    for group in tasks.values():
        found += _equal_compute(group, spent)
    tested = [
        finding for finding in found if finding.comparison is not None and finding.comparison.p is not None
    ]
    corrected = holm([finding.comparison.p for finding in tested])  # type: ignore[union-attr, misc]
    for finding, p in zip(tested, corrected, strict=True):
        finding.p_holm = p
    for finding in found:
        finding.family = max(1, len(tested))
    return found


def _pairs(group: Sequence[Cell]) -> Iterable[tuple[Cell, Cell]]:
    """The pairs of one task that are worth a comparison."""
    by_optimizer: dict[str, dict[tuple[Any, ...], Cell]] = defaultdict(dict)
    for cell in group:
        by_optimizer[cell.optimizer][_row(cell)] = cell
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

    (In a sweep of ρ, each ρ of SAM is compared with the SGD that has none.) `others`: by `_row`.
    """
    if _row(cell) in others:
        return others[_row(cell)]
    found = [
        other
        for row, other in others.items()
        if all(its is None or its == mine for its, mine in zip(row, _row(cell), strict=True))
    ]
    return found[0] if len(found) == 1 else None


def _row(cell: Cell) -> tuple[Any, ...]:
    return tuple(value for name, value in cell.key.items() if name != "optimizer")


def _leaders(group: Sequence[Cell]) -> Iterable[tuple[Cell, Cell]]:
    """Best and runner-up of each row (equal telling settings but the optimizer)."""
    rows: dict[tuple[Any, ...], list[Cell]] = defaultdict(list)
    for cell in group:
        if cell.mean is not None and cell.metric.better:
            rows[_row(cell)].append(cell)
    for row in rows.values():
        if len(row) > 1:
            ranked = sorted(row, key=lambda cell: -cell.metric.better * (cell.mean or 0.0))
            yield ranked[0], ranked[1]


def _compare(one: Cell, other: Cell) -> Finding:
    unlike = unlikeness(one, other)
    if unlike:
        return Finding(one, other, None, f"not compared, {', '.join(unlike)}")
    return _paired(one, other)


def _paired(one: Cell, other: Cell, *, equal_compute: bool = False) -> Finding:
    shared = sorted(set(one.values) & set(other.values))
    if not shared:
        return Finding(one, other, None, "not compared, no finished seed in common", equal_compute)
    differences = [one.values[seed] - other.values[seed] for seed in shared]
    return Finding(one, other, compare(differences), equal_compute=equal_compute)


def unlikeness(one: Cell, other: Cell, but: Iterable[str] = ()) -> list[str]:
    """In which settings that a fair comparison must share the two differ, for example `batch_size 256 against
    128`."""
    names = sorted((set(one.settings) | set(other.settings)) - tuned() - set(but))
    return [
        f"{name} {shown(one.settings.get(name))} against {shown(other.settings.get(name))}"
        for name in names
        if one.settings.get(name) != other.settings.get(name)
    ]


def _equal_compute(group: Sequence[Cell], spent: dict[int, float | None]) -> Iterable[Finding]:
    """Pairs that differ in epochs and spent the same passes, the dearer step first."""
    if len({cell.settings["epochs"] for cell in group}) < 2:
        return
    for one in group:
        for other in group:
            mine, its = spent.get(id(one)), spent.get(id(other))
            if (
                mine
                and its
                and one.n
                and other.n
                and other.optimizer == one.settings["base"] != one.optimizer
                and other.settings["epochs"] != one.settings["epochs"]
                and abs(mine / its - 1) <= EQUAL_PASSES
                and not unlikeness(one, other, but=("epochs",))
            ):
                yield _paired(one, other, equal_compute=True)
