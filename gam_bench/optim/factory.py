"""Optimizers by their catalogue names."""

from collections.abc import Iterable
from importlib import import_module
from typing import Any

import torch
from torch.optim import Optimizer

from gam_bench.errors import UserError, did_you_mean
from gam_bench.optim.arguments import checked, tensors
from gam_bench.optim.catalog import BASES, OPTIMIZERS
from gam_bench.optim.plain import Plain
from gam_bench.optim.protocol import SharpnessAware


def build(name: str, params: Iterable, base_optimizer: Optimizer, **arguments: Any) -> SharpnessAware:
    """An optimizer of the catalogue around a base optimizer; `arguments` as for SharpnessAware.

    "sgd", "adam" and "adamw" are the base optimizer alone (Plain). Raises UserError for an unknown name.
    """
    if name not in OPTIMIZERS:
        raise UserError(f"unknown optimizer {name!r}{did_you_mean(name, OPTIMIZERS)}")
    where = OPTIMIZERS[name].build
    if where is None:
        return Plain(params, base_optimizer, **arguments)
    module, kind = where.split(":")
    return getattr(import_module(module), kind)(params, base_optimizer, **arguments)


def build_base(
    name: str, params: Iterable, lr: float, weight_decay: float = 0.0, **settings: Any
) -> Optimizer:
    """A base optimizer of the catalogue, in torch's fused form where there is one for the parameters' devices."""
    if name not in BASES:
        raise UserError(f"unknown base optimizer {name!r}{did_you_mean(name, BASES)}")
    values = checked(BASES[name].settings, settings)
    params = list(params)
    fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in tensors(params))
    if name == "sgd":
        return torch.optim.SGD(params, lr=lr, weight_decay=weight_decay, fused=fused, **values)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    betas = values.pop("beta1"), values.pop("beta2")
    return kind(params, lr=lr, weight_decay=weight_decay, betas=betas, fused=fused, **values)
