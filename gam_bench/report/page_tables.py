"""The sortable tables of the report page: every cell, cost to a target, every run, every setting."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gam_bench.compare import cost
from gam_bench.compare.cell import TASK, Cell, Sample, telling
from gam_bench.compare.pairs import Finding
from gam_bench.compare.verdict import Verdict
from gam_bench.report import plots
from gam_bench.report.claims import interval
from gam_bench.report.table import build
from gam_bench.report.words import shown, title
from gam_bench.results.figures import METRICS, Figure, metric
from gam_bench.results.frame import settings as settings_of

_CELL_METRICS = (
    "test_accuracy", "best_test_accuracy", "test_loss", "lambda_max", "hessian_trace",
    "forward_backward_passes", "relative_passes", "seconds_per_epoch", "relative_seconds",
    "relative_process_seconds", "images_per_second", "peak_memory_bytes",
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A table field: text, what it sorts by, its CSS class, the colour dot before it, where it links."""

    text: str
    value: Any = None
    kind: str = ""
    tint: str = ""
    link: str = ""


@dataclass(frozen=True)
class List:
    """A sortable table: headings with their kind (`n` for numbers) and rows."""

    heads: list[tuple[str, str]]
    rows: list[list[Field]]


def cells(frame: pd.DataFrame, margin: float | None) -> List:
    """A row a cell with all of its figures."""
    known = cost.add_relative(frame)
    metrics = [metric(name) for name in _CELL_METRICS if name == "test_accuracy" or known[name].notna().any()]
    table = build(frame, [chosen.name for chosen in metrics], margin=margin)
    to_base = {
        f.one.place: f for _, f in reversed(table.findings) if f.other.optimizer == f.one.settings["base"]
    }
    keys = [name for name in telling(frame) if name != "optimizer"]
    heads = [(name.replace("_", " "), "" if name in TASK and name != "label_noise" else "n") for name in keys]
    heads += [("optimizer", ""), ("seeds", "n")]
    heads += [(_heading(chosen), "n") for chosen in metrics]
    heads += [
        ("− base", "n"),
        ("95 % interval", "n"),
        ("p (Holm)", "n"),
        ("published", ""),
        ("verdict", ""),
        ("assumed", "n"),
    ]
    rows = [_cell_row(cell, metrics, keys, to_base.get(cell.place)) for cell in table.cells]
    return List(heads, rows)


def _cell_row(
    cell: Cell, metrics: Sequence[Figure], keys: Sequence[str], finding: Finding | None
) -> list[Field]:
    main, shape = cell.main, cell.main.metric
    row = [Field(shown(cell.key.get(name)), kind=_numeric(cell.key.get(name))) for name in keys]
    row += [_optimizer(cell.optimizer), Field(f"{main.n}/{cell.planned}", main.n, "n")]
    row += [_mean(cell.sample(chosen.name)) for chosen in metrics]
    c = finding.comparison if finding else None
    row.append(Field(shape.text(c.difference, sign=True), c.difference, "n") if c else Field("", kind="n"))
    row.append(Field(interval(c, shape), c.low, "n") if c else Field("", kind="n"))
    p = finding.p_holm if finding else None
    row.append(Field("" if p is None else f"{p:.2g}", p, "n"))
    found = sorted(cell.published, key=lambda match: not match.same)[:1]
    texts = [f"{shape.text(match.figure.value)} {match.figure.source}" for match in found]
    row.append(Field("".join(texts) or "—"))
    row.append(_verdict(cell))
    row.append(Field(shown(cell.assumed), kind="n"))
    return row


def _verdict(cell: Cell) -> Field:
    verdict = cell.judgement.verdict
    if verdict != Verdict.NONE:
        return Field(str(verdict), kind=str(verdict))
    return Field("other recipe" if cell.published else str(verdict), kind="none")


def _heading(chosen: Figure) -> str:
    """Short, but never hiding that a figure was picked on the test set."""
    return (
        f"best {chosen.subheading}, picked on it"
        if chosen.name == "best_test_accuracy"
        else chosen.subheading
    )


def _optimizer(name: str) -> Field:
    return Field(title(name), tint=name.replace("+", "-") if name in plots.COLOURS else "other")


