"""The base optimizer's step inside ours."""

from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim import optimizer as torch_optimizer


def _nothing() -> None:
    return


_HOOKED: Any = Optimizer.profile_hook_step(_nothing)
"""What torch makes of each class's `step`."""


def step_inside(base: Optimizer) -> None:
    """`base.step()`, without torch's wrapper for hooks and profiles where nothing of the kind is on.

    Ours has that wrapper, too. What a scheduler, a subclass or a user put over `step` is called.
    """
    own: Any = type(base).step
    if getattr(own, "__code__", None) is _HOOKED.__code__ and "step" not in vars(base) and not _heard(base):
        own.__wrapped__(base)
    else:
        base.step()


def _heard(base: Optimizer) -> bool:
    """Whether hooks or a profiler wait for the base optimizer's step."""
    return bool(
        base._optimizer_step_pre_hooks
        or base._optimizer_step_post_hooks
        or torch_optimizer._global_optimizer_pre_hooks
        or torch_optimizer._global_optimizer_post_hooks
        or torch.autograd.profiler._is_profiler_enabled
    )
