"""The published figures, and which of them a measured cell answers to.

Every row of `results/published/accuracy.csv` is read here and nowhere else; its README says what the columns
mean.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gam_bench.errors import UserError
from gam_bench.files import shipped

NORMAL_95 = 1.959964
"""A published 95 % interval is read as ±1.96 standard errors. Where it was made with Student's t the true
standard error is smaller, so this errs towards "undecided"."""

_COLUMNS = [
    "source",
    "table",
    "dataset",
    "label_noise",
    "model",
    "augmentation",
    "optimizer",
    "base",
    "epochs",
    "settings",
    "metric",
    "selection",
    "value",
    "spread",
    "spread_kind",
    "n",
    "printed_as",
    "printed_value",
    "printed_spread",
    "note",
]
_PRINTED = {"top1_error_pct": lambda value: 1 - value / 100, "top1_accuracy_pct": lambda value: value / 100}
_METRICS = {"test_accuracy": ("last", ""), "best_test_accuracy": ("best-test",)}
_SPREADS = ("sd", "sem", "ci95")


@dataclass(frozen=True)
class Figure:
    """One published accuracy (a fraction) with its spread, and what it was measured on.

    `settings` are the further settings that the source states; `epochs` and `n` are None, and `augmentation`
    empty, where it does not say.
    """

    source: str
    table: str
    dataset: str
    label_noise: float
    model: str
    augmentation: str
    optimizer: str
    base: str
    epochs: int | None
    settings: Mapping[str, str]
    metric: str
    selection: str
    value: float
    spread: float | None
    spread_kind: str
    n: int | None
    note: str

    @property
    def standard_error(self) -> float | None:
        """Of the published mean; None where the source gives no spread (or a standard deviation without
        n)."""
        if self.spread is None:
            return None
        if self.spread_kind == "sem":
            return self.spread
        if self.spread_kind == "ci95":
            return self.spread / NORMAL_95
        return self.spread / math.sqrt(self.n) if self.n else None

    @property
    def sd(self) -> float | None:
        """Standard deviation over runs, where spread and n give it."""
        error = self.standard_error
        return error * math.sqrt(self.n) if error is not None and self.n else None

    @property
    def where(self) -> str:
        """For example `SAM, Table 1`."""
        return f"{self.source}, {self.table}"


@dataclass(frozen=True)
class Match:
    """A published figure beside a measured cell.

    `differences`: in what the two differ or are not known to agree, and the figure's own note; `unlike`: the
    number of differing settings.
    """

    figure: Figure
    differences: tuple[str, ...]
    unlike: int


@cache
def figures() -> tuple[Figure, ...]:
    """All published accuracies. Raises UserError that names file, line and column of a wrong entry."""
    return read(shipped("results", "published", "accuracy.csv"))


@cache
def citations() -> dict[str, str]:
    """Source key → citation."""
    with shipped("results", "published", "sources.csv").open(encoding="utf-8", newline="") as file:
        return {row["source"]: row["citation"] for row in csv.DictReader(file)}


def read(path: Path) -> tuple[Figure, ...]:
    """The figures in a file of the layout of `accuracy.csv`, each row checked."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != _COLUMNS:
            raise UserError(f"{path}: the columns must be {', '.join(_COLUMNS)}")
        found = []
        for row in reader:
            try:
                found.append(_figure(row))
            except (ValueError, KeyError) as error:
                raise UserError(f"{path}, line {reader.line_num}: {error}") from None
    return tuple(found)


def _figure(row: dict[str, str]) -> Figure:
    for column in ("source", "table", "dataset", "model", "optimizer", "base", "printed_value"):
        _demand(bool(row[column]), f"{column} is empty")
    _demand(row["metric"] in _METRICS, f"metric {row['metric']!r} is none of {', '.join(_METRICS)}")
    _demand(row["selection"] in _METRICS[row["metric"]], f"{row['metric']} cannot be {row['selection']!r}")
    _demand(
        row["printed_as"] in _PRINTED, f"printed_as {row['printed_as']!r} is none of {', '.join(_PRINTED)}"
    )
    _demand(bool(row["spread"]) == bool(row["spread_kind"]), "spread and spread_kind go together")
    _demand(row["spread_kind"] in ("", *_SPREADS), f"spread_kind {row['spread_kind']!r} is unknown")
    value = float(row["value"])
    converted = _PRINTED[row["printed_as"]](float(row["printed_value"]))
    _demand(0 <= value <= 1 and math.isclose(value, converted, abs_tol=1e-9), "value is not what was printed")
    return Figure(
        source=row["source"],
        table=row["table"],
        dataset=row["dataset"],
        label_noise=float(row["label_noise"]),
        model=row["model"],
        augmentation=row["augmentation"],
        optimizer=row["optimizer"],
        base=row["base"],
        epochs=int(row["epochs"]) if row["epochs"] else None,
        settings=dict(entry.split("=", 1) for entry in row["settings"].split()),
        metric=row["metric"],
        selection=row["selection"],
        value=value,
        spread=float(row["spread"]) if row["spread"] else None,
        spread_kind=row["spread_kind"],
        n=int(row["n"]) if row["n"] else None,
        note=row["note"],
    )


def _demand(holds: bool, complaint: str) -> None:
    if not holds:
        raise ValueError(complaint)


def matches(settings: Mapping[str, Any], metric: str) -> list[Match]:
    """The published figures for a cell with these settings, the most alike and best supported first.

    Data set, label noise, model, augmentation, optimizer, base and epochs must agree. What else the source
    states and the cell does differently is named, and so is what the source leaves open.
    """
    found = [
        _match(figure, settings)
        for figure in _by_place().get((settings["dataset"], settings["model"], settings["optimizer"]), ())
        if figure.metric == metric and _same(figure, settings)
    ]
    return sorted(found, key=lambda match: (match.unlike, -(match.figure.n or 0)))


@cache
def _by_place() -> dict[tuple[str, str, str], list[Figure]]:
    places: dict[tuple[str, str, str], list[Figure]] = {}
    for figure in figures():
        places.setdefault((figure.dataset, figure.model, figure.optimizer), []).append(figure)
    return places


def _same(figure: Figure, settings: Mapping[str, Any]) -> bool:
    return (
        figure.base == settings["base"]
        and figure.epochs == settings["epochs"]
        and math.isclose(figure.label_noise, settings["label_noise"])
        and figure.augmentation in ("", settings["augmentation"])
    )


def _match(figure: Figure, settings: Mapping[str, Any]) -> Match:
    unlike = [
        f"{name} {text} there, {shown(settings.get(name))} here"
        for name, text in figure.settings.items()
        if not _equal(text, settings.get(name))
    ]
    open_ = ["augmentation not stated there"] * (not figure.augmentation) + [figure.note] * bool(figure.note)
    return Match(figure, (*unlike, *open_), len(unlike))


def _equal(text: str, value: Any) -> bool:
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, int | float):
        return math.isclose(float(text), value)
    return text == value


def shown(value: Any) -> str:
    """A setting as a person writes it: 0.1 and not 0.10000000000000001, `—` for none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "—"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
