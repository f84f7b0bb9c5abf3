"""Where and with what a run was computed."""

import os
import platform
import socket
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

import gam_bench
from gam_bench.commit import commit
from gam_bench.hardware import cores, cpu_name


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, hardware, commit and job of this process, as stored in `environment.json`."""
    return {
        "gam_bench": gam_bench.__version__,
        **commit(),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("torch", "torchvision", "timm", "numpy", "pandas")},
        "cuda": torch.version.cuda if device.type == "cuda" else None,
        "cudnn": torch.backends.cudnn.version() if device.type == "cuda" else None,
        "platform": platform.platform(),
        "hostname": socket.gethostname(),
        "cpu_name": cpu_name(),
        "cores": cores(),
        "threads": torch.get_num_threads(),
        **_gpu(device),
        "slurm_job_id": os.environ.get("SLURM_JOB_ID"),
    }


def device_name(device: torch.device) -> str:
    """The GPU's or the processor's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else cpu_name()


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gpu(device: torch.device) -> dict[str, Any]:
    """Name, driver, power limit (W) and clocks (MHz), as far as NVML tells."""
    if device.type != "cuda":
        return {"gpu_name": None}
    found: dict[str, Any] = {"gpu_name": torch.cuda.get_device_name(device)}
    try:
        import pynvml

        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(device).uuid}")
        found["driver"] = str(pynvml.nvmlSystemGetDriverVersion())
        found["gpu_power_limit_watts"] = pynvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000
        found["gpu_clock_mhz"] = pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_SM)
        found["gpu_memory_clock_mhz"] = pynvml.nvmlDeviceGetMaxClockInfo(handle, pynvml.NVML_CLOCK_MEM)
    except Exception as error:  # whatever the driver refuses must not cost the run
        found["gpu_details"] = f"not known: {error}"
    return found
