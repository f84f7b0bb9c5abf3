"""What a run adds up over its epochs and resumptions, against a clock that the test turns."""

import pytest
import torch

from gam_bench.store.folder import RunFolder, State
from gam_bench.suite.spec import RunSpec
from gam_bench.train import run
from gam_bench.train.checkpoint import Totals
from gam_bench.train.clock import peak_memory, reset_peak_memory, synchronised


def epoch(number, **seconds):
    times = {"train_seconds": 0.0, "process_seconds": 0.0, "data_seconds": 0.0, "eval_seconds": 0.0}
    return {"epoch": number, "passes": 4} | times | seconds


def test_an_epoch_that_warms_up_is_cost_and_no_measure_of_speed():
    totals = Totals()
    totals.add(epoch(1, train_seconds=10.0, data_seconds=3.0, eval_seconds=2.0), 1000, False, 5)
    assert (totals.timed_images, totals.timed_seconds) == (0, 0.0)
    totals.add(epoch(2, train_seconds=4.0, data_seconds=1.0, eval_seconds=0.5), 1000, True, 9)
    totals.add(epoch(3, train_seconds=6.0), 1000, True, None)
    assert (totals.timed_images, totals.timed_seconds) == (2000, 10.0)
    assert (totals.train_seconds, totals.data_seconds, totals.eval_seconds) == (20.0, 4.0, 2.5)
    assert (totals.epoch, totals.passes, totals.peak_memory_bytes) == (3, 12, 9)


class Clock:
    """`time.perf_counter`, standing still until told."""

    now = 100.0

    def __call__(self):
        return self.now


def test_a_resumed_run_has_taken_the_time_of_all_its_attempts(tmp_path, tiny, monkeypatch):
    """Two attempts of 2 epochs, of 30 s and 10 s: 80 s, though the clock also ran between them. The first of
    each attempt warms up, so two of the four are timed."""
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)
    trained = run.Trainer.train_epoch

    def train_epoch(trainer, number):
        found = trained(trainer, number)
        seconds = 30.0 if number in (1, 3) else 10.0
        clock.now += seconds
        return found | {"train_seconds": seconds}

    monkeypatch.setattr(run.Trainer, "train_epoch", train_epoch)
    spec = RunSpec.resolve(tiny | {"epochs": 4})

    def stop(metrics):
        if metrics["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.train(spec, tmp_path, on_epoch=stop)
    clock.now += 1000.0
    torch.set_num_threads(1)
    assert run.train(spec, tmp_path).state == State.DONE
    found = RunFolder.of(tmp_path, spec.uid).result()
    assert found["total_seconds"] == 80.0
    assert found["train_seconds"] == 80.0
    assert found["images_per_second"] == 2 * 1000 / 20.0


def test_a_gpus_time_is_read_once_it_has_finished_and_its_memory_is_its_own(monkeypatch):
    gpu, asked = torch.device("cuda"), []
    monkeypatch.setattr("time.perf_counter", lambda: len(asked))
    monkeypatch.setattr(torch.cuda, "synchronize", asked.append)
    assert synchronised(gpu) == 1  # read after the call
    assert synchronised(torch.device("cpu")) == 1  # which a CPU does without
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", asked.append)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", {gpu: 123}.__getitem__)
    reset_peak_memory(gpu)
    assert asked == [gpu, gpu]
    assert peak_memory(gpu) == 123
