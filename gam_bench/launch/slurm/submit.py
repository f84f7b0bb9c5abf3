"""Runs into SLURM jobs: packed, grouped into job arrays, and submitted through submitit."""

import math
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import submitit
from submitit.helpers import clean_env, environment_variables

from gam_bench.errors import UserError
from gam_bench.launch.forecast import Forecast, passes
from gam_bench.launch.place import Place
from gam_bench.launch.plan import Plan, order, plan
from gam_bench.launch.slurm import snapshot, squeue
from gam_bench.launch.slurm.job import Job
from gam_bench.launch.slurm.ledger import Entry, Ledger, not_queued, user
from gam_bench.launch.slurm.profile import DEFAULT_MINUTES, Profile
from gam_bench.store.folder import State
from gam_bench.store.scan import Standing, standings
from gam_bench.suite.suite import Run

ANY_NUMBER = 1_000_000
"""How often a job may time out and come again. A job that gets nowhere ends itself (`Job.checkpoint`)."""


@dataclass(frozen=True)
class Array:
    """Jobs of like needs, each with its runs."""

    processes: int
    minutes: int
    jobs: tuple[tuple[Standing, ...], ...]


@dataclass(frozen=True)
class Proposal:
    """What a submit would send: of the plan's `todo`, all that no job holds already."""

    plan: Plan
    queued: int
    forecast: Forecast
    arrays: list[Array]


def propose(
    runs: Sequence[Run],
    results: Path,
    profile: Profile,
    *,
    retry_failed: bool = False,
    force: bool = False,
    largest: int | None = None,
) -> Proposal:
    """Decide what to submit, with one squeue; `largest` is the cluster's longest array, asked if not given.

    Raises QueueUnknown when SLURM does not answer.
    """
    largest = largest or squeue.largest_array()
    ledger = Ledger(results)
    what = plan(standings(runs, results), retry_failed=retry_failed, force=force)
    todo = not_queued(what.todo, ledger.entries(), squeue.queued(ledger.users()))
    forecast = Forecast.from_records(what.standings, results)
    return Proposal(what, len(what.todo) - len(todo), forecast, arrays(todo, profile, forecast, largest))


def arrays(todo: Sequence[Standing], profile: Profile, forecast: Forecast, largest: int) -> list[Array]:
    """Pack runs into jobs, and jobs of like needs into arrays of up to `largest`, in the plan's order.

    A run of several processes has a job for itself: when one of them dies, the job must end.
    """
    groups: dict[tuple[int, int], list[tuple[Standing, ...]]] = {}
    for processes in sorted({s.run.spec.processes for s in todo}):
        alike = [s for s in todo if s.run.spec.processes == processes]
        alike.sort(key=lambda s: passes(s.run.spec), reverse=True)
        number = math.ceil(len(alike) / (profile.runs_per_job if processes == 1 else 1))
        place = {s.run.uid: n for n, s in enumerate(order(alike, lambda s: passes(s.run.spec)))}
        packed = [tuple(alike[first::number]) for first in range(number)]  # long and short runs in each
        for job in sorted(packed, key=lambda job: min(place[s.run.uid] for s in job)):
            groups.setdefault((processes, _minutes(job, profile, forecast)), []).append(job)
    return [
        Array(*needs, tuple(jobs[first : first + largest]))
        for needs, jobs in groups.items()
        for first in range(0, len(jobs), largest)
    ]


def _minutes(job: Sequence[Standing], profile: Profile, forecast: Forecast) -> int:
    """A job's time limit: the profile's, or ten minutes and twice the forecast, in steps of 15 min times 2ⁿ.

    The steps put jobs of about the same length into one array.
    """
    if profile.hours is not None:
        return math.ceil(profile.hours * 60)
    seconds = [forecast.seconds(standing) for standing in job]
    known = [value for value in seconds if value is not None]
    if len(known) < len(seconds):
        return DEFAULT_MINUTES
    return 15 << max(0, math.ceil(math.log2((10 + 2 * sum(known) / 60) / 15)))


