"""Data-parallel runs: real processes, against one process with the whole batch."""

import json
import subprocess
import sys

import pytest

from gam_bench.launch.local.queue import LocalQueue
from gam_bench.launch.place import Place
from gam_bench.store.folder import RunFolder, State
from gam_bench.store.scan import standings
from gam_bench.suite.spec import RunSpec
from gam_bench.suite.suite import Run


class Silent:
    def started(self, *_): ...
    def epoch(self, *_): ...
    def ended(self, uid, state, message):
        assert state == State.DONE, message


def results_of(tmp_path, settings):
    spec = RunSpec.resolve(settings)
    run = Run(spec, spec.uid, {})
    todo = standings([run], tmp_path)
    queue = LocalQueue(tmp_path, [Place("cpu", 1)], Silent())
    queue.run(todo, lambda _: 1.0, forecasts={run.uid: 7.0})
    return RunFolder.of(tmp_path, run.uid).result()


def test_two_processes_agree_with_one(tmp_path, tiny):
    """With global perturbation and a model without batch statistics, the split of the batch changes nothing.

    Batches of 300 leave a last one of 100; the 797 test images do not divide by two: counted once each.
    """
    settings = tiny | {"model": "mlp", "optimizer": "gam", "batch_size": 300, "perturbation": "global"}
    one = results_of(tmp_path, settings)
    two = results_of(tmp_path, settings | {"processes": 2})
    for figure in ("test_loss", "train_loss", "lambda_max"):
        assert two[figure] == pytest.approx(one[figure], rel=1e-3)
    assert two["test_accuracy"] * 797 == pytest.approx(round(two["test_accuracy"] * 797))
    assert two["test_accuracy"] == pytest.approx(one["test_accuracy"], abs=2.5 / 797)
    assert two["forecast_seconds"] == one["forecast_seconds"] == 7.0
    assert two["forward_backward_passes"] == one["forward_backward_passes"]
    assert two["steps"] == one["steps"] == 8


EQUALISE = """
import os

import torch
from gam_bench.train.group import joined
with joined("cpu") as (group, device):
    norm = torch.nn.BatchNorm1d(3)
    norm.running_mean.fill_(group.rank + 1)
    norm.running_var.fill_(group.rank + 5)
    norm.num_batches_tracked.fill_(group.rank + 7)
    norm.weight.data.fill_(group.rank + 9)
    group.equalise_statistics(norm)
    told = " ".join(str(float(value.flatten()[0])) for value in norm.state_dict().values())
    os.write(1, f"{told}\\n".encode())  # in one piece, whatever the other process writes
"""


def test_all_processes_evaluate_with_the_first_ones_statistics(tmp_path):
    """Weights are equal already, and are left alone."""
    (tmp_path / "script.py").write_text(EQUALISE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*command, str(tmp_path / "script.py")], capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    first, second = sorted(done.stdout.splitlines())
    assert first == "10.0 0.0 1.0 5.0 7.0"
    assert second == "9.0 0.0 1.0 5.0 7.0"


def test_a_failure_in_a_data_parallel_run_is_recorded(tmp_path, tiny):
    spec = RunSpec.resolve(tiny | {"processes": 2})
    run = Run(spec, spec.uid, {})
    folder = RunFolder.of(tmp_path, run.uid)
    folder.begin(spec)
    (folder.path / "environment.json").mkdir()
    told = []

    class Listening(Silent):
        def ended(self, uid, state, message):
            told.append((state, message))

    LocalQueue(tmp_path, [Place("cpu", 1)], Listening()).run(standings([run], tmp_path), lambda _: 1.0)
    assert told[0][0] == State.FAILED
    assert "IsADirectoryError" in folder.error()


def test_a_suite_runs_under_the_users_torchrun(tmp_path):
    """Every process plans the same runs and trains them together; one table comes out."""
    suite = "title: T\nseeds: [0]\nruns: [{dataset: digits, model: mlp, optimizer: [sgd, sam]}]\n"
    suite += "settings: [{set: {epochs: 1, batch_size: 250, lr: 0.05}, source: assumed}]\n"
    (tmp_path / "t.yaml").write_text(suite)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "gam_bench", "run", "t.yaml", "--processes", "2", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("test accuracy (%)") >= 1
    results = [json.loads(path.read_text()) for path in tmp_path.glob("results/runs/*/result.json")]
    assert len(results) == 2
    assert all(result["attempts"] == 1 for result in results)
