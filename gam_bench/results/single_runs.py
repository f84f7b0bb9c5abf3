"""The single runs behind published figures, as records like those of any export.

A row of `results/published/runs.csv` is one run and one metric. Its number is no seed: the runs of two
optimizers have nothing in common, and none of ours shares a seed with them. So each run gets a number of its
own, from `FIRST` on, and nothing is ever paired with it.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gam_bench.errors import UserError
from gam_bench.files import shipped
from gam_bench.results.published import PublishedFigure, figures
from gam_bench.results.recipes import recipe

FIRST = 10_000_000
COLUMNS = [
    "source", "dataset", "label_noise", "model", "augmentation", "optimizer", "base", "epochs", "settings",
    "metric", "selection", "run", "value",
]  # fmt: skip
_KEY = COLUMNS[:9]


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The runs in a file of the layout of `runs.csv`, each with what is known of its recipe."""
    runs: dict[tuple[str, ...], dict[str, Any]] = {}
    for number, row in enumerate(_rows(path), start=2):
        key = (*(row[name] for name in _KEY), row["run"])
        try:
            run = runs.setdefault(key, _record(row, FIRST + len(runs)))
            run[row["metric"]] = float(row["value"])
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}") from None
    yield from runs.values()


def behind(figure: PublishedFigure) -> tuple[list[float], Counter[str]]:
    """The single values behind a figure and how many are of each batch size; nothing where none are known.

    Only those whose mean it is: as many, in the same task, with the same settings (batches apart where the
    figure mixes them).
    """
    found = [row for row in _rows(shipped("results", "published", "runs.csv")) if _is_of(row, figure)]
    if len(found) != figure.n:
        return [], Counter()
    batches = Counter(_settings(row)["batch_size"] for row in found)
    return [float(row["value"]) for row in found], batches


def _is_of(row: Mapping[str, str], figure: PublishedFigure) -> bool:
    names = ("source", "dataset", "model", "augmentation", "optimizer", "base", "metric")
    settings, its = _settings(row), dict(figure.settings)
    if "×" in its.get("batch_size", ""):
        its["batch_size"] = settings["batch_size"]
    return (
        all(row[name] == getattr(figure, name) for name in names)
        and row["epochs"] == str(figure.epochs)
        and settings == its
    )


def _record(row: Mapping[str, str], seed: int) -> dict[str, Any]:
    known = dict(recipe(_alike(row))) | _settings(row)
    task = {name: row[name] for name in ("dataset", "model", "augmentation", "optimizer", "base")}
    return {
        "uid": f"{row['source']}-{row['optimizer']}-{row['dataset']}-{row['augmentation']}-{seed - FIRST}",
        "state": "done",
        "suite": "",
        **task,
        **{name: number(text) for name, text in known.items()},
        "label_noise": float(row["label_noise"]),
        "epochs": int(row["epochs"]),
        "seed": seed,
        "sources": json.dumps(dict.fromkeys(sorted(known), row["source"])),
    }


def _alike(row: Mapping[str, str]) -> PublishedFigure:
    """A published figure of the same source, task and optimizer: what is known of it holds for the run."""
    names = ("source", "dataset", "model", "augmentation", "optimizer", "base")
    for figure in figures():
        if all(row[name] == getattr(figure, name) for name in names) and row["epochs"] == str(figure.epochs):
            return figure
    raise ValueError(f"no figure in accuracy.csv is of {row['source']}, {row['dataset']}, {row['optimizer']}")


def _rows(path: Path) -> Sequence[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _settings(row: Mapping[str, str]) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in row["settings"].split())


def number(text: str) -> Any:
    """`7`, `0.5`, `true` and words as the values that they write."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
