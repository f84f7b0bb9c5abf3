"""The learning rate as a function of where a run is, so that a resumed run needs no scheduler state."""

import math

from gam_bench.suite.spec import RunSpec


def learning_rate(spec: RunSpec, epoch: int, step: int, steps: int) -> float:
    """The rate at `step` (from 0) of `steps` in `epoch` (from 0).

    Warm-up grows linearly from lr/steps-of-warm-up to lr. Then cosine (Loshchilov and Hutter 2017, one
    cycle) or linear decay from lr to min_lr, or lr throughout. With `schedule_every: epoch` the rate holds
    for an epoch, as in the released GAM code.
    """
    warmup = spec.warmup_epochs * steps
    position = epoch * steps + (step if spec.schedule_every == "step" else 0)
    if position < warmup:
        unit = 1 if spec.schedule_every == "step" else steps
        return spec.lr * min(1.0, (position + unit) / warmup)
    share = (position - warmup) / max(1.0, spec.epochs * steps - warmup)
    if spec.schedule == "cosine":
        return spec.min_lr + (spec.lr - spec.min_lr) * (1 + math.cos(math.pi * share)) / 2
    if spec.schedule == "linear":
        return spec.min_lr + (spec.lr - spec.min_lr) * (1 - share)
    return spec.lr
