"""The optimizer of a run, from its catalogue entries."""

from importlib import import_module
from typing import Any

import torch
from torch import nn

from gam_bench.optim import SharpnessAware
from gam_bench.optim.catalog import OPTIMIZERS
from gam_bench.suite.spec import RunSpec

PLAIN = "gam_bench.optim.plain:Plain"
"""What a base optimizer alone is, under the one step protocol."""


def make_optimizer(spec: RunSpec, model: nn.Module, captured: bool) -> SharpnessAware:
    """What the run names, around its base optimizer, on the model's trainable parameters.

    `captured`: its steps become a CUDA graph.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    module, _, name = (OPTIMIZERS[spec.optimizer].build or PLAIN).partition(":")
    return getattr(import_module(module), name)(
        parameters,
        _base(spec, parameters, captured),
        model=model,
        perturbation=spec.perturbation,
        micro_batch=spec.micro_batch,
        clip_norm=spec.clip_norm,
        replay_randomness=not captured,  # a graph is only made of models that draw no numbers
        **spec.optimizer_settings,
    )


def _base(spec: RunSpec, parameters: list[nn.Parameter], captured: bool) -> torch.optim.Optimizer:
    settings: dict[str, Any] = dict(spec.base_settings)
    # A graph reads the learning rate from the device, where it can change between replays.
    rate = torch.tensor(spec.lr, device=parameters[0].device) if captured else spec.lr
    settings |= {"lr": rate, "weight_decay": spec.weight_decay, "fused": True}
    if spec.base == "sgd":
        return torch.optim.SGD(parameters, **settings)
    settings["betas"] = settings.pop("beta1"), settings.pop("beta2")
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.base]
    return kind(parameters, **settings)
