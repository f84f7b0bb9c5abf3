"""Honest clocks and meters: device-synchronised seconds, peak memory."""

import time

import torch


def synchronised(device: torch.device) -> float:
    """Seconds of a monotonic clock, once the device has finished what was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def reset_peak_memory(device: torch.device) -> None:
    """Begin a new peak of the GPU's allocator."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int | None:
    """Bytes that were allocated on a GPU at the highest point since the reset; None on a CPU.

    What is resident of a process tells of all that it did before: on a CPU it would rank runs by their turn.
    """
    return int(torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None
