"""Results as one tidy pandas DataFrame: a row a planned run.

Columns, all in stored units (`results/COLUMNS.md` lists them):

- those of `HEAD` and `TAIL`: text;
- every setting of the run under its own name (`dataset`, `optimizer`, `rho`, `epochs`, …); missing where the
  run's components have no such setting;
- the figures of `results.figures`: float64 (missing where the run is not done), text, or flags;
- `env_*`: the environment, text;
- `curve_*` (with `curves=True`): a tuple of floats, one an epoch.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gam_bench.errors import UserError
from gam_bench.results.figures import CURVES, FIGURES, NUMBERS, STORED
from gam_bench.store.folder import RunFolder, State
from gam_bench.suite.spec import OWN_SETTINGS, RunSpec

if TYPE_CHECKING:
    from gam_bench.store.scan import Standing
    from gam_bench.suite.suite import Suite

HEAD: dict[str, str] = {
    "uid": "the run's identity and the name of its folder",
    "state": "missing, running, done, failed, diverged or stale",
    "suite": "name of the suite that planned the run; empty for a folder alone",
    "suite_title": "that suite's title",
}
TAIL: dict[str, str] = {
    "error": "last line of what stopped a failed or diverged run",
    "sources": "JSON, setting → citation key, `assumed`, `default`, or `suite` for what the suite varies",
    "question": "JSON, what the suite asks: the claims it adds, its margin in points, its seeds",
}
"""The columns before and behind settings and figures: text, empty where there is nothing to say."""
TEXTS = (*HEAD, *TAIL, *(figure.name for figure in FIGURES if figure.kind == "text"))
NO_SETTINGS = frozenset((*HEAD, *TAIL, *(figure.name for figure in FIGURES)))

Record = dict[str, Any]


def of_suite(
    suite: "Suite", standings: Iterable["Standing"], *, curves: bool = False, environment: bool = True
) -> pd.DataFrame:
    """A row for every planned run, in the suite's order, with what there is of it (`store.standings`)."""
    question = suite.question.model_dump_json(exclude_defaults=True)
    head: Record = {"suite": suite.name, "suite_title": suite.title, "question": question}
    return frame(
        {"uid": standing.run.uid, "sources": json.dumps(standing.run.sources, sort_keys=True)}
        | _found(standing.folder, standing.state, standing.result, curves, environment)
        | head
        | standing.run.spec.flat()
        for standing in standings
    )


def of_folder(results: Path, *, curves: bool = False, environment: bool = True) -> pd.DataFrame:
    """A row for every run that was begun in a results folder, by uid. Raises UserError for what is none."""
    return frame(_scan(results, curves, environment))


def _scan(results: Path, curves: bool, environment: bool) -> Iterator[Record]:
    runs = results / "runs"
    if not runs.is_dir():
        raise UserError(
            f"{results} holds no results: there is neither a folder runs nor runs.jsonl or runs.csv in it"
        )
    with os.scandir(runs) as entries:
        uids = sorted(entry.name for entry in entries if entry.is_dir())
    for uid in uids:
        folder = RunFolder(runs / uid)
        spec = folder.settings()
        if spec is not None:
            result = folder.result()
            state = State.DONE if result is not None else folder.state()
            yield {"uid": uid} | _found(folder, state, result, curves, environment) | spec


def _found(folder: RunFolder, state: State, result: Record | None, curves: bool, environment: bool) -> Record:
    """What there is of a run: state, result, error, environment, learning curves."""
    record: Record = {"state": str(state)}
    if state == State.MISSING:
        return record
    if result is not None:
        record |= {key: value for key, value in result.items() if key in STORED}
    elif failure := folder.failure():
        record["error"] = failure.line
    if environment:
        found = folder.environment() or {}
        record |= {f"env_{key}": str(value) for key, value in found.items() if value is not None}
    if curves:
        lines = folder.metrics()
        for figure in CURVES:
            values = [line.get(figure.name) for line in lines]
            if any(value is not None for value in values):
                record[f"curve_{figure.name}"] = tuple(
                    math.nan if value is None else float(value) for value in values
                )
    return record


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """The DataFrame of such records, with every documented column and its dtype.

    Records are taken one by one, so that a hundred thousand of them never stand in memory at once.
    """
    made = pd.DataFrame(_columns(records))
    for name in OWN_SETTINGS - set(made.columns):
        made[name] = None
    for name in (figure.name for figure in FIGURES if not figure.derived and figure.kind != "text"):
        if name in NUMBERS:
            made[name] = pd.to_numeric(made[name], errors="raise").astype(float) if name in made else math.nan
        elif name not in made:
            made[name] = None
    for name in TEXTS:
        made[name] = made[name].astype(object).where(made[name].notna(), "") if name in made else ""
    made["numerics"] = made["numerics"].fillna(1.0).where(made["state"] == "done")  # older results name none
    epochs = made["epochs"].astype(float) if "epochs" in made else math.nan
    made["seconds_per_epoch"] = made["train_seconds"] / epochs
    return made[sorted(made.columns, key=lambda name: _place(str(name)))]


def _columns(records: Iterable[Record]) -> dict[str, list[Any]]:
    """The records' values by column, None where a record has none; equal texts are one object."""
    columns: dict[str, list[Any]] = {}
    texts: dict[str, str] = {}
    for number, record in enumerate(records):
        for name, value in record.items():
            if name not in columns:
                columns[name] = [None] * number
            columns[name].append(texts.setdefault(value, value) if isinstance(value, str) else value)
        for column in columns.values():
            if len(column) == number:
                column.append(None)
    return columns


_ORDER = {
    name: place
    for place, name in enumerate((*HEAD, *RunSpec.model_fields, *(figure.name for figure in FIGURES), *TAIL))
}


def _place(name: str) -> tuple[int, int, str]:
    """One order wherever columns were read from: head, settings, results, environment, curves."""
    if name in NO_SETTINGS:
        return (0 if name in HEAD else 2, _ORDER.get(name, len(_ORDER)), name)
    group = 4 if name.startswith("curve_") else 3 if name.startswith("env_") else 1
    return (group, _ORDER.get(name, len(_ORDER)), name)


def settings(table: pd.DataFrame) -> list[str]:
    """The columns that are settings of runs."""
    return [
        name for name in table.columns if name not in NO_SETTINGS and not name.startswith(("env_", "curve_"))
    ]


def varying(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Those of the columns that have more than one value, a missing one counted as a value."""
    return [name for name in names if table[name].nunique(dropna=False) > 1]
