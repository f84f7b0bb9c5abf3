"""DistributedDataParallel's processes, as an optimizer sees them."""

import gc
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from gam_bench.errors import UserError


class Workers:
    """The processes that DDP joins around a model; nobody without DDP. `bool` tells whether there are any."""

    def __init__(self, model: nn.Module | None):
        bare = getattr(model, "_orig_mod", model)  # under torch.compile
        self.ddp = bare if isinstance(bare, DistributedDataParallel) else None

    def __bool__(self) -> bool:
        return self.ddp is not None

    def __len__(self) -> int:
        return 1 if self.ddp is None else dist.get_world_size(self.ddp.process_group)

    def average(self, vector: Tensor) -> None:
        """Replace a vector by its mean over the workers."""
        if self.ddp is not None:
            dist.all_reduce(vector, group=self.ddp.process_group)
            vector /= len(self)

    def apart(self) -> AbstractContextManager[Any]:
        """Under it a pass leaves the workers' gradients apart."""
        return nullcontext() if self.ddp is None else self.ddp.no_sync()


def check_wrapped(model: nn.Module | None, parameters: Sequence[Tensor]) -> None:
    """Raises UserError where DDP holds the parameters and `model` is not DDP's: workers would drift apart."""
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1) or Workers(model):
        return
    known = set(map(id, parameters))
    for thing in gc.get_objects():  # DDP leaves no trace on what it wraps
        if issubclass(type(thing), DistributedDataParallel) and any(
            id(p) in known for p in thing.parameters()
        ):
            raise UserError(
                "DistributedDataParallel holds these parameters, and is not the model given: make the "
                "optimizer with model=ddp_model, which the closure calls, too; else the workers drift apart"
            )
