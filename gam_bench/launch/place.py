"""The places of this machine where runs can be computed."""

from dataclasses import dataclass

from gam_bench.errors import UserError
from gam_bench.hardware import cores, cpu_name, gpu_names


@dataclass(frozen=True)
class Place:
    """Where and how a worker computes: a torch device, its number of CPU threads, and the run's switches."""

    device: str
    threads: int
    compile: bool = False
    cuda_graph: bool = False


def places(
    device: str = "auto",
    workers: int | None = None,
    *,
    gpus_per_run: int = 1,
    compile: bool = False,
    cuda_graph: bool = False,
) -> list[Place]:
    """One worker a GPU, or one a core with one thread each; `workers` divides the cores or shares the GPUs.

    `device` is auto (GPUs if there are any), cpu or cuda. Of `gpus_per_run` GPUs, the first names the place.
    Raises UserError for cuda without enough GPUs.
    """
    gpus = () if device == "cpu" else gpu_names()
    if device == "cuda" and not gpus:
        raise UserError("--device cuda: no CUDA GPU is visible here; use --device cpu")
    if not gpus:
        number = workers or max(1, cores() // gpus_per_run)
        return [Place("cpu", max(1, cores() // (number * gpus_per_run)), compile, cuda_graph)] * number
    if len(gpus) < gpus_per_run:
        raise UserError(f"a run wants {gpus_per_run} GPUs (its processes), and {len(gpus)} are visible here")
    slots = len(gpus) // gpus_per_run
    number = workers or slots
    threads = max(1, cores() // (number * gpus_per_run))
    firsts = [index % slots * gpus_per_run for index in range(number)]
    return [Place(f"cuda:{first}", threads, compile, cuda_graph) for first in firsts]


def here(place: Place) -> str:
    """The name of the hardware at a place, as results record it."""
    kind, _, index = place.device.partition(":")
    return gpu_names()[int(index or 0)] if kind == "cuda" else cpu_name()
