"""What a finished run says of itself, against what its epochs say, and the files of a failed one."""

import platform
from datetime import datetime, timedelta
from importlib.metadata import version
from types import SimpleNamespace

import pynvml
import pytest
import torch

from gam_bench.hardware import cores, cpu_name
from gam_bench.store.folder import RunFolder, State
from gam_bench.suite.spec import RunSpec
from gam_bench.train import trainer
from gam_bench.train.environment import device_name, environment
from gam_bench.train.group import Group
from gam_bench.train.run import train
from gam_bench.train.switches import Switches


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.mark.parametrize("validation", [0.0, 0.2])
def test_the_figures_are_those_of_the_epochs(tmp_path, tiny, validation):
    spec = RunSpec.resolve(tiny | {"model": "mlp", "epochs": 3, "validation": validation, "batch_size": 300})
    assert train(spec, tmp_path, forecast_seconds=1.5).state == State.DONE
    folder = RunFolder.of(tmp_path, spec.uid)
    found, lines = folder.result(), folder.metrics()
    last = lines[-1]
    for name in ("test_accuracy", "test_loss", "train_accuracy", "train_loss"):
        assert found.pop(name) == last[name]
    best = max(lines, key=lambda line: line["test_accuracy"])
    assert (found.pop("best_test_accuracy"), found.pop("best_test_epoch")) == (
        best["test_accuracy"],
        best["epoch"],
    )
    assert found.pop("validation_accuracy") == last.get("validation_accuracy")
    assert found.pop("validation_loss") == last.get("validation_loss")
    picked = max(lines, key=lambda line: line["validation_accuracy"]) if validation else {}
    assert found.pop("best_validation_epoch") == picked.get("epoch")
    assert found.pop("test_accuracy_at_best_validation") == picked.get("test_accuracy")
    for name in ("train_seconds", "process_seconds", "data_seconds", "eval_seconds"):
        assert found.pop(name) == pytest.approx(sum(line[name] for line in lines))
    timed = 2 * (1000 - 1000 * validation) / sum(line["train_seconds"] for line in lines[1:])
    assert found.pop("images_per_second") == pytest.approx(timed)
    assert 0 < found.pop("flatness_seconds") < found.pop("total_seconds")
    steps = 3 * (3 if validation else 4)
    assert (found.pop("steps"), found.pop("forward_backward_passes")) == (steps, steps)
    assert abs(datetime.fromisoformat(found.pop("finished_at")) - datetime.now().astimezone()) < timedelta(
        0, 60
    )
    assert found.pop("peak_memory_bytes") is None  # of a CPU: see train.clock
    for name in ("lambda_max", "hessian_trace", "hessian_trace_se", "flops_per_step"):
        assert found.pop(name) > 0
    parameters = 64 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10
    expected = {
        "epochs": 3,
        "threads": 1,
        "device": "cpu",
        "device_name": cpu_name(),
        "parameters": parameters,
    }
    expected |= {"compiled": False, "cuda_graph": False, "attempts": 1, "forecast_seconds": 1.5}
    assert {name: found[name] for name in expected} == expected


def test_the_environment_is_this_processs(tmp_path, tiny, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    spec = RunSpec.resolve(tiny | {"model": "mlp", "epochs": 1})
    train(spec, tmp_path)
    found = RunFolder.of(tmp_path, spec.uid).environment()
    for package in ("torch", "torchvision", "timm", "numpy", "pandas"):
        assert found[package] == version(package)
    assert (found["python"], found["platform"]) == (platform.python_version(), platform.platform())
    assert (found["cpu_name"], found["cores"], found["threads"]) == (cpu_name(), cores(), 1)
    assert (found["cuda"], found["cudnn"], found["gpu_name"]) == (None, None, None)
    assert (found["hostname"], found["slurm_job_id"]) == (platform.node(), "42")
    assert {"gam_bench", "git_commit", "git_dirty"} <= found.keys()


@pytest.fixture
def gpu(monkeypatch):
    """What torch says of a GPU that is not there."""
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid="1-2"))
    return torch.device("cuda")


def test_a_gpus_driver_power_and_clocks_are_told(gpu, monkeypatch):
    clocks = {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 2619}
    answers = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetHandleByUUID": {"GPU-1-2": "handle"}.__getitem__,
        "nvmlSystemGetDriverVersion": lambda: "550.10",
        "nvmlDeviceGetEnforcedPowerLimit": {"handle": 700_000}.__getitem__,
        "nvmlDeviceGetMaxClockInfo": lambda handle, clock: {"handle": clocks}[handle][clock],
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    told = {"driver": "550.10", "gpu_power_limit_watts": 700.0, "gpu_clock_mhz": 1980}
    told |= {"gpu_name": "a GPU", "gpu_memory_clock_mhz": 2619}
    found = environment(gpu)
    assert {name: found.get(name) for name in told} == told
    assert "gpu_details" not in found
    assert device_name(gpu) == "a GPU"


def test_a_driver_that_refuses_costs_no_run(gpu, monkeypatch):
    def refuse():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    monkeypatch.setattr(pynvml, "nvmlInit", refuse)
    found = environment(gpu)
    assert found["gpu_name"] == "a GPU"
    assert found["gpu_details"].startswith("not known: ")


def test_a_diverged_run_has_one_line_and_a_failed_one_its_traceback(tmp_path, tiny, monkeypatch):
    spec = RunSpec.resolve(tiny | {"model": "mlp", "lr": 1e12})
    message = train(spec, tmp_path).message
    assert RunFolder.of(tmp_path, spec.uid).error() == f"{message}\n"

    def broken(*_):
        raise ValueError("first line\nsecond line")

    monkeypatch.setattr(trainer.Trainer, "evaluate", broken)
    spec = RunSpec.resolve(tiny | {"model": "mlp"})
    outcome = train(spec, tmp_path)
    assert (outcome.state, outcome.message) == (State.FAILED, "failed: ValueError: first line")
    summary, details = RunFolder.of(tmp_path, spec.uid).error().split("\n", 1)
    assert summary == outcome.message
    assert details.startswith("Traceback")
    assert train(spec, tmp_path) == outcome  # told again, not tried again


def test_on_a_cpu_no_more_processes_decode(tiny, monkeypatch):
    seen = []

    class Spied(trainer.Batches):
        def __init__(self, *arguments, **options):
            seen.append(options.get("workers", 0))
            super().__init__(*arguments, **options)

    monkeypatch.setattr(trainer, "Batches", Spied)
    trainer.Trainer(RunSpec.resolve(tiny), torch.device("cpu"), Group(), Switches())
    assert seen == [0, 0, 0]
