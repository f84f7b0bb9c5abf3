"""How the runs of a suite stand, joined from their folders and the queue."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from gam_bench.launch.slurm.ledger import Entry, last_of_each_run
from gam_bench.launch.slurm.squeue import Job
from gam_bench.store.folder import State
from gam_bench.store.scan import Standing

QUEUED = "queued"
ORDER = (State.RUNNING, State.FAILED, State.DIVERGED, State.STALE, QUEUED, State.MISSING, State.DONE)


@dataclass(frozen=True)
class Row:
    """A run. `state` is one of ORDER: that of its folder, or `queued` when a job holds a run nobody is at.

    `job` is the last one that held the run. `note`: why it waits, how its job ended, or its error.
    """

    uid: str
    state: str
    epoch: int
    epochs: int
    accuracy: float | None
    job: str | None
    node: str | None
    seconds_left: int | None
    note: str


def left_runs(standings: Iterable[Standing], entries: Iterable[Entry], jobs: Container[str]) -> set[str]:
    """The jobs that are gone and left runs open; how they ended, only accounting can say."""
    last = last_of_each_run(entries)
    gone = {last[s.run.uid].job for s in standings if s.state.open and s.run.uid in last}
    return {job for job in gone if job not in jobs}


def rows(
    standings: Sequence[Standing],
    entries: Iterable[Entry],
    jobs: Mapping[str, Job],
    ended: Mapping[str, str],
) -> list[Row]:
    """A row a run, busiest state first, from what squeue said of live `jobs` and sacct of `ended` ones."""
    last = {uid: entry.job for uid, entry in last_of_each_run(entries).items()}
    found = []
    for standing in standings:
        job = last.get(standing.run.uid)
        found.append(_row(standing, job, jobs.get(job or ""), ended.get(job or "", "")))
    return sorted(found, key=lambda row: ORDER.index(row.state))


def _row(standing: Standing, job_id: str | None, job: Job | None, end: str) -> Row:
    state: str = standing.state
    node = seconds_left = None
    note = ""
    if failure := standing.folder.failure() if standing.state.failure else None:
        note = failure.line.partition(": ")[2]
    elif standing.state == State.RUNNING and job is not None:
        node, seconds_left = job.node, job.seconds_left
    elif standing.state.open and job is not None:
        state, note = QUEUED, "waits its turn in its job" if job.running else job.reason
    elif standing.state.open and job_id is not None:
        note = f"its job ended: {end.lower().replace('_', ' ')}" if end else "its job has ended"
    metrics = standing.folder.metrics() if standing.epoch and not standing.result else []
    accuracy = standing.result["test_accuracy"] if standing.result else None
    return Row(
        uid=standing.run.uid,
        state=state,
        epoch=standing.epoch,
        epochs=standing.run.spec.epochs,
        accuracy=metrics[-1]["test_accuracy"] if metrics else accuracy,
        job=job_id,
        node=node,
        seconds_left=seconds_left,
        note=note,
    )


def exit_code(found: Sequence[Row]) -> int:
    """0: all done; 1: some failed or diverged; 3: some queued or running; 4: the rest must be submitted."""
    states = {row.state for row in found}
    known = {State(state) for state in states - {QUEUED}}
    if any(state.failure for state in known):
        return 1
    if QUEUED in states or State.RUNNING in known:
        return 3
    return 4 if any(state.open for state in known) else 0
