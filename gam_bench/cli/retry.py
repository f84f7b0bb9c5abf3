"""`gam-bench retry`: queue the failed runs of a suite again."""

from pathlib import Path
from typing import Annotated

import typer

from gam_bench.cli.options import RESULTS, Only, Processes, Results, Seeds, SuiteName, planned
from gam_bench.cli.sending import send
from gam_bench.errors import UserError
from gam_bench.launch.slurm.ledger import Ledger
from gam_bench.launch.slurm.profile import Profile, load, stored
from gam_bench.store.scan import standings
from gam_bench.suite.suite import Suite


def command(
    suite: SuiteName,
    cluster: Annotated[
        str | None,
        typer.Option(metavar="PROFILE", help="A launch profile [default: that of the suite's last submit]."),
    ] = None,
    results: Results = RESULTS,
    seeds: Seeds = "",
    only: Only = [],  # noqa: B006
    processes: Processes = None,
) -> None:
    """Queue the failed and diverged runs of a suite again, and only those.

    Their errors are kept as error-N.txt, and their finished epochs are not done again. Exit code 2: bad
    input, or SLURM refused.

    Examples: `gam-bench retry cifar100` · `gam-bench retry cifar100 --cluster ./more-memory.yaml`
    """
    loaded, runs = planned(suite, seeds, only, processes)
    failed = [s.run for s in standings(runs, results) if s.state.failure]
    profile = load(cluster) if cluster else _last_profile(loaded, results)
    send(loaded, failed, results, profile, retry_failed=True)


def _last_profile(suite: Suite, results: Path) -> Profile:
    submissions = [entry.submission for entry in Ledger(results).entries() if entry.suite == suite.name]
    if not submissions:
        raise UserError(f"{suite.name} was never submitted from {results}; name a profile with --cluster")
    return stored(results / "jobs" / submissions[-1] / "profile.json")
