"""What this machine computes with, asked without importing torch."""

import os
import platform
from functools import cache
from pathlib import Path


@cache
def cpu_name() -> str:
    """The processor's name, as its maker gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


@cache
def gpu_names() -> tuple[str, ...]:
    """The names of the CUDA GPUs that torch will see; empty without a driver."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        names = [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
        pynvml.nvmlShutdown()
    except Exception:  # no driver, no library: no GPU
        return ()
    if allowed is not None:
        names = names[: sum(1 for entry in allowed.split(",") if entry.strip() not in ("", "-1"))]
    return tuple(names)


def wait_passively() -> None:
    """Have OpenMP's idle threads sleep, not spin, here and in what is started from here.

    To be called before torch is imported; a user's own setting stands. Spinning threads take the cores of
    other runs: on two threads a step of cnn20k took 77 to 100 ms of CPU time spinning, and 28 to 30 sleeping
    (2 AMD EPYC cores, busy, torch 2.15).
    """
    if "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