def submit(proposal: Proposal, profile: Profile, suite: str, results: Path) -> list[Entry]:
    """Hand the arrays to SLURM and write their jobs into the ledger, whose lock the caller holds.

    Jobs run a snapshot of this package. Raises UserError with sbatch's words when it refuses; arrays that it
    took before stay queued and written down.
    """
    planned, forecast = proposal.arrays, proposal.forecast
    if not planned:
        return []
    for standing in (s for array in planned for job in array.jobs for s in job):
        if proposal.plan.anew and standing.state != State.MISSING:
            standing.folder.set_aside()
        elif standing.state.failure:
            standing.folder.forgive()
        standing.folder.begin(standing.run.spec)
    results = results.resolve()
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    folder = results / "jobs" / name
    folder.mkdir()
    (folder / "profile.json").write_text(profile.model_dump_json(indent=2))
    executor = _executor(folder, profile)
    entries = []
    for array in planned:
        executor.update_parameters(**parameters(array, profile, share=len(planned)))
        jobs = [_job(array, runs, profile, forecast, results) for runs in array.jobs]
        for job, runs in zip(_sent(executor, jobs), array.jobs, strict=True):
            entries.append(Entry(job, tuple(s.run.uid for s in runs), suite, user(), name))
        Ledger(results).add(entries[-len(jobs) :])
    return entries


def parameters(array: Array, profile: Profile, share: int = 1) -> dict[str, object]:
    """What sbatch is asked for an array, in submitit's names; `share` arrays divide `jobs_at_once`."""
    at_once = profile.jobs_at_once
    return profile.parameters(array.processes, array.minutes) | {
        "job_name": squeue.JOB_NAME,
        "array_parallelism": max(1, at_once // share) if at_once else len(array.jobs),
        "stderr_to_stdout": True,
        "srun_args": ["--kill-on-bad-exit=1"],
    }


def _job(array: Array, runs: Sequence[Standing], profile: Profile, forecast: Forecast, results: Path) -> Job:
    at_once = profile.runs_at_once if array.processes == 1 else 1
    return Job(
        specs=[standing.run.spec.model_dump_json() for standing in runs],
        forecasts=[forecast.seconds(standing) for standing in runs],
        results=results,
        place=Place("cuda:0" if profile.gpus else "cpu", max(1, profile.cpus // at_once), profile.switches),
        at_once=at_once,
        minutes=array.minutes,
    )


def _executor(folder: Path, profile: Profile) -> submitit.SlurmExecutor:
    """submitit's, with the profile's environment and setup, and the snapshot before all other code."""
    code = snapshot.take(folder / "code")
    # -P: the folder of the submit, which is the job's, must not come before the snapshot. Until submitit
    # listens to USR2, that signal would kill: ignored, a preemption in the first second only takes longer.
    ignore = 'trap "" USR2; exec "$0" "$@"'
    python = shlex.join(["sh", "-c", ignore, profile.python or sys.executable, "-P"])
    executor = submitit.SlurmExecutor(folder, max_num_timeout=ANY_NUMBER, python=python)
    setup = [f"export {key}={shlex.quote(str(value))}" for key, value in profile.environment.items()]
    for line in profile.setup:
        words = shlex.quote(f"the profile's setup failed: {line}")
        setup.append(f"{{ {line}\n}} || {{ echo {words} >&2; exit 1; }}")
    setup.append(f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}")
    executor.update_parameters(setup=setup)
    return executor


def _sent(executor: submitit.SlurmExecutor, jobs: Sequence[Job]) -> list[str]:
    """Submit jobs as one array, or one job alone; their ids."""
    try:
        with _clean_environment(), executor.batch():
            sent = [executor.submit(job) for job in jobs]
    except submitit.core.utils.FailedJobError as error:
        said = [line for line in str(error).splitlines() if "error:" in line]
        raise UserError(f"sbatch refused: {said[-1].partition('error: ')[2] if said else error}") from None
    return [job.job_id for job in sent]


@contextmanager
def _clean_environment() -> Iterator[None]:
    """No SLURM variable of a surrounding job reaches sbatch, but SLURM_CONF does: it names the cluster."""
    conf = {key: os.environ[key] for key in ("SLURM_CONF",) if key in os.environ}
    with clean_env(), environment_variables(**conf):
        yield
