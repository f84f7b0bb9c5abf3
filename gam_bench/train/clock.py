"""Honest clocks and meters: device-synchronised seconds, peak memory."""

import time
from pathlib import Path

import torch


def synchronised(device: torch.device) -> float:
    """Seconds of a monotonic clock, once the device has finished what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def reset_peak_memory(device: torch.device) -> None:
    """Begin a new peak: of the device's allocator, or of this process's resident memory (Linux)."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return


def peak_memory(device: torch.device) -> int | None:
    """Bytes at the highest point since the reset: allocated on a GPU, resident on a CPU; None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return None
    peak = next((line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return int(peak) * 1024 if peak else None
