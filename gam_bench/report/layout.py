"""What a table holds before a format is chosen: entries, lines, and all that stands around them."""

from dataclasses import dataclass, field
from typing import Any

from gam_bench.compare.answer import Answer
from gam_bench.compare.cell import Cell
from gam_bench.compare.gap import Gap
from gam_bench.compare.pairs import Finding
from gam_bench.results.figures import Figure


@dataclass(frozen=True)
class Entry:
    """The text of one cell; `best` where it is significantly the best of its row."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Line:
    """A line of the table: `what` says what it shows, `labels` name the row and `row` does so in one text.

    Below the first line of a row both are empty.
    """

    row: str
    labels: tuple[str, ...]
    what: str
    entries: tuple[Entry, ...]
    kind: str  # measured | published | verdict | side | equal


@dataclass
class Table:
    """Everything that is printed, in order, and the cells behind it.

    `scoreboard`: how the claims stand, and what is published. `answers`: the claims, in each figure of
    `metrics` that is judged; `findings`: the comparisons of single rows by the first, each with its row's
    name, and `further`: by the others. `data`: what JSON and CSV hold, for a table that has no cells.
    """

    title: str
    about: str
    scoreboard: list[str]
    row_names: tuple[str, ...]
    columns: tuple[str, ...]
    lines: list[Line]
    findings: list[tuple[str, Finding]]
    gaps: list[tuple[str, Gap]]
    notes: list[str]
    cells: list[Cell]
    metrics: list[Figure]
    answers: list[Answer] = field(default_factory=list)
    further: list[Finding] = field(default_factory=list)
    data: list[dict[str, Any]] | None = None

    @property
    def named(self) -> bool:
        """Whether lines need a column that says what they show."""
        return any(line.kind != "measured" for line in self.lines)

    @property
    def head(self) -> list[str]:
        """The headings, those of the labels first."""
        return [*self.row_names, *([""] if self.named else []), *self.columns]

    def labels(self, line: Line) -> list[str]:
        """What stands left of a line's figures."""
        return [*line.labels, *([line.what] if self.named else [])]
