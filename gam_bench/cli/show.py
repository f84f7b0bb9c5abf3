"""`gam-bench show`: the runs of a suite, and every setting with the runs it is of and where it comes from."""

import json
import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from gam_bench.cli.options import Json, Only, Seeds, SuiteName, planned
from gam_bench.report.words import shown
from gam_bench.suite.suite import ASSUMED, DEFAULT, Run, Suite
from gam_bench.suite.summary import Row, grids, left_alone, rows


def command(suite: SuiteName, seeds: Seeds = "", only: Only = [], as_json: Json = False) -> None:  # noqa: B006
    """Show what a suite runs and every setting with its source; assumed ones are marked.

    Examples: `gam-bench show quickstart` · `gam-bench show cifar100 --only optimizer=gam --json`
    """
    loaded, runs = planned(suite, seeds, only)
    if as_json:
        print(json.dumps(_as_json(loaded, runs), indent=2))
        return
    console = Console(highlight=False)
    console.print(f"[bold]{loaded.title}[/bold]  ({len(runs)} runs, {loaded.path})")
    console.print(f"{loaded.about.strip()}\n", markup=False)
    console.print(_runs_table(runs))
    console.print(_settings_table(rows(runs)))
    alone = ", ".join(f"{key} {_text(value)}" for key, value in left_alone(runs).items())
    console.print(f"\nLeft at their defaults: {alone}.\n", markup=False)
    named = {source for run in runs for source in run.sources.values()}
    for source in [source for source in loaded.citations if source in named]:
        console.print(f"{source}: {loaded.citations[source]}", markup=False)
    for answer in loaded.answers:
        console.print(f"Answers {answer.source}, {answer.table}".removesuffix(", "), markup=False)


def _as_json(suite: Suite, runs: Sequence[Run]) -> dict[str, object]:
    return {
        "suite": suite.name,
        "title": suite.title,
        "runs": [
            {
                "uid": run.uid,
                "settings": {
                    key: {"value": value, "source": run.sources[key]} for key, value in run.settings.items()
                },
            }
            for run in runs
        ],
    }


def _runs_table(runs: Sequence[Run]) -> Table:
    """A row for each product of lists."""
    found = grids(runs)
    table = Table(title="Runs", title_justify="left", box=None, pad_edge=False)
    for heading in (*found[0], "runs"):
        table.add_column(heading, overflow="fold")
    for grid in found:
        count = math.prod(len(values) for values in grid.values())
        table.add_row(*map(_texts, grid.values()), str(count))
    return table


def _settings_table(found: Sequence[Row]) -> Table:
    """A row for each value and source of a setting; its name stands in the first of them."""
    table = Table(title="\nSettings", title_justify="left", box=None, pad_edge=False)
    for heading in ("setting", "value", "source", "of"):
        table.add_column(heading, overflow="fold")
    above = ""
    for row in found:
        of = " · ".join(
            _texts(values) if all(isinstance(value, str) for value in values) else f"{name} {_texts(values)}"
            for name, values in row.of.items()
        )
        table.add_row("" if row.setting == above else row.setting, _text(row.value), _source(row.source), of)
        above = row.setting
    return table


def _source(source: str) -> str:
    return (
        "[yellow]assumed[/yellow]"
        if source == ASSUMED
        else f"[dim]{source}[/dim]"
        if source == DEFAULT
        else source
    )


def _texts(values: Sequence[object]) -> str:
    return ", ".join(map(_text, values))


def _text(value: object) -> str:
    return shown(value, none="none")
