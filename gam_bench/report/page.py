"""A self-contained report.html: scores, tables, figures, cost, runs, settings, environment; no network."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from gam_bench.compare import cost
from gam_bench.compare.verdict import tally
from gam_bench.report import claims, notes, page_tables, plots
from gam_bench.report.layout import Table
from gam_bench.report.render import sentences
from gam_bench.report.table import build
from gam_bench.report.words import hours
from gam_bench.suite.sources import known_sources

DRAWN = 24
"""So many tasks have figures in the page."""
_CAPTIONS = {
    "curves": "Learning curves", "cost": "Accuracy against cost", "flatness": "Flatness against accuracy",
    "trace": "Hessian trace against accuracy",
}  # fmt: skip


def page(frame: pd.DataFrame, margin: float | None = None) -> str:
    """The report of these runs as HTML; `frame` should have curves and environment (see `frame.load`)."""
    table = build(frame, margin=margin)
    drawn, more = _tasks(frame)
    return _written(
        title=_title(frame),
        table=table,
        scores=_scores(frame, table),
        sentences=sentences(table),
        tasks=drawn,
        more_tasks=more,
        cells=page_tables.cells(frame, margin),
        spent=_spent(frame),
        targets=page_tables.targets(frame),
        runs=page_tables.runs(frame),
        settings=page_tables.settings(frame),
        citations=_citations(frame),
        environment=_environment(frame),
    )


def of_published(table: Table) -> str:
    """The page of a table that no run stands behind (see `published.build`)."""
    scores = [("Published figures", str(len(table.data or [])), "")]
    return _written(title=table.title, table=table, scores=scores, sentences=[], tasks=[], runs=None)


def _written(**parts: Any) -> str:
    assets = Path(__file__).parent / "assets"
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    return environment.from_string((assets / "page.html").read_text(encoding="utf-8")).render(
        css=(assets / "page.css").read_text(encoding="utf-8"),
        js=(assets / "page.js").read_text(encoding="utf-8"),
        **parts,
    )


def _title(frame: pd.DataFrame) -> str:
    titles = [text for text in dict.fromkeys(frame["suite_title"]) if text]
    return " · ".join(titles) or "Results"


def _scores(frame: pd.DataFrame, table: Table) -> list[tuple[str, str, str]]:
    """The scoreboard: name, text, CSS class."""
    scores = [
        (claims.name(answer), claims.standing(answer), str(answer.standing).replace(" ", "-"))
        for answer in table.answers
        if answer.metric == table.metrics[0]
    ]
    states = Counter(frame["state"])
    done = states["done"] == len(frame)
    scores += [("Runs finished", f"{states['done']} of {len(frame)}", "done" if done else "undecided")]
    bad = states["failed"] + states["diverged"]
    if bad:
        scores.append(("Failed or diverged", str(bad), "failed"))
    verdicts = [judgement.verdict for cell in table.cells for judgement in cell.judgements]
    if verdicts:
        scores.append(("Published figures", tally(verdicts), _one(verdicts)))
    taken = cost.hours(frame)
    if taken:
        kind, number = max(taken.items(), key=lambda item: item[1])
        scores.append((f"{notes.DEVICES.get(kind, kind)} time", hours(number), ""))
    return scores


def _one(found: Sequence[Any]) -> str:
    return str(found[0]) if len(set(found)) == 1 else ""


def _tasks(frame: pd.DataFrame) -> tuple[list[dict[str, Any]], int]:
    """Each task's name and drawn panels, and how many tasks are left out."""
    by_task: dict[str, list[plots.Panel]] = defaultdict(list)
    for panel in plots.panels(frame):
        by_task[panel.task].append(panel)
    drawn = [
        {"name": name, "panels": [(_CAPTIONS[panel.kind], plots.svg(panel)) for panel in found]}
        for name, found in list(by_task.items())[:DRAWN]
    ]
    return drawn, max(0, len(by_task) - DRAWN)


def _spent(frame: pd.DataFrame) -> str:
    """What all finished runs cost, and on what."""
    machines = notes.machines(frame)
    if not machines:
        return "No run is finished yet."
    alike = "Times are compared only on equal hardware. " if len(machines) > 1 else ""
    total = f"{notes.spent(frame)} for all finished runs, evaluation included."
    return f"{total} {alike}Hardware: {'; '.join(machines)}."


def _citations(frame: pd.DataFrame) -> list[tuple[str, str]]:
    used = {source for text in set(frame["sources"]) if text for source in json.loads(text).values()}
    return sorted((key, text) for key, text in known_sources().items() if key in used)


def _environment(frame: pd.DataFrame) -> list[tuple[str, str]]:
    """Each recorded fact with its values, how many runs each, most first."""
    facts = []
    for name in frame.columns:
        if name.startswith("env_"):
            counts = Counter(value for value in frame[name] if isinstance(value, str))
            ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            text = "; ".join(
                f"{value} ({number} runs)" if len(ordered) > 1 else value for value, number in ordered
            )
            if text:
                facts.append((name.removeprefix("env_").replace("_", " "), text))
    return facts
