"""`gam-bench submit`: send what is missing of a suite to a SLURM cluster."""

from typing import Annotated

import typer

from gam_bench.cli.options import RESULTS, Only, Processes, Results, Seeds, SuiteName, planned
from gam_bench.cli.sending import send
from gam_bench.launch.slurm.profile import load

Cluster = Annotated[
    str,
    typer.Option(metavar="PROFILE", help="What jobs ask for: a profile's name or file (slurm/README.md)."),
]


def command(
    suite: SuiteName,
    cluster: Cluster,
    results: Results = RESULTS,
    seeds: Seeds = "",
    only: Only = [],  # noqa: B006
    processes: Processes = None,
    retry_failed: Annotated[bool, typer.Option(help="Also runs that failed or diverged before.")] = False,
    force: Annotated[
        bool, typer.Option(help="Also finished runs; the old folders go to RESULTS/replaced.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Only show the jobs, and what they would ask of SLURM.")
    ] = False,
) -> None:
    """Queue what is missing of a suite as SLURM jobs, and return at once.

    Runs that are done, running or queued already are left alone. Jobs run the code as it is now, whatever
    becomes of it; they survive time limits, preemption and requeueing. `status` shows how it goes. Exit
    code 2: bad input, or SLURM refused.

    Examples: `gam-bench submit cifar100 --cluster slurm/one-gpu.yaml` ·
    `gam-bench submit quickstart --cluster cpu --only optimizer=gam --dry-run`
    """
    loaded, runs = planned(suite, seeds, only, processes)
    send(loaded, runs, results, load(cluster), retry_failed=retry_failed, force=force, dry_run=dry_run)
