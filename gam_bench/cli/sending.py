"""How runs go to the cluster, for `submit` and `retry`: propose, send, and say what became of it."""

import sys
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from gam_bench.data.roots import require
from gam_bench.launch.slurm.ledger import Ledger
from gam_bench.launch.slurm.profile import Profile
from gam_bench.suite.suite import Run, Suite

if TYPE_CHECKING:
    from gam_bench.launch.slurm.submit import Array

UNASKED = 1000
"""The longest array, where a dry run has no cluster to ask."""


def send(
    suite: Suite,
    runs: Sequence[Run],
    results: Path,
    profile: Profile,
    *,
    retry_failed: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> None:
    """Propose and submit, and say what became of it."""
    from gam_bench.launch.slurm import submit  # submitit takes a while to import

    with nullcontext() if dry_run else Ledger(results).locked():
        largest = UNASKED if dry_run else None
        proposal = submit.propose(
            runs, results, profile, retry_failed=retry_failed, force=force, largest=largest
        )
        print(f"{suite.title}\n{proposal.plan.summary()}", file=sys.stderr)
        if proposal.queued:
            print(f"{proposal.queued} of them are queued already", file=sys.stderr)
        if dry_run:
            _show(proposal.arrays, profile)
            return
        todo = (s for array in proposal.arrays for job in array.jobs for s in job)
        require((s.run.spec.dataset for s in todo), str(profile.environment.get("GAM_BENCH_DATA", "")))
        entries = submit.submit(proposal, profile, suite.name, results)
    for array, jobs in groupby(entries, lambda entry: entry.job.partition("_")[0]):
        packed = [len(job.uids) for job in jobs]
        print(f"job {array}: {sum(packed)} runs" + (f" in {len(packed)} tasks" if len(packed) > 1 else ""))
    print("see `gam-bench status`" if entries else "nothing to submit", file=sys.stderr)


def _show(arrays: Sequence["Array"], profile: Profile) -> None:
    from gam_bench.launch.slurm import submit

    for number, array in enumerate(arrays, start=1):
        asked = submit.parameters(array, profile, share=len(arrays))
        options = asked.pop("additional_parameters")
        shown = {**asked, **(options if isinstance(options, dict) else {})}
        print(f"array {number} of {len(arrays)}, {len(array.jobs)} jobs")
        print("  " + "  ".join(f"{key}={value}" for key, value in shown.items()))
        for index, job in enumerate(array.jobs):
            print(f"  job {index}: " + " ".join(standing.run.uid for standing in job))
