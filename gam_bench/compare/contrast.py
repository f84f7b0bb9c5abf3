"""A source's published figures against each other: what it found, no run of ours."""

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from gam_bench.compare.cell import tuned
from gam_bench.compare.match import Difference
from gam_bench.compare.paired import Comparison, welch_of
from gam_bench.errors import UserError, did_you_mean
from gam_bench.files import shipped
from gam_bench.results.published import PublishedFigure, figures, same_value
from gam_bench.results.recipes import own, recipe
from gam_bench.results.single_runs import behind

TASK = ("table", "dataset", "label_noise", "model", "base", "epochs", "augmentation")
"""What a row of a source's tables is about."""


@dataclass(frozen=True)
class Side:
    """A figure with its statistics, from the single runs where they are published.

    `tag`: what tells it from the other figures of its optimizer in its row, the author's own setting apart.
    `batches`: how many runs are of each batch size, where that is known. `seconds`: of an epoch, evaluation
    included.
    """

    figure: PublishedFigure
    mean: float
    sd: float | None
    n: int | None
    batches: Counter[str]
    seconds: float | None
    tag: str = ""

    @property
    def error(self) -> float | None:
        """Of the mean."""
        if self.batches and self.sd is not None and self.n:
            return self.sd / math.sqrt(self.n)
        return self.figure.standard_error


@dataclass(frozen=True)
class Contrast:
    """`one` − `other`; `unpaired` is None where runs or spread are too few or unknown.

    `confounders`: settings known of both that a fair comparison shares and these two do not.
    """

    one: Side
    other: Side
    unpaired: Comparison | None
    confounders: tuple[Difference, ...]

    @property
    def difference(self) -> float:
        return self.one.mean - self.other.mean


@dataclass(frozen=True)
class Row:
    """The sides of one task of one published table, and each against the base optimizer."""

    task: dict[str, Any]
    sides: tuple[Side, ...]
    contrasts: tuple[Contrast, ...]


def sources() -> list[str]:
    """The sources of which there are figures, those with most first."""
    return [source for source, _ in Counter(figure.source for figure in figures()).most_common()]


def rows(source: str, metric: str) -> list[Row]:
    """The tasks that a source has figures of at least two optimizers for. Raises UserError for no source."""
    if source not in sources():
        raise UserError(f"no published figures of {source!r}{did_you_mean(source, sources())}")
    groups: dict[tuple[Any, ...], list[PublishedFigure]] = {}
    for figure in figures():
        if (figure.source, figure.metric) == (source, metric):
            groups.setdefault(tuple(_task(figure).values()), []).append(figure)
    return [_row(found) for found in groups.values() if len({figure.optimizer for figure in found}) > 1]


def _task(figure: PublishedFigure) -> dict[str, Any]:
    values = {name: getattr(figure, name) for name in TASK}
    return values | {"epochs": figure.lengths[0] if figure.lengths else None}


def _row(found: Sequence[PublishedFigure]) -> Row:
    whole = [figure for figure in found if not any(_is_part(figure, other) for other in found)]
    sides = tuple(_side(figure, _tag(figure, whole)) for figure in whole)
    bases = sorted((side for side in sides if side.figure.optimizer == side.figure.base), key=lambda s: s.tag)
    contrasts = tuple(_contrast(side, bases[0]) for side in sides if bases and side not in bases)
    return Row(_task(found[0]), sides, contrasts)


def _is_part(figure: PublishedFigure, other: PublishedFigure) -> bool:
    """Whether the other figure is the mean of this one's runs and more, in mixed batches."""
    batch, mixed = figure.settings.get("batch_size", ""), other.settings.get("batch_size", "")
    return (
        figure.optimizer == other.optimizer
        and "×" in mixed
        and batch in (part.partition("×")[2] for part in mixed.split("+"))
    )


def _tag(figure: PublishedFigure, row: Sequence[PublishedFigure]) -> str:
    """Nothing for the only figure of an optimizer, or the author's own setting; else what is unlike."""
    rivals = [other for other in row if other.optimizer == figure.optimizer]
    ours = [other for other in rivals if own(other)]
    if len(rivals) == 1 or ours == [figure]:
        return ""
    unlike = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in figure.settings.items()
        if any(other.settings.get(name) != value for other in rivals)
    ]
    return ", ".join(unlike)


def _side(figure: PublishedFigure, tag: str) -> Side:
    values, batches = behind(figure)
    seconds = _seconds().get(
        (figure.source, figure.table, figure.dataset, figure.model, figure.augmentation, figure.optimizer,
         " ".join(f"{name}={value}" for name, value in figure.settings.items()))
    )  # fmt: skip
    if len(values) > 1:
        mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
        return Side(figure, mean, sd, len(values), batches, seconds, tag)
    return Side(figure, figure.value, figure.sd, figure.n, batches, seconds, tag)


def between(one: PublishedFigure, other: PublishedFigure) -> Contrast:
    """What a source found of `one` − `other`."""
    return _contrast(_side(one, ""), _side(other, ""))


def _contrast(one: Side, other: Side) -> Contrast:
    mine, its = recipe(one.figure), recipe(other.figure)
    shared = [name for name in mine if name in its and name not in tuned() and name != "epochs"]
    confounders = tuple(
        Difference(name, mine[name], its[name])
        for name in shared
        if not same_value(mine[name], _value(its[name]))
    )
    if one.error is None or other.error is None or not one.n or not other.n:
        return Contrast(one, other, None, confounders)
    found = welch_of((one.mean, one.error, one.n), (other.mean, other.error, other.n))
    return Contrast(one, other, None if found.error is None else found, confounders)


def _value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


@cache
def _seconds() -> dict[tuple[str, ...], float]:
    with shipped("results", "published", "cost.csv").open(encoding="utf-8", newline="") as file:
        names = ("source", "table", "dataset", "model", "augmentation", "optimizer", "settings")
        return {
            tuple(row[name] for name in names): float(row["value"])
            for row in csv.DictReader(file)
            if row["metric"] == "seconds_per_epoch_with_eval"
        }
