"""What is known of the recipe behind a published figure: its own settings, and those its source states."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from gam_bench.files import shipped
from gam_bench.results.published import PublishedFigure, same_value
from gam_bench.suite.sources import papers


@dataclass(frozen=True)
class Stated:
    """One row of `settings.csv`: a setting, and what it is of; an empty field is of anything."""

    source: str
    dataset: str
    label_noise: str
    model: str
    epochs: str
    optimizer: str
    setting: str
    value: str

    def holds(self, figure: PublishedFigure) -> bool:
        """Whether it is a setting of this figure; a paper's own code (`of`) speaks for the paper."""
        return (
            figure.source in (self.source, papers().get(self.source))
            and self.dataset == figure.dataset
            and self.label_noise in ("", f"{figure.label_noise:g}")
            and (not self.epochs or int(self.epochs) in figure.lengths)
            and _matches(self.optimizer, figure.optimizer)
            and _matches(self.model, figure.model)
        )


@cache
def recipe(figure: PublishedFigure) -> Mapping[str, str]:
    """Every setting that is known of a figure, by name, as text.

    What stands with the figure itself goes before what its source states, and a paper before its code.
    """
    known: dict[str, str] = {}
    for stated in sorted(_stated(), key=lambda row: row.source != figure.source):
        if stated.setting not in ("seed", "epochs") and stated.holds(figure):
            known.setdefault(stated.setting, stated.value)
    known |= figure.settings
    if figure.epochs is not None:
        known["epochs"] = str(figure.epochs)
    return known


def own(figure: PublishedFigure) -> bool:
    """Whether the figure was measured with what its source itself calls the setting of such a run."""
    rows = (row for row in _stated() if row.source == figure.source and row.holds(figure))
    named = {row.setting: row.value for row in rows if row.setting in figure.settings}
    return all(same_value(value, figure.settings[name]) for name, value in named.items())


@cache
def _stated() -> tuple[Stated, ...]:
    with shipped("results", "published", "settings.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Stated(**{name: row[name] for name in Stated.__dataclass_fields__})
            for row in csv.DictReader(file)
        )


def _matches(pattern: str, name: str) -> bool:
    """`a|b*`: any of these; `*, not c`: any but c."""
    wanted, _, exception = pattern.partition(", not ")
    return name != exception and any(fnmatchcase(name, option) for option in wanted.split("|"))
