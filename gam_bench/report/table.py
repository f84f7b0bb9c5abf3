"""A comparison table: what each cell, line and footnote says. `render` gives it a format.

A table is a pure function of the frame, the published figures and what the user asked for.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from gam_bench.errors import UserError
from gam_bench.report import cost, notes
from gam_bench.report.cell import TASK, Cell, cells, check_key, sort_key, telling, title
from gam_bench.report.finding import Finding, findings
from gam_bench.report.metric import DEFAULT, SIDE, Metric, metric
from gam_bench.report.published import Match, matches, shown
from gam_bench.report.verdict import CLAIMS, MARGIN, Judgement, Standing, Verdict, claim, judge, tally

ROOM = 6
"""Up to so many rows the default table has lines for loss, flatness and cost below the accuracy."""
CLAIMED = ("test_accuracy", "best_test_accuracy", "test_accuracy_at_best_validation")


@dataclass(frozen=True)
class Entry:
    """The text of one cell; `best` where it is significantly the best of its row."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Line:
    """A line of the table: `labels` name the row (empty below its first line), `what` says what it shows."""

    labels: tuple[str, ...]
    what: str
    entries: tuple[Entry, ...]
    kind: str  # measured | published | verdict | side


@dataclass
class Table:
    """Everything that is printed, in order, and the cells behind it."""

    title: str
    about: str
    scoreboard: str
    row_names: tuple[str, ...]
    columns: tuple[str, ...]
    lines: list[Line]
    findings: list[tuple[str, Finding]]
    notes: list[str]
    cells: list[Cell]
    published: dict[int, list[Match]] = field(default_factory=dict)  # id(cell) → matches
    judgements: dict[int, Judgement] = field(default_factory=dict)  # id(cell) → verdict


def build(
    frame: pd.DataFrame,
    metrics: Sequence[str] = (),
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    margin: float = MARGIN,
) -> Table:
    """The table of these runs.

    `metrics`: the first is the table's, the others stand below it; none given, test accuracy, and loss,
    flatness and cost where there is room. `rows`, `columns`: settings; by default columns are optimizers and
    rows all else that tells runs apart. `margin`: within which a published accuracy counts as reproduced (a
    fraction). Raises UserError for unknown names, and for rows and columns that would mix different runs in a
    cell.
    """
    if frame.empty:
        raise UserError("there are no runs to show")
    across = list(columns) or [name for name in ("optimizer",) if name not in rows]
    down = list(rows) or [name for name in telling(frame) if name not in across]
    check_key(frame, [*down, *across])
    frame = cost.add_relative(frame)
    wanted = [metric(name) for name in metrics] or _default_metrics(frame, down)
    passes = metric("forward_backward_passes")
    made = cells(frame, [*down, *across], [*wanted, passes] if passes not in wanted else wanted)
    main = [cell for cell in made if cell.metric == wanted[0]]
    spent = [cell.mean for cell in made if cell.metric == passes]
    return _Builder(frame, wanted, down, across, margin).table(
        [cell for cell in made if cell.metric in wanted], main, findings(main, spent)
    )


def _default_metrics(frame: pd.DataFrame, down: Sequence[str]) -> list[Metric]:
    number = len(frame[list(down)].drop_duplicates()) if down else 1
    names = [DEFAULT, *(SIDE if number <= ROOM else ())]
    return [metric(name) for name in names if name == DEFAULT or frame[name].notna().any()]


