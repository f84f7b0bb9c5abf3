"""Many short runs: the worker pool over pure training time, and against a process for each run."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from gam_bench.bench.measure import Ratio, ratio
from gam_bench.hardware import cores
from gam_bench.launch.local.queue import LocalQueue
from gam_bench.launch.place import Place
from gam_bench.store.folder import State
from gam_bench.store.scan import Standing, standings
from gam_bench.suite.spec import RunSpec
from gam_bench.suite.suite import Run

RUNS = 32
PROCESSES = 4
"""Runs of the slow way, which is timed a run and scaled to the others' number."""


def ratios(rounds: int = 3) -> list[Ratio]:
    """A suite of 32 runs of about a second each, one worker a core, in three ways.

    The floor is the runs' own training, evaluation and flatness time, divided by the number of workers.
    """
    pool: list[float] = []
    warm: list[float] = []
    floor: list[float] = []
    alone: list[float] = []
    for turn in range(rounds):
        with TemporaryDirectory() as folder:
            results, clock = Path(folder), _Clock()
            todo = _standings(results, [turn * RUNS + number for number in range(RUNS)])
            start = time.perf_counter()
            states = LocalQueue(results, [Place("cpu", 1)] * cores(), clock).run(todo, lambda _: 1.0)
            pool.append(time.perf_counter() - start)
            warm.append(clock.last - clock.first)
            if set(states.values()) != {State.DONE}:
                raise RuntimeError(f"not all runs of the benchmark ended well: {states}")
            floor.append(sum(_pure_seconds(standing) for standing in todo) / cores())
            alone.append(_a_process_each(results) * RUNS / PROCESSES)
    return [
        ratio(f"{RUNS} runs, worker pool", "pure training", pool, floor),
        ratio(f"{RUNS} runs, worker pool once it is up", "pure training", warm, floor),
        ratio(f"{RUNS} runs, a process each", "pure training", alone, floor),
        ratio(f"{RUNS} runs, a process each", "worker pool", alone, pool),
    ]


class _Clock:
    """When the first run began and the last one ended."""

    first = last = 0.0

    def started(self, standing: Standing) -> None:
        self.first = self.first or time.perf_counter()

    def epoch(self, uid: str, metrics: dict[str, object]) -> None:
        return

    def ended(self, uid: str, state: State, message: str) -> None:
        self.last = time.perf_counter()


def _standings(results: Path, seeds: Sequence[int]) -> list[Standing]:
    runs = []
    for seed in seeds:
        settings = {"dataset": "digits", "model": "cnn20k", "optimizer": "sgd", "lr": 0.05, "epochs": 6}
        spec = RunSpec.resolve(settings | {"batch_size": 64, "seed": seed})
        runs.append(Run(spec, spec.uid, {}))
    found = standings(runs, results)
    for standing in found:
        standing.folder.begin(standing.run.spec)
    return found


def _pure_seconds(standing: Standing) -> float:
    result = standing.folder.result()
    assert result is not None
    return result["train_seconds"] + result["eval_seconds"] + result["flatness_seconds"]


def _a_process_each(results: Path) -> float:
    """Seconds for a few runs, each in a new interpreter, as many at once as there are cores."""
    todo = _standings(results, range(1_000_000, 1_000_000 + PROCESSES))
    start = time.perf_counter()
    waiting = list(todo)
    running: list[subprocess.Popen[bytes]] = []
    while waiting or running:
        while waiting and len(running) < cores():
            spec = waiting.pop().run.spec.model_dump_json()
            command = [sys.executable, "-m", "gam_bench.train.process", spec, str(results), "cpu", "{}"]
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment))
        running.pop(0).wait()
    return time.perf_counter() - start
