"""A comparison table: what each cell, line and footnote says. `render` gives it a format.

A table is a pure function of the frame, the published figures and what the user asked for.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd

from gam_bench.compare import cost
from gam_bench.compare.answer import Answer, answers
from gam_bench.compare.cell import TASK, Cell, Sample, cells, check_key, following, sort_key, telling
from gam_bench.compare.gap import gaps
from gam_bench.compare.match import Match
from gam_bench.compare.pairs import PASSES, Finding, equal_compute, findings
from gam_bench.compare.question import asked
from gam_bench.compare.rows import VALIDATION
from gam_bench.compare.verdict import MARGIN, tally
from gam_bench.errors import UserError
from gam_bench.report import claims, notes
from gam_bench.report.layout import Entry, Line, Table
from gam_bench.report.words import differences, shown, title, verdict
from gam_bench.results.figures import DEFAULT, SIDE, Figure, metric

ROOM = 6
"""Up to so many rows the default table has lines for loss, flatness and cost below the accuracy."""
Place = tuple[Any, ...]
"""The values of the settings that make a row, or a column."""


def build(
    frame: pd.DataFrame,
    metrics: Sequence[str] = (),
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    margin: float | None = None,
) -> Table:
    """The table of these runs.

    `metrics`: the first is the table's, the others stand below it; none given, test accuracy, and loss,
    flatness and cost where there is room. `rows`, `columns`: settings; by default columns are optimizers and
    rows all else that tells runs apart. `margin`: within which two accuracies count as the same (a fraction);
    none given, the suite's, or half a point. Raises UserError for unknown names, and for rows and columns
    that would mix different runs in a cell.
    """
    if frame.empty:
        raise UserError("there are no runs to show")
    variants = {name: having for name, having in following(frame).items() if name not in rows}
    variants = {} if columns else variants
    across = list(columns) or [name for name in ("optimizer", *variants) if name not in rows]
    down = list(rows) or [name for name in telling(frame) if name not in across]
    check_key(frame, [*down, *across])
    frame = cost.add_relative(frame)
    question = asked(frame)
    wanted = [metric(name) for name in metrics] or _default_metrics(frame, down)
    claimed = [] if metrics else [metric(claim.metric) for claim in question.claims]
    # beside what is printed: what the suite claims, what equal compute and tuning values are judged by
    behind = dict.fromkeys([*wanted, *claimed, metric(PASSES), metric(VALIDATION)])
    if margin is None:
        margin = MARGIN if question.margin is None else question.margin / 100
    made = cells(frame, [*down, *across], list(behind), margin, variants)
    judged = list(dict.fromkeys([*wanted, *claimed]))
    told = answers(made, question.claims, judged, margin, len(question.seeds))
    return _Builder(frame, wanted, down, across, margin, made, findings(made, wanted[0]), told).table()


def _default_metrics(frame: pd.DataFrame, down: Sequence[str]) -> list[Figure]:
    number = len(frame[list(down)].drop_duplicates()) if down else 1
    names = [DEFAULT, *(SIDE if number <= ROOM else ())]
    return [metric(name) for name in names if name == DEFAULT or frame[name].notna().any()]


@dataclass
class _Builder:
    """The parts of one table while it is put together."""

    frame: pd.DataFrame
    metrics: list[Figure]
    down: list[str]
    across: list[str]
    margin: float
    cells: list[Cell]
    found: list[Finding]
    answers: list[Answer]
    footnotes: dict[str, int] = field(default_factory=dict)  # text → number

    def __post_init__(self) -> None:
        lost = {self._row(cell) for cell in self.cells if cell.diverged}
        self.best = {
            finding.better.place
            for finding in self.found
            if finding.leads and finding.significant and self._row(finding.better) not in lost
        }
        whole = Counter(cell.planned for cell in self.cells if cell.main.n == cell.planned > 1).most_common(1)
        self.seeds = whole[0][0] if whole else 0  # of the usual cell

    def table(self) -> Table:
        columns = sorted({self._column(cell) for cell in self.cells}, key=partial(_order, self.across))
        lines = self._lines(columns) + self._equal_lines(
            columns
        )  # before the notes: it numbers the footnotes
        return Table(
            title=f"{self._name()}: {self.metrics[0].heading}, mean ± sd over seeds",
            about=self._about(),
            scoreboard=self._scoreboard(),
            row_names=tuple(name.replace("_", " ") for name in self.down),
            columns=tuple(map(self._heading, columns)),
            lines=lines,
            findings=[(self._where(self._row(finding.one)), finding) for finding in self.found],
            gaps=[(self._where(self._row(gap.finding.one)), gap) for gap in gaps(self.found, self.margin)],
            notes=self._notes(),
            cells=self.cells,
            metrics=self.metrics,
            answers=self.answers,
            further=[f for chosen in self.metrics[1:] for f in findings(self.cells, chosen)],
        )

    def _lines(self, columns: Sequence[Place]) -> list[Line]:
        """Row by row: the main figure, what is published of it, the other figures."""
        grid = {(self._row(cell), self._column(cell)): cell for cell in self.cells}
        lines = []
        for row in sorted({self._row(cell) for cell in self.cells}, key=partial(_order, self.down)):
            blank = ("",) * len(row)
            line = [grid.get((row, column)) for column in columns]
            what = self.metrics[0].subheading if len(self.metrics) > 1 else ""
            entries = tuple(self._measured(cell) for cell in line)
            lines.append(Line(self._where(row), tuple(map(shown, row)), what, entries, "measured"))
            lines += self._published_lines(line, blank)
            for chosen in self.metrics[1:]:
                entries = tuple(_side(cell, chosen.name) for cell in line)
                lines.append(Line("", blank, chosen.subheading, entries, "side"))
        return lines

    def _equal_lines(self, columns: Sequence[Place]) -> list[Line]:
        """Optimizers that spent equal passes over unequal epochs, in one line: what equal compute bought."""
        if self.across != ["optimizer"] or "epochs" not in self.down:
            return []
        partners: dict[Place, list[Cell]] = {}
        for one, other in equal_compute(self.cells):
            partners.setdefault(one.place, [one]).append(other)
        lines, told = [], set[frozenset[Place]]()
        for line in sorted(partners.values(), key=lambda found: -len(found)):
            if any({cell.place for cell in line} <= earlier for earlier in told):
                continue
            told.add(frozenset(cell.place for cell in line))
            by_column = {self._column(cell): cell for cell in line}
            row = tuple(
                "equal passes" if name == "epochs" else shown(line[0].key[name]) for name in self.down
            )
            entries = tuple(_at_epochs(by_column.get(column), self.seeds) for column in columns)
            passes = line[0].sample(PASSES)
            what = f"{passes.metric.text(passes.mean)} passes"
            lines.append(Line(", ".join(row), row, what, entries, "equal"))
        return lines

    def _measured(self, cell: Cell | None) -> Entry:
        if cell is None:
            return Entry("")
        return _entry(cell, cell.main, (self.seeds, self.seeds), cell.place in self.best)

    def _published_lines(self, line: Sequence[Cell | None], blank: tuple[str, ...]) -> list[Line]:
        """The published figures below a measured line, the best supported first, each with its verdict."""
        lines = []
        for rank in range(max(len(cell.published) if cell else 0 for cell in line)):
            found = [cell.published[rank] if cell and rank < len(cell.published) else None for cell in line]
            entries = tuple(Entry(self._figure(match) if match else "—") for match in found)
            verdicts = tuple(Entry(verdict(match) if match else "—") for match in found)
            lines.append(Line("", blank, "published", entries, "published"))
            lines.append(Line("", blank, "verdict", verdicts, "verdict"))
        return lines

    def _figure(self, match: Match) -> str:
        """`79.23 ± 0.17 (n = 10) Waterloo [1]`, the footnote saying how the two recipes may differ."""
        found = match.figure
        number = f"n = {found.n}" if found.n else "n not stated"
        text = f"{self.metrics[0].spread_text(found.value, found.sd)} ({number}) {found.source}"
        if unlike := differences(match):
            note = f"{'' if match.same else 'other recipe: '}{'; '.join(unlike)}"
            text += f" [{self.footnotes.setdefault(note, len(self.footnotes) + 1)}]"
        return text

    def _versions(self) -> list[tuple[str, set[int]]]:
        """Each row's name, and the numerics versions of its finished runs."""
        found: dict[Place, set[int]] = {}
        for cell in self.cells:
            found.setdefault(self._row(cell), set()).update(cell.numerics.values())
        return [(self._where(row), found[row]) for row in sorted(found, key=partial(_order, self.down))]

    def _row(self, cell: Cell) -> Place:
        return tuple(cell.key[name] for name in self.down)

    def _column(self, cell: Cell) -> Place:
        """Of a setting that only some optimizers have several of, the others' value makes no column."""
        return tuple(
            cell.key[name] if name in cell.variant or name not in cell.variants else None
            for name in self.across
        )

    def _heading(self, column: Place) -> str:
        told = zip(self.across, column, strict=True)
        return ", ".join(_head(name, value) for name, value in told if value is not None)

    def _where(self, row: Place) -> str:
        """A row in one text, for example `cifar10, label noise 0.4`; empty where there is only one."""
        return ", ".join(
            value if isinstance(value, str) else f"{name.replace('_', ' ')} {shown(value)}"
            for name, value in zip(self.down, row, strict=True)
        )

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

    def _scoreboard(self) -> list[str]:
        """On top: how the claims stand, and how many published figures are reproduced."""
        told = claims.lines(self.answers, self.metrics[0], lambda cell: self._where(self._row(cell)))
        part = self.frame.attrs.get("part")
        over = [f"Over a part of the runs ({part}), so no answer of the whole."] if part and told else []
        return [*over, *told, self._published_tally()]

    def _published_tally(self) -> str:
        verdicts = [judgement.verdict for cell in self.cells for judgement in cell.judgements]
        others = sum(not match.same for cell in self.cells for match in cell.published)
        told = [tally(verdicts)] if verdicts else []
        told += [f"{others} of other recipes, not counted"] if others else []
        return f"Published figures: {', '.join(told)}." if told else "No published figure for these cells."

    def _notes(self) -> list[str]:
        figures = [match.figure for cell in self.cells for match in cell.published]
        return [
            *notes.seeds(self.seeds),
            *notes.statistics(self.metrics[0], self.found, self.answers, self.margin),
            *notes.hardware(self.frame),
            *notes.precision(self.frame),
            *notes.numerics(self._versions()),
            *notes.assumed(self.cells),
            *(f"[{number}] {text}." for text, number in self.footnotes.items()),
            *notes.published(figures, self.metrics[0], self.margin),
        ]


