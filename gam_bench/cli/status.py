"""`gam-bench status`: how the runs of a suite stand, here and in the queue."""

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from gam_bench.cli.options import RESULTS, Json, Only, Processes, Results, Seeds, SuiteName, planned
from gam_bench.launch.slurm import squeue, status
from gam_bench.launch.slurm.ledger import Ledger
from gam_bench.report.words import duration
from gam_bench.store.folder import State
from gam_bench.store.scan import standings

SECONDS = 30.0
"""Between two looks of --watch, each of which asks the cluster once."""


def command(
    suite: SuiteName,
    results: Results = RESULTS,
    seeds: Seeds = "",
    only: Only = [],  # noqa: B006
    processes: Processes = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again every 30 s while runs are queued or running.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show each run's state, epoch, accuracy so far, job, node and time left.

    Exit codes: 0, all runs are done · 1, some failed or diverged · 2, bad input · 3, some are queued or
    running · 4, some are missing or stale and nobody is going to run them: `submit` or `run` again.

    Examples: `gam-bench status cifar100` · `until gam-bench status cifar100; [ $? != 3 ]; do sleep 600; done`
    """
    _, runs = planned(suite, seeds, only, processes)

    def look() -> list[status.Row]:
        ledger = Ledger(results)
        try:
            jobs = squeue.queued(ledger.users())
        except squeue.QueueUnknown as unknown:  # the folders still tell the rest
            print(f"warning: what is queued is not known: {unknown}", file=sys.stderr)
            jobs = {}
        found, entries = standings(runs, results), ledger.entries()
        ended = squeue.ended(status.left_runs(found, entries, jobs))
        return status.rows(found, entries, jobs, ended)

    rows = look()
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    elif watch:
        with Live(_table(rows), console=_console(), auto_refresh=False) as live:
            while any(row.state in (status.QUEUED, State.RUNNING) for row in rows):
                time.sleep(SECONDS)
                rows = look()
                live.update(_table(rows), refresh=True)
    else:
        _console().print(_table(rows))
    raise typer.Exit(status.exit_code(rows))


def _console() -> Console:
    """As wide as the terminal; in a pipe, wide enough to cut nothing."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=240)


def _table(rows: Sequence[status.Row]) -> Table:
    counts = Counter(row.state for row in rows)
    summary = ", ".join(f"{counts[state]} {state}" for state in status.ORDER if counts[state])
    table = Table(box=None, pad_edge=False, caption=f"{len(rows)} runs: {summary}", caption_justify="left")
    for heading in ("run", "state", "epoch", "accuracy", "job", "node", "left", "note"):
        table.add_column(heading, justify="right" if heading in ("epoch", "accuracy", "left") else "left")
    for row in rows:
        table.add_row(
            row.uid,
            row.state,
            f"{row.epoch}/{row.epochs}",
            "" if row.accuracy is None else f"{row.accuracy:.4f}",
            row.job or "",
            row.node or "",
            "" if row.seconds_left is None else duration(row.seconds_left),
            row.note,
        )
    return table
