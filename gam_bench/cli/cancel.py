"""`gam-bench cancel`: take runs out of the queue, or stop them."""

import sys
from typing import Annotated

import typer

from gam_bench.cli.options import RESULTS, Results
from gam_bench.launch.slurm import squeue
from gam_bench.launch.slurm.ledger import Ledger
from gam_bench.store.scan import one_run
from gam_bench.suite.file import suite_names
from gam_bench.suite.suite import load

Target = Annotated[
    str, typer.Argument(metavar="SUITE|RUN", help="A suite, or a run's uid or its unique beginning.")
]


def command(target: Target, results: Results = RESULTS) -> None:
    """Cancel the queued and running SLURM jobs of a suite, or the one that holds a run.

    Every finished epoch is kept, and the next `submit` goes on from there. A job that holds several runs goes
    with all of them, and is printed with them. Exit code 2: bad input, or SLURM did not answer.

    Examples: `gam-bench cancel cifar100` · `gam-bench cancel gam-resnet18_cifar-cifar100-s0-1f3a9c2e`
    """
    ledger = Ledger(results)
    entries = ledger.entries()
    if target in suite_names() or target.endswith((".yaml", ".yml")):
        suite = load(target).name
        asked = [entry for entry in entries if entry.suite == suite]
    else:
        uid = one_run(target, results)
        asked = [entry for entry in entries if uid in entry.uids]
    live = squeue.queued(ledger.users())
    hit = [entry for entry in asked if entry.job in live]
    squeue.cancel([entry.job for entry in hit], live)
    for entry in hit:
        print(f"cancelled job {entry.job}: {', '.join(entry.uids)}")
    if not hit:
        print("nothing to cancel", file=sys.stderr)
