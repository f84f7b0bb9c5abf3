"""The places of this machine where runs can be computed."""

import os

from gam_bench.errors import UserError
from gam_bench.launch.local import Place


def places(device: str = "auto", workers: int | None = None) -> list[Place]:
    """One worker a GPU, or one a core with one thread each; `workers` divides the cores or shares the GPUs.

    `device` is auto (GPUs if there are any), cpu or cuda. Raises UserError for cuda without a GPU.
    """
    cores = len(os.sched_getaffinity(0))
    gpus = [] if device == "cpu" else visible_gpus()
    if device == "cuda" and not gpus:
        raise UserError("--device cuda: no CUDA GPU is visible here; use --device cpu")
    if gpus:
        number = workers or len(gpus)
        threads = max(1, cores // number)
        return [Place(f"cuda:{index % len(gpus)}", threads) for index in range(number)]
    number = workers or cores
    return [Place("cpu", max(1, cores // number))] * number


def visible_gpus() -> list[int]:
    """The indices of the GPUs that torch will see, asked from the driver without importing torch."""
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    try:
        import pynvml

        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        pynvml.nvmlShutdown()
    except Exception:  # no driver, no library: no GPU
        return []
    if allowed is not None:
        count = min(count, sum(1 for entry in allowed.split(",") if entry.strip() not in ("", "-1")))
    return list(range(count))
