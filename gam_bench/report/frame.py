"""Results as one tidy pandas DataFrame: a row a planned run.

Columns, all in stored units:

- `uid`, `state` (missing, running, done, failed, diverged, stale), `suite`, `suite_title`, `error` (last
  line): text;
- every setting of the run under its own name (`dataset`, `optimizer`, `rho`, `epochs`, …); missing where the
  run's components have no such setting;
- the result columns below, float64 (missing where the run is not done) or text;
- `env_*`: the environment, text;
- `sources`: JSON text, setting → citation key, `assumed`, or `suite` for what the suite itself varies; empty
  if unknown;
- `curve_*` (with `curves=True`): a tuple of floats, one an epoch.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from gam_bench.errors import UserError
from gam_bench.store.folder import RunFolder, State
from gam_bench.suite.spec import OWN_SETTINGS, RunSpec

if TYPE_CHECKING:
    from gam_bench.store.scan import Standing
    from gam_bench.suite.suite import Suite

RESULTS: dict[str, tuple[str, str]] = {
    "test_accuracy": ("fraction", "last epoch"),
    "test_loss": ("nats", "last epoch"),
    "best_test_accuracy": ("fraction", "best epoch, picked on the test set"),
    "best_test_epoch": ("epoch", "the epoch of best_test_accuracy, from 1"),
    "validation_accuracy": ("fraction", "last epoch; missing without a validation split"),
    "validation_loss": ("nats", "last epoch"),
    "best_validation_epoch": ("epoch", "from 1"),
    "test_accuracy_at_best_validation": ("fraction", "test accuracy of best_validation_epoch"),
    "train_accuracy": ("fraction", "running, last epoch, on augmented images"),
    "train_loss": ("nats", "running, last epoch"),
    "lambda_max": ("", "largest eigenvalue of the training loss's Hessian, last epoch"),
    "hessian_trace": ("", "trace of that Hessian"),
    "hessian_trace_se": ("", "standard error of the trace estimate"),
    "forward_backward_passes": ("passes", "in total, of one batch each"),
    "steps": ("steps", "of the optimizer"),
    "train_seconds": ("s", "training alone, device-synchronised"),
    "eval_seconds": ("s", "evaluation"),
    "total_seconds": ("s", "both, and start-up"),
    "images_per_second": ("1/s", "training images"),
    "peak_memory_bytes": ("bytes", "of the device"),
    "parameters": ("", "trainable"),
    "flops_per_step": ("", "floating point operations"),
    "threads": ("", "CPU threads of the run"),
    "attempts": ("", "how often the run was started"),
}
"""Numeric result columns: unit, meaning. `seconds_per_epoch` (train_seconds / epochs) is added."""
RESULT_TEXTS = ("device", "device_name", "finished_at")
CURVES = (
    "epoch",
    "lr",
    "train_loss",
    "train_accuracy",
    "test_loss",
    "test_accuracy",
    "passes",
    "train_seconds",
)
HEAD = ("uid", "state", "suite", "suite_title")
NO_SETTINGS = frozenset(
    (
        *HEAD,
        *RESULTS,
        *RESULT_TEXTS,
        "error",
        "sources",
        "seconds_per_epoch",
        "relative_passes",
        "relative_seconds",
    )
)

Record = dict[str, Any]


def load(path: str | Path, *, curves: bool = False, environment: bool = True) -> pd.DataFrame:
    """The results in a results folder (`RESULTS/runs/UID/…`) or in an exported `runs.jsonl` or `runs.csv`.

    A folder alone knows only the runs that were begun; `of_suite` adds the planned ones. `environment=False`
    leaves the `env_*` columns of run folders out, which halves the reading. Raises UserError for what is no
    results.
    """
    path = Path(path)
    if path.is_dir():
        for name in ("runs.jsonl", "runs.csv"):
            if not (path / "runs").is_dir() and (path / name).is_file():
                return load(path / name, curves=curves, environment=environment)
        return frame(_scan(path, curves, environment))
    from gam_bench.report import export

    return export.read(path, curves=curves)


def of_suite(
    suite: "Suite", standings: Iterable["Standing"], *, curves: bool = False, environment: bool = True
) -> pd.DataFrame:
    """A row for every planned run, in the suite's order, with what there is of it (`store.standings`)."""
    head: Record = {"suite": suite.name, "suite_title": suite.title}
    return frame(
        {"uid": standing.run.uid, "sources": json.dumps(standing.run.sources, sort_keys=True)}
        | _found(standing.folder, standing.state, standing.result, curves, environment)
        | head
        | standing.run.spec.flat()
        for standing in standings
    )


def _scan(results: Path, curves: bool, environment: bool) -> Iterator[Record]:
    """Every run folder in `results/runs`, by uid."""
    runs = results / "runs"
    if not runs.is_dir():
        raise UserError(
            f"{results} holds no results: there is neither a folder runs nor runs.jsonl or runs.csv in it"
        )
    with os.scandir(runs) as entries:
        uids = sorted(entry.name for entry in entries if entry.is_dir())
    for uid in uids:
        folder = RunFolder(runs / uid)
        spec = _spec(folder.path / "spec.json")
        if spec is not None:
            result = folder.result()
            state = State.DONE if result is not None else folder.state()
            yield {"uid": uid} | _found(folder, state, result, curves, environment) | spec


def _spec(path: Path) -> Record | None:
    """The stored settings in one level; None before they are written."""
    try:
        stored = json.loads(path.read_bytes())["spec"].items()
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}); move its folder away") from None
    flat: Record = {}
    for key, value in stored:
        flat |= value if isinstance(value, dict) else {key: value}
    return flat


def _found(folder: RunFolder, state: State, result: Record | None, curves: bool, environment: bool) -> Record:
    """What there is of a run: state, result, error, environment, learning curves."""
    record: Record = {"state": str(state)}
    if state == State.MISSING:
        return record
    if result is not None:
        record |= {key: value for key, value in result.items() if key in RESULTS or key in RESULT_TEXTS}
    elif state in (State.FAILED, State.DIVERGED):
        record["error"] = folder.error().partition("\n")[0]
    if environment:
        found = folder.environment() or {}
        record |= {f"env_{key}": str(value) for key, value in found.items() if value is not None}
    if curves:
        lines = folder.metrics()
        for key in CURVES:
            values = [line.get(key) for line in lines]
            record[f"curve_{key}"] = tuple(
                float("nan") if value is None else float(value) for value in values
            )
    return record


def frame(records: Iterable[Record]) -> pd.DataFrame:
    """The DataFrame of such records, with every documented column and its dtype.

    Records are taken one by one, so that a hundred thousand of them never stand in memory at once.
    """
    made = pd.DataFrame(_columns(records))
    for name in OWN_SETTINGS - set(made.columns):
        made[name] = None
    for name in RESULTS:
        made[name] = pd.to_numeric(made[name], errors="raise").astype(float) if name in made else float("nan")
    for name in ("uid", "state", "suite", "suite_title", "error", "sources", *RESULT_TEXTS):
        made[name] = made[name].astype(object).where(made[name].notna(), "") if name in made else ""
    epochs = made["epochs"].astype(float) if "epochs" in made else float("nan")
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


_ORDER = {name: place for place, name in enumerate((*HEAD, *RunSpec.model_fields, *RESULTS, *RESULT_TEXTS))}


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
