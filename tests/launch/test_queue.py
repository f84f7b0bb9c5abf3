"""The local queue on real runs: order, failures, deaths, and what Ctrl-C or kill -9 leave."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gam_bench.errors import UserError
from gam_bench.launch.local.queue import LocalQueue
from gam_bench.launch.place import Place
from gam_bench.store.folder import RunFolder, State
from gam_bench.store.scan import standings
from gam_bench.suite.spec import RunSpec
from gam_bench.suite.suite import Run
from gam_bench.train.switches import Switches


class Log:
    """A watcher that remembers."""

    def __init__(self, on_epoch=None):
        self.begun, self.over, self.epochs = [], {}, []
        self._on_epoch = on_epoch

    def started(self, standing):
        self.begun.append(standing.run.uid)

    def epoch(self, uid, metrics):
        self.epochs.append((uid, metrics["epoch"]))
        if self._on_epoch:
            self._on_epoch(uid, metrics)

    def ended(self, uid, state, message):
        self.over[uid] = (state, message)


def runs_of(tiny, *changes):
    specs = [RunSpec.resolve(tiny | change) for change in changes]
    return [Run(spec, spec.uid, {}) for spec in specs]


def launch(tmp_path, runs, log, workers=1, **options):
    todo = standings(runs, tmp_path)
    for standing in todo:
        standing.folder.begin(standing.run.spec)
    queue = LocalQueue(tmp_path, [Place("cpu", 1)] * workers, log)
    return queue.run(todo, lambda standing: standing.run.spec.epochs, **options)


@pytest.fixture(scope="module")
def figures():
    """What two equal runs must agree on, bit for bit."""
    return (
        "test_accuracy",
        "test_loss",
        "train_loss",
        "lambda_max",
        "hessian_trace",
        "forward_backward_passes",
    )


def test_longest_first_and_all_done_though_one_fails(tmp_path, tiny):
    runs = runs_of(tiny, {"epochs": 1}, {"epochs": 3}, {"epochs": 2})
    broken = RunFolder.of(tmp_path, runs[2].uid)
    broken.begin(runs[2].spec)
    (broken.path / "environment.json").mkdir()  # the run cannot write it and fails, the others go on
    log = Log()
    states = launch(tmp_path, runs, log)
    assert log.begun == [runs[1].uid, runs[2].uid, runs[0].uid]
    assert states == {runs[0].uid: State.DONE, runs[1].uid: State.DONE, runs[2].uid: State.FAILED}
    assert "IsADirectoryError" in log.over[runs[2].uid][1]
    assert "Traceback" in broken.error()


def test_a_worker_that_is_killed_is_replaced_and_its_run_goes_on_to_equal_figures(tmp_path, tiny, figures):
    runs = runs_of(tiny, {"epochs": 6, "batch_size": 50}, {"epochs": 1})

    def kill(uid, metrics):
        if uid == runs[0].uid and metrics["epoch"] == 3:
            holder = json.loads((RunFolder.of(tmp_path, uid).path / "claim-1").read_text())
            os.kill(holder["pid"], signal.SIGKILL)

    log = Log(kill)
    states = launch(tmp_path, runs, log)
    assert states == {runs[0].uid: State.STALE, runs[1].uid: State.DONE}
    assert "SIGKILL" in log.over[runs[0].uid][1]
    assert launch(tmp_path, runs[:1], again := Log()) == {runs[0].uid: State.DONE}
    assert again.epochs[0][1] > 3
    calm = tmp_path / "calm"
    launch(calm, runs[:1], Log())
    resumed, whole = (RunFolder.of(p, runs[0].uid).result() for p in (tmp_path, calm))
    assert {key: resumed[key] for key in figures} == {key: whole[key] for key in figures}
    assert resumed["attempts"] == 2
    assert [line["epoch"] for line in RunFolder.of(tmp_path, runs[0].uid).metrics()] == [1, 2, 3, 4, 5, 6]


SUITE = """
title: Interruption
seeds: [0, 1]
runs: [{dataset: digits, model: cnn20k, optimizer: [sgd, sam]}]
settings:
  - {set: {epochs: 8, batch_size: 25, lr: 0.05}, source: assumed}
