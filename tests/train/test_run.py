"""One run: what it records, that it repeats bit for bit, and how it fails."""

import json
import subprocess
import sys

import pytest
import torch

from gam_bench.errors import UserError
from gam_bench.store.folder import RunFolder, State
from gam_bench.suite.spec import RunSpec
from gam_bench.train import checkpoint, run
from gam_bench.train.group import Group
from gam_bench.train.precision import set_precision
from gam_bench.train.run import train
from gam_bench.train.switches import Switches

SAME = ("test_accuracy", "test_loss", "train_loss", "lambda_max", "hessian_trace", "forward_backward_passes")


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def result(tmp_path, settings, name="results", **options):
    spec = RunSpec.resolve(settings)
    outcome = train(spec, tmp_path / name, **options)
    assert outcome.state == State.DONE, outcome.message
    return RunFolder.of(tmp_path / name, spec.uid).result()


def test_the_same_run_twice_is_equal_bit_for_bit(tmp_path, tiny):
    settings = tiny | {"optimizer": "gam", "label_noise": 0.4, "augmentation": "basic"}
    one, two = (result(tmp_path, settings, name) for name in ("one", "two"))
    assert {key: one[key] for key in SAME} == {key: two[key] for key in SAME}
    assert one["lambda_max"] != result(tmp_path, settings | {"seed": 1})["lambda_max"]


@pytest.mark.parametrize(("optimizer", "each"), [("sgd", 1), ("sam", 2), ("gam", 4), ("exact-gam", 6)])
def test_gradient_evaluations_are_counted(tmp_path, tiny, optimizer, each):
    found = result(tmp_path, tiny | {"optimizer": optimizer, "epochs": 1})
    assert found["steps"] == 4
    assert found["forward_backward_passes"] == 4 * each


def test_optimizers_of_one_seed_share_weights_and_order(tmp_path, tiny):
    """SAM with ρ = 0 is its base optimizer: nothing but the optimizer differs between their runs."""
    sgd = result(tmp_path, tiny)
    sam = result(tmp_path, tiny | {"optimizer": "sam", "rho": 0.0})
    assert sam["test_loss"] == pytest.approx(sgd["test_loss"], rel=1e-4)


def test_best_epochs_are_kept_apart_and_named_by_what_picked_them(tmp_path, tiny):
    found = result(tmp_path, tiny | {"epochs": 6, "validation": 0.2, "lr": 0.2})
    spec = RunSpec.resolve(tiny | {"epochs": 6, "validation": 0.2, "lr": 0.2})
    lines = RunFolder.of(tmp_path / "results", spec.uid).metrics()
    assert found["test_accuracy"] == lines[-1]["test_accuracy"]
    assert found["best_test_accuracy"] == max(line["test_accuracy"] for line in lines)
    picked = lines[found["best_validation_epoch"] - 1]
    assert picked["validation_accuracy"] == max(line["validation_accuracy"] for line in lines)
    assert found["test_accuracy_at_best_validation"] == picked["test_accuracy"]
    assert found["train_seconds"] == pytest.approx(sum(line["train_seconds"] for line in lines))
    spent = found["train_seconds"] + found["eval_seconds"] + found["flatness_seconds"]
    assert 0 < found["data_seconds"] < found["train_seconds"] < spent < found["total_seconds"]
    assert found["process_seconds"] == pytest.approx(sum(line["process_seconds"] for line in lines))
    assert 0 < found["process_seconds"] <= 1.2 * found["train_seconds"] * found["threads"]
    assert found["peak_memory_bytes"] is None  # on a CPU it would be the whole process's


def test_a_damaged_checkpoint_is_set_aside_and_the_run_begins_anew(tmp_path, tiny):
    whole = result(tmp_path, tiny, "calm")
    spec = RunSpec.resolve(tiny)
    folder = RunFolder.of(tmp_path / "results", spec.uid)
    folder.begin(spec)
    folder.add_metrics({"epoch": 1})
    folder.checkpoint.write_bytes(b"half a checkpo")
    found = result(tmp_path, tiny)
    assert {key: found[key] for key in SAME} == {key: whole[key] for key in SAME}
    assert [line["epoch"] for line in folder.metrics()] == [1, 2]
    assert folder.checkpoint.with_suffix(".damaged").exists()


def test_a_checkpoint_that_could_run_code_is_not_opened(tmp_path, tiny):
    class Attack:
        def __reduce__(self):
            return print, ("executed",)

    folder = RunFolder(tmp_path)
    torch.save(Attack(), folder.checkpoint)
    assert checkpoint.load(folder) is None


def test_a_diverging_run_is_recorded_as_such(tmp_path, tiny):
    spec = RunSpec.resolve(tiny | {"lr": 1e12})
    outcome = train(spec, tmp_path)
    assert outcome.state == State.DIVERGED
    assert outcome.message.startswith("diverged: the training loss of epoch")
    folder = RunFolder.of(tmp_path, spec.uid)
    assert folder.state() == State.DIVERGED
    assert folder.result() is None
    assert train(spec, tmp_path).state == State.DIVERGED  # not tried again unasked
    assert train(spec, tmp_path, retry=True).state == State.DIVERGED
    assert len(list(folder.path.glob("error-*.txt"))) == 1


