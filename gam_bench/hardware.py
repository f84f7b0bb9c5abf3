"""What this machine computes with, asked without importing torch."""

import os
import platform
from collections.abc import Sequence
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
    """The names of the CUDA GPUs that torch will see, in its order; empty without a driver."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        import pynvml as nvml

        nvml.nvmlInit()
        if allowed and allowed.strip().startswith("MIG-"):  # a part of a GPU, of which CUDA shows one
            handles = [nvml.nvmlDeviceGetHandleByUUID(allowed.partition(",")[0].strip())]
        else:
            handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
            uuids = [str(nvml.nvmlDeviceGetUUID(handle)) for handle in handles]
            handles = handles if allowed is None else [handles[i] for i in visible(allowed, uuids)]
        names = tuple(str(nvml.nvmlDeviceGetName(handle)) for handle in handles)
        nvml.nvmlShutdown()
    except Exception:  # no driver, no library: no GPU
        return ()
    return names


def visible(allowed: str, uuids: Sequence[str]) -> list[int]:
    """The GPUs that a value of CUDA_VISIBLE_DEVICES shows, by number, in its order.

    As CUDA reads it: all numbers, or all unique beginnings of UUIDs; the first entry that names no GPU ends
    the list, and one that stands there twice empties it.
    """
    found: list[int] = []
    entries = [entry.strip() for entry in allowed.split(",")]
    for entry in entries:
        if entries[0].startswith("GPU-"):
            meant = [i for i, uuid in enumerate(uuids) if uuid.startswith(entry)]
        else:
            meant = [int(entry)] if entry.isdecimal() and int(entry) < len(uuids) else []
        if len(meant) != 1:
            break
        found += meant
    return found if len(set(found)) == len(found) else []


def wait_passively() -> None:
    """Have OpenMP's idle threads sleep, not spin, here and in what is started from here.

    To be called before torch is imported; a user's own setting stands. Spinning threads take the cores of
    other runs: on two threads a step of cnn20k took 77 to 100 ms of CPU time spinning, and 28 to 30 sleeping
    (2 AMD EPYC cores, busy, torch 2.15).
    """
    if "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
