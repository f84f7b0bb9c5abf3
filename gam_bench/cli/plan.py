"""`gam-bench plan`: what is done, what is missing, what it will cost."""

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gam_bench.cli.options import RESULTS, Json, Only, Processes, Results, Seeds, SuiteName, planned
from gam_bench.launch.forecast import Forecast
from gam_bench.launch.forecast import calibrate as measure
from gam_bench.launch.place import places
from gam_bench.launch.plan import Plan, plan
from gam_bench.report.words import duration
from gam_bench.store.folder import State
from gam_bench.store.scan import Standing, standings


def command(
    suite: SuiteName,
    results: Results = RESULTS,
    seeds: Seeds = "",
    only: Only = [],  # noqa: B006
    processes: Processes = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Time a few steps of each kind of run on this machine first.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say which runs of a suite are done, missing, failed or running, and what the rest will cost.

    Examples: `gam-bench plan quickstart` · `gam-bench plan cifar100 --only model=resnet18_cifar --json`
    """
    loaded, runs = planned(suite, seeds, only, processes)
    planned_runs = plan(standings(runs, results))
    where = places(processes=max((s.run.spec.processes for s in planned_runs.todo), default=1))
    if calibrate and planned_runs.todo:
        print("timing a few steps of each kind of run …", file=sys.stderr)
        measure(planned_runs.todo, results, where[0])
    forecast = Forecast.from_records(planned_runs.standings, results, where[0].hardware)
    if as_json:
        print(json.dumps([_as_json(standing, forecast) for standing in planned_runs.standings], indent=2))
        return
    console = Console(highlight=False)
    console.print(f"[bold]{loaded.title}[/bold]")
    console.print(f"{planned_runs.summary()} in {results / 'runs'}")
    console.print(_table(planned_runs))
    console.print(_cost(planned_runs, forecast, len(where)))


def _as_json(standing: Standing, forecast: Forecast) -> dict[str, object]:
    return {
        "uid": standing.run.uid,
        "state": standing.state,
        "epoch": standing.epoch,
        "epochs": standing.run.spec.epochs,
        "seconds": forecast.seconds(standing),
        "settings": standing.run.spec.flat(),
    }


def _table(planned_runs: Plan) -> Table:
    """A row for each combination of data, model and optimizer; a column for each state."""
    states = [state for state in State if any(s.state == state for s in planned_runs.standings)]
    groups: dict[tuple[str, ...], list[Standing]] = {}
    for standing in planned_runs.standings:
        spec = standing.run.spec
        noise = f" (noise {spec.label_noise:.0%})" if spec.label_noise else ""
        key = (f"{spec.dataset}{noise}", spec.model, spec.augmentation, spec.optimizer)
        groups.setdefault(key, []).append(standing)
    table = Table(box=None, pad_edge=False)
    for heading in ("dataset", "model", "augmentation", "optimizer"):
        table.add_column(heading)
    for state in states:
        table.add_column(state, justify="right")
    for group, members in groups.items():
        counts = [sum(member.state == state for member in members) for state in states]
        table.add_row(*group, *(str(count) if count else "·" for count in counts))
    return table


def _cost(planned_runs: Plan, forecast: Forecast, workers: int) -> str:
    todo: Sequence[Standing] = planned_runs.todo
    if not todo:
        return "Nothing to launch."
    known = [seconds for standing in todo if (seconds := forecast.seconds(standing)) is not None]
    if not known:
        return f"{len(todo)} to launch; --calibrate tells what they will cost, or the first one that is done."
    text = f"{len(known)} to launch take about {duration(sum(known))} of computing"
    text += f", {duration(max(sum(known) / workers, max(known)))} with {workers} workers here"
    unknown = len(todo) - len(known)
    return text + (f"; of {unknown} more the cost is not known yet." if unknown else ".")
