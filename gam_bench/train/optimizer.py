"""The optimizer of a run, from its catalogue entries."""

from importlib import import_module
from typing import Any

import torch
from torch import nn

from gam_bench.optim.catalog import OPTIMIZERS
from gam_bench.suite.spec import RunSpec
from gam_bench.train.switches import Switches


def make_optimizer(spec: RunSpec, model: nn.Module, switches: Switches) -> torch.optim.Optimizer:
    """The base optimizer on the model's trainable parameters, and around it what the run names."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    base = _base(spec, parameters, switches)
    entry = OPTIMIZERS[spec.optimizer]
    if entry.build is None:
        return base
    module, _, name = entry.build.partition(":")
    wrapper = getattr(import_module(module), name)
    return wrapper(
        parameters,
        base,
        model=model,
        perturbation=spec.perturbation,
        micro_batch=spec.micro_batch,
        clip_norm=spec.clip_norm,
        replay_randomness=not switches.cuda_graph,  # a graph is only made of models that draw no numbers
        **spec.optimizer_settings,
    )


def _base(spec: RunSpec, parameters: list[nn.Parameter], switches: Switches) -> torch.optim.Optimizer:
    settings: dict[str, Any] = dict(spec.base_settings)
    # A graph reads the learning rate from the device, where it can change between replays.
    rate = torch.tensor(spec.lr, device=parameters[0].device) if switches.cuda_graph else spec.lr
    settings |= {"lr": rate, "weight_decay": spec.weight_decay, "fused": True}
    if spec.base == "sgd":
        return torch.optim.SGD(parameters, **settings)
    settings["betas"] = settings.pop("beta1"), settings.pop("beta2")
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[spec.base]
    return kind(parameters, **settings)
