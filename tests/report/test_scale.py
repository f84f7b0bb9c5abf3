"""Ten thousand runs stay a matter of seconds, and of little memory."""

import time
import tracemalloc

from made_runs import record

from gam_bench.report.render import render
from gam_bench.report.table import build
from gam_bench.results.frame import frame

OPTIMIZERS = ("sgd", "sam", "gam", "exact-gam", "sam+gam")


def many(tasks: int, seeds: int):
    for task in range(tasks):
        for optimizer in OPTIMIZERS:
            for seed in range(seeds):
                yield record(
                    optimizer, seed, 0.5 + (task * 7 + seed * len(optimizer) * 5) % 11 / 100, model=f"m{task}"
                )


def test_ten_thousand_runs_in_seconds_of_computing():
    began = time.process_time()
    text = render(build(frame(many(tasks=200, seeds=10))), "terminal")
    assert time.process_time() - began < 15  # about 3 s on one core
    assert "10000 of 10000 runs done" in text


def test_records_are_not_kept():
    tracemalloc.start()
    made = frame(many(tasks=20, seeds=20))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(made) == 2000
    assert peak / len(made) < 5000  # bytes a run: values alone, no dictionaries