@dataclass
class _Builder:
    """The parts of one table while it is put together."""

    frame: pd.DataFrame
    metrics: list[Metric]
    down: list[str]
    across: list[str]
    margin: float
    footnotes: dict[str, int] = field(default_factory=dict)  # text → number

    def table(self, every: list[Cell], main: list[Cell], found: list[Finding]) -> Table:
        published = {id(cell): matches(cell.settings, cell.metric.name) for cell in main}
        judgements = {id(cell): self._judge(cell, published[id(cell)]) for cell in main}
        best = {id(f.better) for f in found if f.leads and f.significant}
        grid = {(cell.metric.name, self._row(cell), self._column(cell)): cell for cell in every}
        rows = sorted({self._row(cell) for cell in main}, key=lambda row: _order(self.down, row))
        columns = sorted(
            {self._column(cell) for cell in main}, key=lambda column: _order(self.across, column)
        )
        common = Counter(cell.planned for cell in main if cell.n == cell.planned > 1).most_common(1)
        seeds = common[0][0] if common else 0
        lines = []
        for row in rows:
            labels = tuple(shown(value) for value in row)
            for place, chosen in enumerate(self.metrics):
                line = [grid.get((chosen.name, row, column)) for column in columns]
                if not place:
                    heads = line
                entries = tuple(
                    _entry(cell, head, seeds, best) for cell, head in zip(line, heads, strict=True)
                )
                what = chosen.subheading if len(self.metrics) > 1 else ""
                lines.append(
                    Line(
                        labels if not place else ("",) * len(labels),
                        what,
                        entries,
                        "side" if place else "measured",
                    )
                )
                if not place:
                    lines += self._published_lines(line, published, judgements, len(labels))
        return Table(
            title=f"{self._name()}: {self.metrics[0].heading}, mean ± sd over seeds",
            about=self._about(),
            scoreboard=self._scoreboard(judgements.values(), found),
            row_names=tuple(name.replace("_", " ") for name in self.down),
            columns=tuple(
                ", ".join(_head(n, v) for n, v in zip(self.across, c, strict=True)) for c in columns
            ),
            lines=lines,
            findings=[(self._where(f.one), f) for f in found],
            notes=[
                *notes.seeds(seeds),
                *notes.statistics(main[0].metric, found),
                *notes.hardware(self.frame, self.metrics),
                *notes.assumed(main),
                *(f"[{number}] {text}." for text, number in self.footnotes.items()),
                *notes.published(
                    [found[0].figure for found in published.values() if found], self.metrics[0], self.margin
                ),
            ],
            cells=every,
            published=published,
            judgements=judgements,
        )

    def _row(self, cell: Cell) -> tuple[Any, ...]:
        return tuple(cell.key[name] for name in self.down)

    def _column(self, cell: Cell) -> tuple[Any, ...]:
        return tuple(cell.key[name] for name in self.across)

    def _name(self) -> str:
        names = [name for name in dict.fromkeys(self.frame["suite"]) if name]
        return " + ".join(names) if names else "results"

    def _about(self) -> str:
        """What all cells share, and how far the runs are."""
        first = self.frame.iloc[0]
        shared = []
        for name in (*TASK, "epochs", "batch_size"):
            if name in self.down or name in self.across or self.frame[name].nunique(dropna=False) != 1:
                continue
            value = first[name]
            if name == "label_noise":
                shared += [f"{value:.0%} label noise"] if value else []
            elif name == "augmentation":
                shared.append("no augmentation" if value == "none" else f"{value} augmentation")
            elif name == "batch_size":
                shared.append(f"batch {value}")
            else:
                shared.append(f"{value} epochs" if name == "epochs" else str(value))
        counts = Counter(self.frame["state"])
        runs = f"{counts['done']} of {len(self.frame)} runs done"
        others = [
            f"{number} {state}"
            for state, number in sorted(counts.items())
            if state not in ("done", "missing")
        ]
        return " · ".join([*shared, ", ".join([runs, *others])])

    def _judge(self, cell: Cell, found: list[Match]) -> Judgement:
        if cell.mean is None:
            verdict = Verdict.UNDECIDED if found else Verdict.NONE
            return Judgement(verdict, reason="no finished run" if found else "")
        return judge(cell.n, cell.mean, cell.sd, found[0].figure if found else None, self.margin)

    def _published_lines(
        self,
        line: Sequence[Cell | None],
        published: dict[int, list[Match]],
        judgements: dict[int, Judgement],
        labels: int,
    ) -> list[Line]:
        """The published figures below a measured line, and the verdicts; nothing where none is published."""
        if not any(cell is not None and published[id(cell)] for cell in line):
            return []
        figures, verdicts = [], []
        for cell in line:
            found = published[id(cell)] if cell is not None else []
            figures.append(Entry(self._figure(found[0], cell.metric) if found and cell else "—"))
            verdicts.append(Entry(_verdict(judgements[id(cell)]) if found else "—"))
        empty = ("",) * labels
        return [
            Line(empty, "published", tuple(figures), "published"),
            Line(empty, "verdict", tuple(verdicts), "verdict"),
        ]

    def _figure(self, match: Match, shape: Metric) -> str:
        figure = match.figure
        text = f"{shape.spread_text(figure.value, figure.sd)} {figure.source}"
        if match.differences:
            number = self.footnotes.setdefault("; ".join(match.differences), len(self.footnotes) + 1)
            text += f" [{number}]"
        return text

    def _where(self, cell: Cell) -> str:
        """The row of a cell, for example `cifar10, basic`; empty where there is only one."""
        return ", ".join(
            f"{name.replace('_', ' ')} {shown(cell.key[name])}"
            if not isinstance(cell.key[name], str)
            else cell.key[name]
            for name in self.down
        )

    def _scoreboard(self, judgements: Any, found: Sequence[Finding]) -> str:
        """One line on top: figures reproduced, claims supported."""
        parts = []
        verdicts = [judgement.verdict for judgement in judgements]
        if any(verdict != Verdict.NONE for verdict in verdicts):
            parts.append(f"Published figures: {tally(verdicts)}.")
        else:
            parts.append("No published figure for these cells.")
        if self.metrics[0].name in CLAIMED:
            for better, worse in CLAIMS:
                standings = claims(found, better, worse)
                if standings:
                    parts.append(f"{title(better)} > {title(worse)}: {tally(standings)}.")
        return " ".join(parts)


