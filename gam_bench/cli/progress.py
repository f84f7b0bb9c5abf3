"""How a queue is watched: live bars in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from gam_bench.launch.forecast import passes
from gam_bench.store.folder import State
from gam_bench.store.scan import Standing


class LiveProgress:
    """An overall bar, and a line for each run that is being computed: epoch, accuracy, time left."""

    def __init__(self, todo: Sequence[Standing]):
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=Console(stderr=True),
            speed_estimate_period=60,
        )
        self._costs = {s.run.uid: passes(s.run.spec) * (1 - s.epoch / s.run.spec.epochs) for s in todo}
        self._all = self._progress.add_task("[bold]all runs", total=sum(self._costs.values()), note="")
        self._lines: dict[str, TaskID] = {}
        self._per_epoch = {s.run.uid: passes(s.run.spec) / s.run.spec.epochs for s in todo}
        self._ended = 0

    def __enter__(self) -> "LiveProgress":
        self._progress.start()
        self._note()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for line in self._lines.values():
            self._progress.remove_task(line)
        self._progress.stop()

    def started(self, standing: Standing) -> None:
        uid, epochs = standing.run.uid, standing.run.spec.epochs
        note = f"epoch {standing.epoch}/{epochs}"
        self._lines[uid] = self._progress.add_task(uid, total=epochs, completed=standing.epoch, note=note)

    def epoch(self, uid: str, metrics: dict[str, Any]) -> None:
        line = self._lines[uid]
        total = next(task.total for task in self._progress.tasks if task.id == line)
        note = f"epoch {metrics['epoch']}/{total:g}  acc {metrics['test_accuracy']:.4f}{skipped(metrics)}"
        self._progress.update(line, completed=metrics["epoch"], note=note)
        self._progress.advance(self._all, self._per_epoch[uid])
        self._costs[uid] -= self._per_epoch[uid]

    def ended(self, uid: str, state: State, message: str) -> None:
        self._ended += 1
        self._progress.advance(self._all, self._costs.pop(uid))
        if uid in self._lines:
            self._progress.remove_task(self._lines.pop(uid))
        if state != State.DONE:
            self._progress.console.print(f"{uid}: {message or state}", style="red", markup=False)
        self._note()

    def _note(self) -> None:
        total = self._ended + len(self._costs)
        self._progress.update(self._all, note=f"{self._ended}/{total} runs")


class PlainProgress:
    """A line when a run ends, and one every ten seconds or so in between, on standard error."""

    EVERY = 10.0

    def __init__(self, todo: Sequence[Standing]):
        self._total = len(todo)
        self._ended = 0
        self._last = time.monotonic()

    def __enter__(self) -> "PlainProgress":
        return self

    def __exit__(self, *_: object) -> None:
        return

    def started(self, standing: Standing) -> None:
        if standing.epoch:
            self._say(f"{standing.run.uid}: goes on after epoch {standing.epoch}")

    def epoch(self, uid: str, metrics: dict[str, Any]) -> None:
        if time.monotonic() - self._last > self.EVERY:
            accuracy = f"test accuracy {metrics['test_accuracy']:.4f}{skipped(metrics)}"
            self._say(f"{uid}: epoch {metrics['epoch']}, {accuracy}")

    def ended(self, uid: str, state: State, message: str) -> None:
        self._ended += 1
        self._say(f"[{self._ended}/{self._total}] {uid}: {message or state}")

    def _say(self, text: str) -> None:
        self._last = time.monotonic()
        print(text, file=sys.stderr, flush=True)


def progress(todo: Sequence[Standing]) -> LiveProgress | PlainProgress:
    """Bars where a person looks at a terminal, lines where the output goes to a file."""
    return LiveProgress(todo) if Console(stderr=True).is_terminal else PlainProgress(todo)


def skipped(metrics: dict[str, Any]) -> str:
    """ ", 2 steps skipped" where gradients of an epoch were not finite."""
    count = metrics.get("skipped_steps", 0)
    return f", {count} step{'s' * (count != 1)} skipped" if count else ""