def _mean(sample: Sample) -> Field:
    if sample.mean is None:
        return Field("—", "", "n")
    return Field(sample.metric.spread_text(sample.mean, sample.sd), sample.mean, "n")


def _numeric(value: Any) -> str:
    return "n" if isinstance(value, int | float) else ""


def targets(frame: pd.DataFrame) -> List:
    """Epochs, passes and seconds to the base optimizer's mean final accuracy, task by task."""
    heads = [
        ("task", ""),
        ("target (%)", "n"),
        ("optimizer", ""),
        ("reached", "n"),
        ("epochs", "n"),
        ("passes", "n"),
        ("seconds", "n"),
    ]
    rows: list[list[Field]] = []
    done = frame[frame["state"] == "done"]
    if "curve_test_accuracy" not in done:
        return List(heads, rows)
    names = telling(frame)
    groups = done.groupby(names, dropna=False, sort=True) if names else [((), done)]
    for key, runs in groups:
        alone = runs[runs["optimizer"] == runs["base"]]
        if not len(alone) or len(alone) == len(runs):
            continue
        values = key if isinstance(key, tuple) else (key,)
        task = ", ".join(
            v if isinstance(v, str) else f"{n.replace('_', ' ')} {shown(v)}"
            for n, v in zip(names, values, strict=True)
        )
        target = float(alone["test_accuracy"].mean())
        for found in cost.to_target(runs, target):
            numbers = (found.epochs, found.passes, found.seconds)
            rows.append(
                [
                    Field(task or str(runs["dataset"].iat[0])),
                    Field(f"{target * 100:.2f}", kind="n"),
                    _optimizer(found.optimizer),
                    Field(f"{found.reached}/{found.seeds}", kind="n"),
                    *(Field("—" if number is None else f"{number:,.4g}", kind="n") for number in numbers),
                ]
            )
    return List(heads, rows)


def runs(frame: pd.DataFrame) -> List:
    """A row a run."""
    metrics: list[Figure] = [
        METRICS[name]
        for name in ("test_accuracy", "test_loss", "lambda_max", "train_seconds")
        if frame[name].notna().any()
    ]
    keys = telling(frame)
    heads = [
        ("run", ""),
        ("state", ""),
        *((name.replace("_", " "), "") for name in keys),
        ("optimizer", ""),
        ("seed", "n"),
    ]
    heads += [(_heading(chosen), "n") for chosen in metrics]
    heads += [("error", "")] if (frame["error"] != "").any() else []
    rows = []
    for run in frame.to_dict("records"):
        row = [Field(run["uid"], link=f"runs/{run['uid']}/" if run["state"] != "missing" else "")]
        row.append(Field(run["state"], kind=run["state"]))
        row += [Field(shown(run[name])) for name in keys]
        row += [_optimizer(run["optimizer"]), Field(str(run["seed"]), kind="n")]
        for chosen in metrics:
            value = run[chosen.name]
            row.append(Field(chosen.text(value), value if value == value else "", "n"))
        row += [Field(run["error"], kind="wide")] if heads[-1][0] == "error" else []
        rows.append(row)
    return List(heads, rows)


def settings(frame: pd.DataFrame) -> List:
    """A row for each value that some run has of a setting, with its source and the runs it belongs to."""
    heads = [("setting", ""), ("value", ""), ("source", ""), ("runs", "n"), ("of", "")]
    sources = [json.loads(text) if text else {} for text in frame["sources"]]
    rows = []
    for name in settings_of(frame):
        if name == "seed":
            continue
        found: dict[tuple[str, str], Counter[str]] = {}
        for value, source, optimizer in zip(frame[name], sources, frame["optimizer"], strict=True):
            if name in source or (value is not None and value == value):
                key = (shown(value), source.get(name, "unknown"))
                found.setdefault(key, Counter())[title(optimizer)] += 1
        everybody = {title(optimizer) for optimizer in frame["optimizer"]}
        for (text, source), runs in found.items():
            of = (
                "all"
                if sum(runs.values()) == len(frame)
                else ", ".join(runs)
                if set(runs) != everybody
                else "some of each"
            )
            kind = "undecided" if source == "assumed" else ""
            rows.append(
                [
                    Field(name),
                    Field(text),
                    Field(source, kind=kind),
                    Field(str(sum(runs.values())), kind="n"),
                    Field(of),
                ]
            )
    return List(heads, rows)