"""


def command(tmp_path, *arguments):
    return [sys.executable, "-m", "gam_bench", *arguments, "--results", str(tmp_path / "results")]


def begun(process: subprocess.Popen, results: Path, epochs: int = 1) -> None:
    """Wait until some run has finished an epoch."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        if any(path.read_text().count("\n") >= epochs for path in results.glob("runs/*/metrics.jsonl")):
            return
        time.sleep(0.05)
    raise AssertionError("no run finished an epoch")


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """The results of the suite when nothing disturbs it."""
    path = tmp_path_factory.mktemp("calm")
    (path / "interruption.yaml").write_text(SUITE)
    run = command(path, "run", str(path / "interruption.yaml"), "--workers", "2", "--device", "cpu")
    assert subprocess.run(run, capture_output=True, timeout=180).returncode == 0
    return path / "results"


def interruptible() -> None:
    """In the child: Ctrl-C works, even where a shell has sent the tests to the background, deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def in_the_background() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize(
    ("with_signal", "started"),
    [
        (signal.SIGINT, interruptible),
        (signal.SIGTERM, interruptible),
        (signal.SIGTERM, in_the_background),
        (signal.SIGKILL, interruptible),
    ],
    ids=["ctrl-c", "terminated", "terminated in the background", "killed"],
)
def test_an_interrupted_command_goes_on_where_it_stopped(tmp_path, with_signal, started, figures, calm):
    suite = tmp_path / "interruption.yaml"
    suite.write_text(SUITE)
    results = tmp_path / "results"
    run = command(tmp_path, "run", str(suite), "--workers", "2", "--device", "cpu")
    first = subprocess.Popen(
        run, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=started
    )
    begun(first, results)
    first.send_signal(with_signal)
    told = first.communicate(timeout=60)[1]
    if with_signal != signal.SIGKILL:
        assert first.returncode == 130
        assert "To go on: gam-bench run" in told
        assert "Traceback" not in told
    time.sleep(1)  # less than a new command takes to begin: workers end with their parent
    assert {s.state for s in _standings(suite, results)} <= {State.STALE, State.MISSING, State.DONE}
    assert subprocess.run(run, capture_output=True, timeout=180).returncode == 0
    for standing in _standings(suite, results):
        other = RunFolder.of(calm, standing.run.uid).result()
        assert {k: standing.result[k] for k in figures} == {k: other[k] for k in figures}


def test_in_the_background_ctrl_c_is_for_others(tmp_path, calm):
    """A shell's Ctrl-C reaches all that it has started; what was sent to the background goes on."""
    suite = tmp_path / "interruption.yaml"
    suite.write_text(SUITE)
    run = command(tmp_path, "run", str(suite), "--workers", "2", "--device", "cpu", "--only", "optimizer=sgd")
    process = subprocess.Popen(run, stderr=subprocess.DEVNULL, preexec_fn=in_the_background)
    begun(process, tmp_path / "results")
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=180) == 0


def test_a_places_switches_reach_its_runs_data_parallel_ones_too(tmp_path, tiny):
    """Asked for a CUDA graph on a CPU, each refuses, with all that stands in the way."""
    one, two = runs_of(tiny, {}, {"processes": 2})
    todo = standings([one, two], tmp_path)
    place = Place("cpu", 1, Switches(cuda_graph=True))
    LocalQueue(tmp_path, [place], log := Log()).run(todo, lambda _: 1.0)
    assert {state for state, _ in log.over.values()} == {State.FAILED}
    assert log.over[one.uid][1].endswith(f"cannot capture the step of {one.uid}: the device is no GPU")
    assert log.over[two.uid][1].endswith("the device is no GPU, it has several processes")


def test_workers_that_cannot_start_are_one_clear_line_and_leave_the_runs_as_they_were(tmp_path, tiny, capfd):
    runs = runs_of(tiny, {}, {"seed": 1}, {"seed": 2})
    todo = standings(runs, tmp_path)
    queue = LocalQueue(tmp_path, [Place("cpu", -1)] * 2, log := Log())  # torch takes no -1 threads
    with pytest.raises(UserError, match=r"^workers cannot start \(exit code 1\)") as error:
        queue.run(todo, lambda _: 1.0)
    assert "\n" not in str(error.value)
    assert "set_num_threads" in capfd.readouterr().err
    assert (log.begun, log.over) == ([], {})
    assert {s.state for s in standings(runs, tmp_path)} == {State.MISSING}


def _standings(suite: Path, results: Path):
    from gam_bench.suite.suite import load

    return standings(load(str(suite)).runs, results)


def test_two_launchers_share_a_suite(tmp_path):
    suite = tmp_path / "shared.yaml"
    suite.write_text(SUITE)
    run = command(tmp_path, "run", str(suite), "--workers", "2", "--device", "cpu")
    both = [subprocess.Popen(run, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        process.communicate(timeout=180)
    for standing in _standings(suite, tmp_path / "results"):
        assert standing.state == State.DONE
        assert standing.result["attempts"] == 1
        assert [line["epoch"] for line in standing.folder.metrics()] == list(range(1, 9))
