"""The verbs, and the group that imports no more of them than the one that was typed."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

VERBS = {
    "Look": {
        "list": "List suites, models, data sets, optimizers, augmentations or sources of published figures.",
        "show": "Show what a suite runs and every setting with its source; assumed ones are marked.",
        "plan": "Say which runs of a suite are done, missing, failed or running, and what the rest "
        "will cost.",
    },
    "Run here": {
        "run": "Run what is missing of a suite on this machine, then print its table.",
        "bench": "Time the engine against its floor and against the ordinary way; ratios with quartiles.",
    },
    "Run on a cluster": {
        "submit": "Queue what is missing of a suite as SLURM jobs, and return at once.",
        "status": "Show each run's state, epoch, accuracy so far, job, node and time left.",
        "logs": "Print the output of a run's last SLURM job, or, of a run that had none, its epochs "
        "and its error.",
        "retry": "Queue the failed and diverged runs of a suite again, and only those.",
        "cancel": "Cancel the queued and running SLURM jobs of a suite, or the one that holds a run.",
    },
    "Compare": {
        "table": "Compare optimizers: mean ± sd, paired differences, cost, and the published figure "
        "beside the measured one.",
        "report": "Write a page with scoreboard, tables, learning curves, cost, flatness, every run, "
        "setting and environment.",
        "plot": "Draw learning curves, accuracy against cost, and flatness against accuracy, a file each, "
        "a panel a task.",
        "export": "Write a suite's results to one file, from which `table` and `report` give the same text "
        "without run folders.",
        "merge": "Join results; a run that two of them hold must be the same in both, or nothing is written.",
    },
    "Prepare": {"data": "List the data sets, prepare them, check them."},
}
"""Panel → verb → its line in `--help`. The verb is `command` in the module of its name, or `app`, a group."""


class Verbs(TyperGroup):
    """A group whose commands are only their help lines, until one of them is typed."""

    def resolve_command(self, ctx: Any, args: Any) -> Any:
        """As in click; but the command is the verb itself, imported now."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, _verb(name) if name and found else None, rest


def _verb(name: str) -> Any:
    module = import_module(f"gam_bench.cli.{name}")
    app = getattr(module, "app", None)
    if app is None:
        app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        app.command(name)(module.command)
    return typer.main.get_command(app)


def add_to(app: typer.Typer) -> None:
    """Put every verb's line into an app of the class `Verbs`."""
    for panel, verbs in VERBS.items():
        for name, line in verbs.items():
            app.command(name, help=line, rich_help_panel=panel)(lambda: None)
