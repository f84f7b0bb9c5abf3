"""The local queue: a few persistent workers, so that imports are paid once a worker and not once a run."""

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from gam_bench.errors import UserError
from gam_bench.launch.local.messages import Ended, Epoch, Order, Ready
from gam_bench.launch.local.worker import work
from gam_bench.launch.place import Place
from gam_bench.launch.plan import order
from gam_bench.store.folder import State
from gam_bench.store.scan import Standing


class Watcher(Protocol):
    """Whoever is told how the queue goes on."""

    def started(self, standing: Standing) -> None: ...

    def epoch(self, uid: str, metrics: dict[str, Any]) -> None: ...

    def ended(self, uid: str, state: State, message: str) -> None: ...


@dataclass
class _Worker:
    process: BaseProcess
    connection: Connection
    place: Place
    standing: Standing | None = None


class LocalQueue:
    """Runs on this machine, in the plan's order, one a worker; a run that fails or dies stops no other."""

    def __init__(self, results: Path, places: Sequence[Place], watcher: Watcher):
        self._results = results
        self._places = places
        self._watcher = watcher
        self._workers: list[_Worker] = []
        self._forecasts: Mapping[str, float | None] = {}

    def run(
        self,
        todo: Sequence[Standing],
        cost: Callable[[Standing], float],
        *,
        forecasts: Mapping[str, float | None] | None = None,
        retry: bool = False,
    ) -> dict[str, State]:
        """Launch all of `todo` and wait; the state of each by uid. Ctrl-C stops the workers and is raised.

        Raises UserError when no worker can start.
        `forecasts`, in seconds by uid, stand in the results beside what the runs took.
        """
        self._forecasts = forecasts or {}
        waiting = deque(order(todo, cost))
        ended: dict[str, State] = {}
        try:
            for place in self._places[: len(waiting)]:
                self._workers.append(self._start(place))
            while len(ended) < len(todo):
                ready = wait([s for w in self._workers for s in (w.connection, w.process.sentinel)])
                for worker in list(self._workers):
                    if worker.connection in ready or worker.process.sentinel in ready:
                        self._listen(worker, waiting, ended, retry)
        finally:
            self._stop()
        return ended

    def _start(self, place: Place) -> _Worker:
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=work, args=(there, self._results, place), daemon=False)
        process.start()
        there.close()
        return _Worker(process, here, place)

    def _listen(
        self, worker: _Worker, waiting: deque[Standing], ended: dict[str, State], retry: bool
    ) -> None:
        try:
            message: Ready | Epoch | Ended = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            self._bury(worker, waiting, ended)
            return
        if isinstance(message, Epoch):
            self._watcher.epoch(message.uid, message.metrics)
            return
        if isinstance(message, Ended):
            ended[message.uid] = message.state
            worker.standing = None
            self._watcher.ended(message.uid, message.state, message.message)
        if not waiting:
            with suppress(OSError):  # it may have died already
                worker.connection.send(None)
            return
        worker.standing = waiting.popleft()
        self._watcher.started(worker.standing)
        run = worker.standing.run
        try:
            worker.connection.send(Order(run.spec, retry, self._forecasts.get(run.uid)))
        except OSError:  # it died between its last word and this one
            self._bury(worker, waiting, ended)

    def _bury(self, worker: _Worker, waiting: deque[Standing], ended: dict[str, State]) -> None:
        """A worker is gone: its run is reported and left resumable, and another worker takes its place."""
        worker.process.join(timeout=10)
        self._workers.remove(worker)
        if worker.standing is not None:
            uid = worker.standing.run.uid
            ended[uid] = State.STALE
            cause = _cause(worker.process.exitcode)
            self._watcher.ended(uid, State.STALE, f"stopped: its worker died ({cause})")
        elif waiting and not self._workers:
            cause = _cause(worker.process.exitcode)
            raise UserError(f"workers cannot start ({cause}): what stopped them stands above")
        if waiting and worker.standing is not None:
            self._workers.append(self._start(worker.place))

    def _stop(self) -> None:
        for worker in self._workers:
            worker.connection.close()
            if worker.standing is not None:
                worker.process.terminate()
        deadline = time.monotonic() + 10
        for worker in self._workers:
            worker.process.join(timeout=max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
        self._workers.clear()


def _cause(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}, {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"