def _order(names: Sequence[str], values: Place) -> tuple[Any, ...]:
    return tuple(map(sort_key, names, values))


def _head(name: str, value: Any) -> str:
    return title(value) if name == "optimizer" else f"{name.replace('_', ' ')} {shown(value)}"


def _at_epochs(cell: Cell | None, seeds: int) -> Entry:
    if cell is None:
        return Entry("")
    entry = _entry(cell, cell.main, (seeds, seeds))
    return Entry(f"{entry.text} ({cell.settings['epochs']} epochs)")


def _side(cell: Cell | None, name: str) -> Entry:
    """A figure below the main one, whose seeds are the usual ones."""
    return Entry("") if cell is None else _entry(cell, cell.sample(name), (cell.main.n, cell.planned))


def _entry(cell: Cell, sample: Sample, usual: tuple[int, int], best: bool = False) -> Entry:
    """`84.73 ± 1.52`, and `(2/5, 1 failed)` where finished and planned runs are not the `usual` ones."""
    bad = [f"{cell.states[state]} {state}" for state in ("failed", "diverged") if cell.states[state]]
    told = ", ".join([f"{sample.n}/{cell.planned}", *bad])
    if sample.machines > 1:
        return Entry(f"— ({sample.machines} machines)")
    if sample.mean is None:
        return Entry(f"— ({told})" if bad else "—")
    text = sample.metric.spread_text(sample.mean, sample.sd)
    return Entry(text if (sample.n, cell.planned) == usual else f"{text} ({told})", best)