def test_a_resumed_run_keeps_its_thread_count(tmp_path, tiny):
    spec = RunSpec.resolve(tiny | {"epochs": 4})

    def stop(metrics):
        if metrics["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path, on_epoch=stop)
    assert RunFolder.of(tmp_path, spec.uid).state() == State.STALE
    torch.set_num_threads(2)
    assert train(spec, tmp_path, forecast_seconds=12.5).state == State.DONE
    assert torch.get_num_threads() == 2
    found = RunFolder.of(tmp_path, spec.uid).result()
    assert found["threads"] == 1
    assert found["attempts"] == 2
    assert found["forecast_seconds"] == 12.5


@pytest.fixture
def tf32():
    """torch's two switches, given back as they were."""
    switches = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    yield switches
    for switch, value in zip(switches, before, strict=True):
        switch.allow_tf32 = value


@pytest.mark.parametrize(("precision", "allowed"), [("fp32", False), ("tf32", True), ("bf16", False)])
def test_a_run_allows_tf32_only_where_it_says_so(tmp_path, tiny, tf32, precision, allowed):
    """torch would let cuDNN use it by default, and keeps what an earlier run of the process has set."""
    settings = tiny | {"precision": precision, "epochs": 1}
    for compute in (lambda: set_precision(precision), lambda: result(tmp_path, settings)):
        for switch in tf32:
            switch.allow_tf32 = not allowed
        compute()
        assert [switch.allow_tf32 for switch in tf32] == [allowed, allowed]


def test_bf16_is_another_run_with_other_figures(tmp_path, tiny):
    fp32 = result(tmp_path, tiny)
    bf16 = result(tmp_path, tiny | {"precision": "bf16"})
    assert bf16["train_loss"] == pytest.approx(fp32["train_loss"], rel=0.05)
    assert bf16["train_loss"] != fp32["train_loss"]


def test_flops_of_a_step(tmp_path, tiny):
    """The multilayer perceptron's: 2·64·128 + 2·128·128 + 2·128·10 an image forward, twice that backward."""
    found = result(tmp_path, tiny | {"model": "mlp", "optimizer": "sam", "epochs": 1})
    forward = 2 * (64 * 128 + 128 * 128 + 128 * 10)
    backward = 2 * forward - 2 * 64 * 128  # the images need no gradient
    assert found["flops_per_step"] == 250 * (forward + backward) * 2


def test_a_cuda_graph_without_a_gpu_is_refused(tmp_path, tiny):
    spec = RunSpec.resolve(tiny)
    outcome = train(spec, tmp_path, switches=Switches(cuda_graph=True))
    assert outcome.state == State.FAILED
    assert "the device is no GPU" in outcome.message


def test_a_run_of_two_processes_wants_two(tmp_path, tiny):
    with pytest.raises(UserError, match="processes"):
        train(RunSpec.resolve(tiny | {"processes": 2}), tmp_path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("optimizer", ["sgd", "sam", "gam"])
def test_on_a_gpu_a_graphed_run_agrees_with_a_plain_one(tmp_path, tiny, optimizer):
    settings = tiny | {"model": "mlp", "optimizer": optimizer, "epochs": 6}
    plain = result(tmp_path, settings, "plain", device="cuda")
    graphed = result(tmp_path, settings, "graph", device="cuda", switches=Switches(cuda_graph=True))
    assert graphed["cuda_graph"]
    assert graphed["test_loss"] == pytest.approx(plain["test_loss"], rel=1e-3)
    assert graphed["forward_backward_passes"] == plain["forward_backward_passes"]


def test_a_run_builds_its_model_offline_and_leaves_the_process_as_it_was(tmp_path, tiny, monkeypatch):
    import timm
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    seen = []

    def absent(*_, **__):
        seen.append(constants.is_offline_mode())
        raise FileNotFoundError("not in the cache")

    monkeypatch.setattr(timm, "create_model", absent)
    outcome = train(RunSpec.resolve(tiny | {"model": "resnet18", "pretrained": True}), tmp_path)
    assert outcome.state == State.FAILED
    assert "the pretrained weights of 'resnet18' are not on this machine" in outcome.message
    assert seen == [True]
    assert not constants.is_offline_mode()


def test_figures_are_computed_where_all_processes_wait_for_the_first(tmp_path, tiny, monkeypatch):
    """Computed elsewhere, an error in them would leave the other processes waiting for ever."""
    depth, seen = [0], []

    class Watched(Group):
        def on_first(self, function):
            depth[0] += 1
            try:
                return super().on_first(function)
            finally:
                depth[0] -= 1

    def figures(*_):
        seen.append(depth[0])
        raise ValueError("no figures")

    monkeypatch.setattr(run, "figures", figures)
    outcome = train(RunSpec.resolve(tiny | {"epochs": 1}), tmp_path, group=Watched())
    assert outcome == (run.Outcome(State.FAILED, "failed: ValueError: no figures"))
    assert seen == [1]


def test_importing_the_run_changes_no_setting_of_the_process():
    code = (
        "import os, sys, torch, torchvision\n"
        "before = dict(os.environ), list(sys.meta_path)\n"
        "import gam_bench.train.run, gam_bench.train.process\n"
        "print((dict(os.environ), list(sys.meta_path)) == before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "True\n", done.stderr


def test_metrics_are_plain_json_lines(tmp_path, tiny):
    result(tmp_path, tiny)
    spec = RunSpec.resolve(tiny)
    path = RunFolder.of(tmp_path / "results", spec.uid).path / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    wanted = {"epoch", "lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "passes"}
    assert all(wanted <= line.keys() for line in lines)
