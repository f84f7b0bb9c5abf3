"""What this machine computes with, where the GPUs are pretended."""

import subprocess
import sys
from types import ModuleType

import pytest

from gam_bench import hardware

NAMES = ("Ampere", "Hopper", "Blackwell")
UUIDS = ("GPU-aa11", "GPU-aa22", "GPU-bb33")


@pytest.fixture
def gpus(monkeypatch):
    """A driver with three GPUs; the names that are seen through CUDA_VISIBLE_DEVICES."""
    nvml = ModuleType("pynvml")
    nvml.nvmlInit = nvml.nvmlShutdown = lambda: None
    nvml.nvmlDeviceGetCount = lambda: len(NAMES)
    nvml.nvmlDeviceGetHandleByIndex = lambda index: index
    nvml.nvmlDeviceGetName = NAMES.__getitem__
    nvml.nvmlDeviceGetHandleByUUID = {"MIG-part-of-2": 2, "MIG-part-of-0": 0}.__getitem__
    nvml.nvmlDeviceGetUUID = UUIDS.__getitem__
    monkeypatch.setitem(sys.modules, "pynvml", nvml)

    def seen(allowed: str | None) -> tuple[str, ...]:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if allowed is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", allowed)
        hardware.gpu_names.cache_clear()
        return hardware.gpu_names()

    yield seen
    hardware.gpu_names.cache_clear()


@pytest.mark.parametrize(
    ("allowed", "seen"),
    [
        (None, (0, 1, 2)),
        ("0,1,2", (0, 1, 2)),
        ("1", (1,)),
        ("2,0", (2, 0)),
        (" 2 , 0 ", (2, 0)),
        ("", ()),
        ("-1", ()),
        ("0,-1,1", (0,)),
        ("1,7,0", (1,)),
        ("7", ()),
        ("1,nonsense,0", (1,)),
        ("0,1,0", ()),
        ("GPU-bb33,GPU-aa11", (2, 0)),
        ("GPU-aa2,GPU-b", (1, 2)),
        ("GPU-b,GPU-aa", (2,)),
        ("GPU-ffff", ()),
        ("GPU-b,GPU-bb33", ()),
        ("0,GPU-bb33", (0,)),
        ("GPU-bb33,0", (2,)),
        ("MIG-part-of-2,MIG-part-of-0", (2,)),
        ("MIG-gone", ()),
    ],
)
def test_gpus_are_those_that_cuda_shows_in_its_order(gpus, allowed, seen):
    assert gpus(allowed) == tuple(NAMES[index] for index in seen)


def test_without_a_driver_there_is_no_gpu(gpus, monkeypatch):
    def absent() -> None:
        raise OSError("libnvidia-ml.so.1 cannot be opened")

    monkeypatch.setattr(sys.modules["pynvml"], "nvmlInit", absent)
    assert gpus(None) == ()


def test_asking_imports_no_torch():
    code = "import sys; from gam_bench import hardware as h; h.gpu_names(), h.cpu_name(), h.cores(); "
    done = subprocess.run([sys.executable, "-c", code + "print('torch' in sys.modules)"], capture_output=True)
    assert done.stdout == b"False\n", done.stderr
