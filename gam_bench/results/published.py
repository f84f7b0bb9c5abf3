"""The published figures.

Every row of `results/published/accuracy.csv` is read here and nowhere else; its README says what the columns
mean.
"""

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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
class PublishedFigure:
    """One published accuracy (a fraction) with its spread, and what it was measured on.

    `settings` are the further settings that the source states; `epochs` and `n` are None, and `augmentation`
    empty, where it does not say. `epochs` is a text where one of several `lengths` was picked by its result.
    """

    source: str
    table: str
    dataset: str
    label_noise: float
    model: str
    augmentation: str
    optimizer: str
    base: str
    epochs: int | str | None
    settings: Mapping[str, str] = field(hash=False)
    metric: str
    selection: str
    value: float
    spread: float | None
    spread_kind: str
    n: int | None
    note: str

    @property
    def lengths(self) -> tuple[int, ...]:
        """The numbers of epochs that were tried: one, several (`best of 200, 400`), or none known."""
        return tuple(map(int, re.findall(r"\d+", str(self.epochs or ""))))

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


@cache
def figures() -> tuple[PublishedFigure, ...]:
    """All published accuracies. Raises UserError that names file, line and column of a wrong entry."""
    return read(shipped("results", "published", "accuracy.csv"))


def read(path: Path) -> tuple[PublishedFigure, ...]:
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


def _figure(row: dict[str, str]) -> PublishedFigure:
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
    return PublishedFigure(
        source=row["source"],
        table=row["table"],
        dataset=row["dataset"],
        label_noise=float(row["label_noise"]),
        model=row["model"],
        augmentation=row["augmentation"],
        optimizer=row["optimizer"],
        base=row["base"],
        epochs=_epochs(row["epochs"]),
        settings=dict(entry.split("=", 1) for entry in row["settings"].split()),
        metric=row["metric"],
        selection=row["selection"],
        value=value,
        spread=float(row["spread"]) if row["spread"] else None,
        spread_kind=row["spread_kind"],
        n=int(row["n"]) if row["n"] else None,
        note=row["note"],
    )


def _epochs(text: str) -> int | str | None:
    """A number, `best of 200, 400`, or nothing."""
    if not text:
        return None
    return text if re.fullmatch(r"best of \d+(, \d+)+", text) else int(text)


def same_value(text: str, value: Any) -> bool:
    """Whether a published setting, a text, is this value of a run's (numbers: to five digits)."""
    if isinstance(value, bool) or value is None:
        return text == {True: "true", False: "false", None: "none"}[value]
    try:
        return math.isclose(float(text), float(value), rel_tol=1e-5)
    except ValueError:
        return bool(text == value)


def _demand(holds: bool, complaint: str) -> None:
    if not holds:
        raise ValueError(complaint)
