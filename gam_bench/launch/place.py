"""The places of this machine where runs can be computed."""

from dataclasses import dataclass

from gam_bench.errors import UserError
from gam_bench.hardware import cores, cpu_name, gpu_names
from gam_bench.train.switches import PLAIN, Switches


@dataclass(frozen=True)
class Place:
    """Where and how a process computes: a torch device, its number of CPU threads, and the run's switches."""

    device: str
    threads: int
    switches: Switches = PLAIN

    @property
    def hardware(self) -> str:
        """The name of the hardware at a place of this machine, as results record it."""
        kind, _, index = self.device.partition(":")
        return gpu_names()[int(index or 0)] if kind == "cuda" else cpu_name()


def places(
    device: str = "auto",
    workers: int | None = None,
    *,
    processes: int = 1,
    switches: Switches = PLAIN,
) -> list[Place]:
    """One worker a GPU, or one a core with one thread each; `workers` divides the cores or shares the GPUs.

    `device` is auto (GPUs if there are any), cpu or cuda. Of the GPUs of a run of several `processes`, one
    each, the first names the place. Raises UserError for cuda without enough GPUs.
    """
    gpus = () if device == "cpu" else gpu_names()
    if device == "cuda" and not gpus:
        raise UserError("--device cuda: no CUDA GPU is visible here; use --device cpu")
    if not gpus:
        number = workers or max(1, cores() // processes)
        return [Place("cpu", max(1, cores() // (number * processes)), switches)] * number
    if len(gpus) < processes:
        raise UserError(f"a run wants {processes} GPUs (its processes), and {len(gpus)} are visible here")
    slots = len(gpus) // processes
    number = workers or slots
    threads = max(1, cores() // (number * processes))
    firsts = [index % slots * processes for index in range(number)]
    return [Place(f"cuda:{first}", threads, switches) for first in firsts]
