"""`gam-bench logs`: what a run has said."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from gam_bench.cli.options import RESULTS, Results
from gam_bench.errors import UserError
from gam_bench.launch.slurm.ledger import Ledger, last_of_each_run
from gam_bench.store.folder import RunFolder
from gam_bench.store.scan import one_run

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's uid, or as much of its beginning as is unique.")
]
SECONDS = 1.0
"""Between two looks of --follow."""


def command(
    run: RunName,
    results: Results = RESULTS,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on until the run has ended.")] = False,
) -> None:
    """Print the output of a run's last SLURM job, or, of a run that had none, its epochs and its error.

    Exit codes: 0, printed · 2, there is no such run, or nothing of it yet.

    Example: `gam-bench logs -f gam-resnet18_cifar-cifar100-s0`
    """
    uid = one_run(run, results)
    folder = RunFolder.of(results, uid)
    job = last_of_each_run(Ledger(results).entries()).get(uid)
    if job is None:
        _print_folder(folder)
        return
    log = job.log(results)
    if not log.exists() and not follow:
        raise UserError(f"job {job.job} of {uid} has not begun: there is no {log} yet")
    _print_file(log, folder if follow else None)


def _print_folder(folder: RunFolder) -> None:
    metrics, error = folder.metrics(), folder.error()
    if not metrics and not error:
        raise UserError(f"{folder.path} holds no epoch yet")
    for line in metrics:
        print(
            f"epoch {line['epoch']}, loss {line['train_loss']:.4f}, test accuracy {line['test_accuracy']:.4f}"
        )
    print(error, end="")


def _print_file(log: Path, until_ended: RunFolder | None) -> None:
    """Print a file, and, if a run is given, what is added to it until that run has ended."""
    position = 0
    while True:
        ended = until_ended is None or until_ended.state().over
        if log.exists():
            with log.open(errors="replace") as file:
                file.seek(position)
                print(file.read(), end="", flush=True)
                position = file.tell()
        if ended:
            return
        try:
            time.sleep(SECONDS)
        except KeyboardInterrupt:
            sys.exit(130)
