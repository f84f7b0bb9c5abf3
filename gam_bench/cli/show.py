"""`gam-bench show`: every run of a suite, every setting, and where each comes from."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from gam_bench.cli.options import Json, Only, Seeds, SuiteName, planned
from gam_bench.suite.suite import ASSUMED, VARIED, Run, Suite


def command(suite: SuiteName, seeds: Seeds = "", only: Only = [], as_json: Json = False) -> None:  # noqa: B006
    """Show every run and every resolved setting with its source; assumed ones are marked.

    Examples: `gam-bench show quickstart` · `gam-bench show cifar100 --only optimizer=gam --json`
    """
    loaded, runs = planned(suite, seeds, only)
    if as_json:
        print(json.dumps(_as_json(loaded, runs), indent=2))
        return
    console = Console(highlight=False)
    console.print(f"[bold]{loaded.title}[/bold]  ({len(runs)} runs, {loaded.path})")
    if loaded.about:
        console.print(loaded.about.strip() + "\n")
    marks = _marks(runs)
    same, varying = _split(runs)
    shared = Table(title="Of every run", title_justify="left", box=None, pad_edge=False)
    for heading in ("setting", "value", "source"):
        shared.add_column(heading, overflow="fold")
    for key in same:
        shared.add_row(key, _text(runs[0].spec.flat()[key]), _source(runs[0], key))
    console.print(shared)
    console.print(_runs_table(runs, varying, marks))
    for source, mark in marks.items():
        console.print(f"[{mark}] {source}: {_meaning(source, loaded)}", markup=False)


def _as_json(suite: Suite, runs: Sequence[Run]) -> dict[str, object]:
    return {
        "suite": suite.name,
        "title": suite.title,
        "runs": [
            {
                "uid": run.uid,
                "settings": {
                    key: {"value": value, "source": run.sources[key]} for key, value in run.spec.flat().items()
                },
            }
            for run in runs
        ],
    }


def _split(runs: Sequence[Run]) -> tuple[list[str], list[str]]:
    """The settings that all runs share, source included, and those that differ; seeds apart."""
    keys = dict.fromkeys(key for run in runs for key in run.spec.flat() if key != "seed")
    seen: dict[str, set[tuple[object, str]]] = {key: set() for key in keys}
    for run in runs:
        flat = run.spec.flat()
        for key in keys:
            seen[key].add((flat.get(key), run.sources.get(key, "")))
    return [k for k in keys if len(seen[k]) == 1], [k for k in keys if len(seen[k]) > 1]


def _runs_table(runs: Sequence[Run], varying: Sequence[str], marks: dict[str, str]) -> Table:
    """One row for the runs that differ in nothing but their seed."""
    table = Table(title="Runs", title_justify="left", box=None, pad_edge=False)
    for heading in (*varying, "seeds"):
        table.add_column(heading, overflow="fold")
    groups: dict[tuple[str, ...], list[int]] = {}
    for run in runs:
        flat = run.spec.flat()
        cells = tuple(
            f"{_text(flat[key])}{_mark(run.sources[key], marks)}" if key in flat else "" for key in varying
        )
        groups.setdefault(cells, []).append(run.spec.seed)
    for cells, seeds in groups.items():
        table.add_row(*cells, " ".join(map(str, seeds)))
    return table


def _marks(runs: Sequence[Run]) -> dict[str, str]:
    """A number for each source, `a` for what is assumed; what the suite varies needs none."""
    sources = dict.fromkeys(source for run in runs for source in run.sources.values())
    numbered = [source for source in sources if source not in (ASSUMED, VARIED)]
    return {source: str(number) for number, source in enumerate(numbered, start=1)} | (
        {ASSUMED: "a"} if ASSUMED in sources else {}
    )


def _mark(source: str, marks: dict[str, str]) -> str:
    return f" \\[{marks[source]}]" if source in marks else ""


def _source(run: Run, key: str) -> str:
    source = run.sources[key]
    return {ASSUMED: "[yellow]assumed[/yellow]", VARIED: "this suite"}.get(source, source)


def _meaning(source: str, suite: Suite) -> str:
    return "no published source" if source == ASSUMED else suite.citations[source]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if value in (True, False, None) else str(value)
