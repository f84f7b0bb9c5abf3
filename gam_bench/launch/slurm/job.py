"""What a SLURM job does: the local queue, on what SLURM gave it, for the runs of one job.

A job needs no state of its own. Run folders hold all progress, so a job that was preempted, timed out,
requeued or moved to another node asks them what is left and goes on from the last finished epochs.
"""

import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from submitit.helpers import DelayedSubmission, TorchDistributedEnvironment

from gam_bench.hardware import gpu_names
from gam_bench.launch.forecast import passes
from gam_bench.launch.local.queue import LocalQueue
from gam_bench.launch.place import Place
from gam_bench.launch.slurm import squeue
from gam_bench.store.folder import RunFolder, State
from gam_bench.store.scan import Standing, standings
from gam_bench.suite.spec import RunSpec
from gam_bench.suite.suite import Run

_STARTED = time.monotonic()


class _Terminated(BaseException):
    """SLURM has sent SIGTERM."""


@dataclass
class Job:
    """The runs of one job. submitit stores it by name and fields, and calls it in each task on the nodes."""

    specs: list[str]
    forecasts: list[float | None]
    """Seconds of each run, as `submit` thought."""
    results: Path
    place: Place
    """What each process of a run has."""
    at_once: int
    minutes: int
    epochs: int = 0
    """Finished since the job (re)started."""

    def __call__(self) -> None:
        signal.signal(signal.SIGTERM, _terminated)
        found = self._standings()
        todo = [s for s in found if not s.state.over]
        print(f"{_node()}: {len(todo)} of {len(found)} runs to do", flush=True)
        if self.place.device != "cpu" and not gpu_names():
            raise RuntimeError(f"the profile asks for a GPU, and {_node()} shows none")
        try:
            if found[0].run.spec.processes > 1:
                self._one_together(found[0])
            else:
                self._each_alone(todo)
        except _Terminated:
            _leave()

    def checkpoint(self) -> DelayedSubmission | None:
        """Called by submitit when SLURM signals the end of the time limit, or a preemption: come again.

        The last finished epochs are on disk. Only a job that had a third of its time or more and finished no
        epoch does not come again: it never would finish one.
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the requeue sends it, and is not to be disturbed
        ran = time.monotonic() - _STARTED
        if self.epochs or ran < 20 * self.minutes:
            return DelayedSubmission(replace(self, epochs=0))
        for standing in self._standings():
            if standing.state == State.RUNNING:
                standing.folder.write_error(
                    f"failed: a job of {self.minutes} min is too short for one epoch: set the profile's hours"
                )
        return None

    def _standings(self) -> list[Standing]:
        specs = [RunSpec.model_validate_json(text) for text in self.specs]
        return standings([Run(spec, spec.uid, {}) for spec in specs], self.results)

    def _each_alone(self, todo: list[Standing]) -> None:
        """Runs of one process: each in a worker's, so that one that dies takes no other along."""
        states = LocalQueue(self.results, [self.place] * self.at_once, _Log(self)).run(
            todo,
            lambda s: passes(s.run.spec),
            forecasts=dict(zip((s.run.uid for s in self._standings()), self.forecasts, strict=True)),
        )
        died = [uid for uid, state in states.items() if state == State.STALE]
        if died:
            time.sleep(2)  # of a signal to the whole job the workers die first: ours would end this here
        for uid in died:  # else it would be queued to die again
            error = "failed: its process was killed; out of memory, if nobody did it by hand"
            RunFolder.of(self.results, uid).write_error(error)
            print(f"{uid}: {error}", flush=True)

    def _one_together(self, standing: Standing) -> None:
        """The job's only run, of which each task of the job is a process.

        When a node is lost, the other processes fail before SLURM requeues the job: it tries again then.
        """
        import torch

        from gam_bench.train.group import joined
        from gam_bench.train.run import train

        retry = int(os.environ.get("SLURM_RESTART_COUNT", "0")) > 0
        if standing.state == State.DONE or (standing.state.failure and not retry):
            return
        torch.set_num_threads(self.place.threads)
        TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        uid, log = standing.run.uid, _Log(self)
        log.started(standing)
        with joined(self.place.device) as (group, device):
            outcome = train(
                standing.run.spec,
                self.results,
                device=str(device),
                retry=retry,
                on_epoch=lambda metrics: log.epoch(uid, metrics),
                group=group,
                switches=self.place.switches,
                forecast_seconds=self.forecasts[0],
            )
        log.ended(uid, outcome.state, outcome.message)
        if outcome.state.failure:
            sys.exit(1)  # srun ends the other tasks then


class _Log:
    """The job's output: a line for each thing that happens to a run."""

    def __init__(self, job: Job):
        self._job = job

    def started(self, standing: Standing) -> None:
        print(f"{standing.run.uid}: starts after epoch {standing.epoch}", flush=True)

    def epoch(self, uid: str, metrics: dict[str, Any]) -> None:
        self._job.epochs += 1
        figures = f"loss {metrics['train_loss']:.4f}, test accuracy {metrics['test_accuracy']:.4f}"
        print(f"{uid}: epoch {metrics['epoch']}, {figures}", flush=True)

    def ended(self, uid: str, state: State, message: str) -> None:
        print(f"{uid}: {state}{f', {message}' if message else ''}", flush=True)
        if state.failure:
            print(RunFolder.of(self._job.results, uid).error(), flush=True)


def _node() -> str:
    return os.environ.get("SLURMD_NODENAME", socket.gethostname())


def _terminated(*_: object) -> None:
    raise _Terminated


def _leave() -> None:
    """After SIGTERM. SLURM does the rest for a job that it has cancelled or requeued.

    One that is still running was preempted, with a time of grace: it goes back to the queue at once, through
    submitit's handler, rather than when the grace is over.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.environ.get("SLURM_PROCID", "0") != "0":
        signal.pause()  # the first task speaks for all, and a task that ends makes it fail
    try:
        state = squeue.state_of(os.environ["SLURM_JOB_ID"])
    except squeue.QueueUnknown as unknown:
        state = str(unknown)
    print(f"stopped by SLURM ({state}); every finished epoch is kept", flush=True)
    if state == "RUNNING":
        signal.raise_signal(signal.SIGUSR2)
