"""Whether a gradient may be stepped with, and the count of those that may not."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim import Optimizer

from gam_bench.optim.inner import step_inside


class Skips:
    """Steps that were not taken since their gradient was not finite.

    On a CPU the gradient is looked at. On a device, a fused base optimizer looks for itself, as under a
    GradScaler, and nothing is read back; any other costs one reading a step, and so does the first step of a
    fused one: skipped by itself, it would leave the momentum it has just made without values.
    """

    def __init__(self) -> None:
        self._here = 0
        self._began = False
        self._there: Tensor | None = None  # on the device
        self._last: bool | Tensor = False

    @property
    def count(self) -> int:
        return self._here + (0 if self._there is None else int(self._there))

    @property
    def last(self) -> bool:
        return bool(self._last)

    def step(self, base: Optimizer, total: Tensor) -> None:
        """The base optimizer's step, unless `total`, which is finite if the gradient is, is not."""
        fused = getattr(base, "_step_supports_amp_scaling", False) and (self._began or base.state)
        if not fused or total.device.type == "cpu":
            self._last = not math.isfinite(total)
            self._here += self._last
            if not self._last:
                step_inside(base)
                self._began = True
            return
        self._last = found = 1 - total.isfinite().float()
        base.grad_scale, base.found_inf = None, found  # type: ignore[attr-defined]
        try:
            step_inside(base)
        finally:
            del base.grad_scale, base.found_inf  # type: ignore[attr-defined]
        if self._there is None:
            self._there = torch.zeros_like(found)
        self._there += found  # in place: a CUDA graph counts at this address


def total_of(gradients: Iterable[Tensor | None]) -> Tensor | None:
    """A number that is finite if all gradients are, float32 at least; None without any."""
    given = [g for g in gradients if g is not None]
    if not given:
        return None
    half = any(g.dtype in (torch.float16, torch.bfloat16) for g in given)
    norms = list(torch._foreach_norm(given, 2.0, torch.float32 if half else None))
    if len({norm.device for norm in norms}) > 1:
        norms = [norm.cpu() for norm in norms]
    return torch.stack(norms).sum()
