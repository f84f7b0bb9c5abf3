"""What SLURM says of our jobs: one squeue for all that are queued, one sacct for all that have ended."""

import os
import subprocess
from collections.abc import Collection
from dataclasses import dataclass

from gam_bench.errors import UserError

JOB_NAME = "gam-bench"
"""The name of every job: a job id that SLURM gave away again belongs to a job of another name."""


class QueueUnknown(UserError):
    """SLURM could not be asked; the message says why and what to do."""


@dataclass(frozen=True)
class Job:
    """A job, or an element of a job array, that has not ended. `seconds_left` is None while it waits."""

    id: str
    state: str
    node: str
    seconds_left: int | None
    reason: str

    @property
    def running(self) -> bool:
        return self.state in ("RUNNING", "COMPLETING")


def queued(users: Collection[str]) -> dict[str, Job]:
    """The jobs of these users that wait or run, by id (`12`, or `12_3` in an array). Raises QueueUnknown."""
    if not users:
        return {}
    lines = _ask(
        [
            *("squeue", "--noheader", "--array", "--format", "%i|%T|%N|%L|%r"),
            *("--user", ",".join(sorted(users)), "--name", JOB_NAME),
        ],
        timeout=60,
    ).splitlines()
    jobs = {}
    for line in lines:
        job, state, node, left, reason = (part.strip() for part in line.split("|", 4))
        jobs[job] = Job(job, state, node, _seconds(left) if node else None, reason if not node else "")
    return jobs


def ended(ids: Collection[str]) -> dict[str, str]:
    """How these jobs ended (CANCELLED, TIMEOUT, NODE_FAIL, OUT_OF_MEMORY, …), as far as accounting can say.

    Nothing is known where there is no sacct, or a slow one.
    """
    if not ids:
        return {}
    masters = sorted({job.partition("_")[0] for job in ids})
    asked = ["sacct", "--noheader", "--parsable2", "--allocations", "--format", "JobID,State"]
    try:
        lines = _ask([*asked, "--jobs", ",".join(masters)], timeout=5).splitlines()
    except QueueUnknown:
        return {}
    states = {}
    for line in lines:
        name, _, state = line.partition("|")
        if state not in ("PENDING", "RUNNING"):
            # Elements that never began share a line, `12_[3-9]|CANCELLED by 0`.
            states[name.partition("[")[0]] = state.partition(" ")[0]
    found = {job: states.get(job) or states.get(job.partition("_")[0] + "_", "") for job in ids}
    return {job: state for job, state in found.items() if state}


def largest_array() -> int:
    """How many elements the cluster allows an array to have. Raises QueueUnknown."""
    for line in _ask(["scontrol", "show", "config"], timeout=60).splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "MaxArraySize":
            return max(1, int(value))
    return 1


def cancel(ids: Collection[str], live: Collection[str]) -> None:
    """Cancel these of the live jobs, by one call. Raises QueueUnknown.

    An array of which nothing stays is named as a whole: of elements that never began, nothing would otherwise
    be left in accounting.
    """
    kept = {job.partition("_")[0] for job in live if job not in ids}
    named = {job if (array := job.partition("_")[0]) in kept else array for job in ids}
    if named:
        _ask(["scancel", *sorted(named)], timeout=60)


def state_of(job: str) -> str:
    """The state of one job as SLURM's controller sees it now. Raises QueueUnknown."""
    return _ask(["squeue", "--noheader", "--jobs", job, "--format", "%T"], timeout=10).strip()


def _ask(command: list[str], timeout: float) -> str:
    # Options that a user's environment sets would change the output.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SQUEUE_", "SACCT_", "SCANCEL_"))}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, check=True, env=environment
        )
    except FileNotFoundError:
        raise QueueUnknown(
            f"there is no {command[0]} here; go to a cluster's login node, or try slurm/local/slurm-up"
        ) from None
    except subprocess.TimeoutExpired:
        raise QueueUnknown(f"{command[0]} did not answer within {timeout:g} s") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().partition("\n")[0]
        raise QueueUnknown(f"{command[0]} failed: {said}") from None
    return done.stdout


def _seconds(text: str) -> int | None:
    """`1-02:03:04`, `02:03:04` or `03:04` in seconds; None for UNLIMITED and the like."""
    days, _, clock = text.rpartition("-")
    try:
        parts = [int(part) for part in clock.split(":")]
        total = 0
        for part in parts:
            total = total * 60 + part
        return total + 86400 * int(days or 0)
    except ValueError:
        return None
