"""The processes that train one run together; mostly just one."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """This process's number among `world` processes, and what they do together."""

    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that reads and writes the run folder."""
        return self.rank == 0

    def on_first(self, function: Callable[[], T]) -> T:
        """Call `function` in the first process; every process gets its value, or raises its exception."""
        if self.world == 1:
            return function()
        told: list[Any] = [None, None]
        if self.first:
            try:
                told[0] = function()
            except Exception as error:
                told[1] = error
        dist.broadcast_object_list(told, src=0)
        if told[1] is not None:
            raise told[1]
        value: T = told[0]
        return value

    def sum(self, *values: Tensor) -> list[float]:
        """The sums of scalar tensors over all processes, read back in one go."""
        together = torch.stack([value.double() for value in values])
        if self.world > 1:
            dist.all_reduce(together)
        return together.tolist()

    def parallel(self, model: nn.Module, device: torch.device) -> nn.Module:
        """The model to train with: itself, or itself under DistributedDataParallel."""
        if self.world == 1:
            return model
        return DistributedDataParallel(model, device_ids=[device] if device.type == "cuda" else None)

    def equalise_statistics(self, model: nn.Module) -> None:
        """Give every process the first one's running statistics, so that all evaluate the same model."""
        if self.world > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, src=0)


@contextmanager
def joined(device_type: str) -> Iterator[tuple[Group, torch.device]]:
    """Join the group that torchrun (or SLURM, through submitit) describes in the environment, for a while.

    NCCL between GPUs, gloo between CPUs. Without a description, or in a group of one, nothing is joined.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group(), torch.device(device_type)
        return
    device = torch.device("cpu")
    if device_type.startswith("cuda"):
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Group(dist.get_rank(), world), device
    finally:
        dist.destroy_process_group()