def claims(found: Sequence[Finding], better: str, worse: str) -> list[Standing]:
    """How the claim that one optimizer beats the other stands on each task where both were run."""
    return [
        claim(f.gain, f.p_holm) if f.one.optimizer == better else claim(-f.gain, f.p_holm)
        for f in found
        if not f.equal_compute and {f.one.optimizer, f.other.optimizer} == {better, worse}
    ]


def _order(names: Sequence[str], values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(sort_key(name, value) for name, value in zip(names, values, strict=True))


def _head(name: str, value: Any) -> str:
    return title(value) if name == "optimizer" else f"{name.replace('_', ' ')} {shown(value)}"


def _entry(cell: Cell | None, head: Cell | None, seeds: int, best: set[int]) -> Entry:
    """`84.73 ± 1.52`, with `(2/5, 1 failed)` where not all of the usual number of seeds are in.

    `head` is the cell on the row's first line; below it the number is only repeated where it is another.
    """
    if cell is None:
        return Entry("")
    bad = [f"{cell.states[state]} {state}" for state in ("failed", "diverged") if cell.states[state]]
    told = ", ".join([f"{cell.n}/{cell.planned}", *bad])
    if cell.mean is None:
        return Entry(f"— ({told})" if bad else "—")
    text = cell.metric.spread_text(cell.mean, cell.sd)
    if (
        cell.n != head.n
        if head is not None and head is not cell
        else (cell.n, cell.planned) != (seeds, seeds)
    ):
        text += f" ({told})"
    return Entry(text, id(cell) in best)


def _verdict(judgement: Judgement) -> str:
    if judgement.verdict == Verdict.UNDECIDED and judgement.seeds:
        return f"undecided ({judgement.seeds} seeds)"
    return str(judgement.verdict)
