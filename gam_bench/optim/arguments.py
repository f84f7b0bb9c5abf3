"""What a user may hand to an optimizer, checked in words, before anything is computed."""

import inspect
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.optim import Optimizer

from gam_bench.errors import UserError, complaints, did_you_mean
from gam_bench.optim.catalog import Settings
from gam_bench.optim.homes import modules


def checked(kind: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of `kind`, with its defaults. Raises UserError as in "rho must be ≥ 0, got -1"."""
    try:
        return kind(**values).model_dump()
    except ValidationError as error:
        name, complaint = complaints(error)[0]
        if name not in kind.model_fields:
            raise UserError(f"unknown setting {name!r}{did_you_mean(name, kind.model_fields)}") from None
        raise UserError(f"{name} {complaint}") from None


def check_base(base: Any) -> None:
    """Raises UserError unless it is an optimizer that steps by itself with the gradients in `.grad`."""
    if not isinstance(base, Optimizer):
        raise UserError(f"base_optimizer must be a torch optimizer, got {base!r}")
    kind = type(base).__name__
    if hasattr(base, "base_optimizer"):
        raise UserError(f"{kind} has a base optimizer itself; give that one: base_optimizer.base_optimizer")
    closure = inspect.signature(base.step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise UserError(f"{kind} calls a closure in its own step, so it cannot be a base optimizer; SGD can")
    if isinstance(base, torch.optim.SparseAdam):
        raise UserError(
            "SparseAdam takes sparse gradients only, which are not supported; Adam takes dense ones"
        )


def check_supported(parameters: Sequence[Tensor], model: nn.Module | None) -> None:
    """Raises UserError for parameters in shards (FSDP, DTensor) and for gradients that will be sparse."""
    tensor, fsdp = (sys.modules.get(f"torch.distributed.{name}") for name in ("tensor", "fsdp"))
    sharded = [getattr(tensor, "DTensor", None), getattr(fsdp, "FlatParameter", None)]
    if _any_of(parameters, sharded) or _any_of(
        modules(model), [getattr(fsdp, name, None) for name in ("FullyShardedDataParallel", "FSDPModule")]
    ):
        raise UserError(
            "FSDP and DTensor parameters are not supported: their norms would be of a shard; "
            "use DistributedDataParallel"
        )
    known = set(map(id, parameters))
    for module in modules(model):
        if getattr(module, "sparse", False) and any(id(p) in known for p in module._parameters.values()):
            raise UserError(f"sparse gradients are not supported: make {module} with sparse=False")


def check_dense(gradients: Iterable[Tensor | None]) -> None:
    if any(g is not None and g.layout is not torch.strided for g in gradients):
        raise UserError("sparse gradients are not supported: make the nn.Embedding with sparse=False")


def _any_of(things: Iterable[object], kinds: Iterable[type | None]) -> bool:
    known = tuple(kind for kind in kinds if kind is not None)
    return bool(known) and any(isinstance(thing, known) for thing in things)
