"""For scripts written for the released GAM code (github.com/xxgege/GAM) or for davda54's SAM.

Change the imports and nothing else:

    from gam_bench.optim.compat import GAM, ProportionScheduler, smooth_crossentropy

Trajectories are those of the released code at 694133d, in float64 to 1e-13. Where that code fails, this one
does what was meant: schedulers are optional, the weights come back bit for bit, an exception leaves them
whole, BatchNorm counts a step once, and `state_dict` has the radii. As there, each pass draws its own dropout
masks, which makes most of g1 − g0 noise; `replay_randomness=True` ends it.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.optim import Optimizer

from gam_bench.errors import UserError
from gam_bench.optim import gam, sam
from gam_bench.optim.catalog import Settings, SharpnessSettings
from gam_bench.optim.losses import torch_label_smoothing
from gam_bench.optim.passes import ascent


class ReleasedSettings(SharpnessSettings):
    """The released code's weights, each free."""

    rho: float = Field(0.2, ge=0, description="grad_norm_rho")
    rho_prime: float = Field(0.02, ge=0, description="grad_rho")
    beta_1: float = Field(0.6, description="weight of g1 in h+")
    beta_2: float = Field(0.5, description="its amount is the weight of g2 in h−, where g0 has weight 1")
    beta_3: float = Field(0.4, description="weight of g3 in h+")
    gamma: float = Field(0.03, description="how much of h⊥ is taken off h+")
    adaptive: bool = False
    rho_prime_min: float = Field(0.0, ge=0)


class GAM(gam.GAM):
    """GAM as the released code has it: h+ = β1 g1 + β3 g3, h− = g0 + |β2| g2.

    grad_rho_scheduler, grad_norm_rho_scheduler: give ρ' and ρ; asked here, and by `update_rho_t`. None: the
        radii are `args.grad_rho` and `args.grad_norm_rho`.
    args: anything with attributes grad_rho, grad_norm_rho, grad_beta_0 to grad_beta_3, grad_gamma. A missing
        β2 is 1 − β0, a missing β3 is 1 − β1, as in the released script; others have GAM's defaults.
    perturb_eps: is added to norms.
    grad_reduce: under DDP the workers' gradients' "mean" or "sum".
    more: as for `gam_bench.optim.GAM`.
    """

    settings: ClassVar[type[Settings]] = ReleasedSettings
    common = ("beta_1", "beta_2", "beta_3", "gamma", "adaptive", "rho_schedule")
    kept: ClassVar[tuple[str, ...]] = (
        *gam.GAM.kept,
        "grad_rho_scheduler",
        "grad_norm_rho_scheduler",
        "tiny",
        "grad_reduce",
    )

    def __init__(
        self,
        params: Iterable[Any],
        base_optimizer: Optimizer,
        model: nn.Module,
        grad_rho_scheduler: Any = None,
        grad_norm_rho_scheduler: Any = None,
        adaptive: bool = False,
        perturb_eps: float = 1e-12,
        args: Any = None,
        grad_reduce: str = "mean",
        replay_randomness: bool = False,
        **more: Any,
    ):
        if grad_reduce.lower() not in ("mean", "sum"):
            raise UserError(f"grad_reduce must be 'mean' or 'sum', got {grad_reduce!r}")
        self.grad_rho_scheduler = grad_rho_scheduler
        self.grad_norm_rho_scheduler = grad_norm_rho_scheduler
        self.tiny = perturb_eps
        self.grad_reduce = grad_reduce.lower()
        given = _settings_in(args) | {"adaptive": adaptive}
        super().__init__(
            params, base_optimizer, model=model, replay_randomness=replay_randomness, **given, **more
        )
        self.update_rho_t()

    def update_rho_t(self) -> None:
        """Have the schedulers give the next radii."""
        for name, scheduler in (
            ("rho_prime", self.grad_rho_scheduler),
            ("rho", self.grad_norm_rho_scheduler),
        ):
            if scheduler is not None:
                value = float(scheduler.step())
                for group in self.param_groups:
                    group[self._keys[name]] = value

    @property
    def grad_rho(self) -> float:
        return float(self.param_groups[0][self._keys["rho_prime"]])

    @property
    def grad_norm_rho(self) -> float:
        return float(self.param_groups[0][self._keys["rho"]])

    def set_closure(self, loss_fn: Callable[..., Tensor], inputs: Any, targets: Any, **more: Any) -> None:
        """As GAM's; `more` goes to loss_fn."""
        super().set_closure(partial(loss_fn, **more) if more else loss_fn, inputs, targets)

    def plus(self, g1: Tensor, g3: Tensor) -> Tensor:
        return torch.add(g3.mul_(self.setting("beta_3")), g1, alpha=self.setting("beta_1"), out=g1)

    def minus(self, g0: Tensor, g2: Tensor) -> Tensor:
        return g0.add_(g2, alpha=abs(self.setting("beta_2")))

    def along(self, minus: Tensor, plus: Tensor) -> Tensor:
        norm, across = torch.linalg.vector_norm(plus), torch.linalg.vector_norm(minus)
        cosine = minus.dot(plus) / (norm * across + self.tiny)
        return torch.div(cosine * across, norm + self.tiny)

    def average(self, vector: Tensor) -> None:
        super().average(vector)
        if self.grad_reduce == "sum":
            vector *= len(self._workers)


def _settings_in(args: Any) -> dict[str, Any]:
    names = {"rho": "grad_norm_rho", "rho_prime": "grad_rho", "gamma": "grad_gamma"}
    names |= {f"beta_{i}": f"grad_beta_{i}" for i in range(4)}
    found = {name: getattr(args, theirs) for name, theirs in names.items() if hasattr(args, theirs)}
    for one, other in (("beta_0", "beta_2"), ("beta_1", "beta_3")):
        if one in found:
            found.setdefault(other, 1 - found[one])
    found.pop("beta_0", None)  # the released code has it, and does not use it
    return found


class ProportionScheduler:
    """A value that follows a learning rate: (value − min)/(max − min) = (lr − min_lr)/(max_lr − min_lr)."""

    def __init__(
        self, pytorch_lr_scheduler: Any, max_lr: float, min_lr: float, max_value: float, min_value: float
    ):
        if max_lr < min_lr or max_value < min_value or (max_lr == min_lr and max_value > min_value):
            raise UserError(
                f"a value from {min_value:g} to {max_value:g} cannot follow a learning rate "
                f"from {min_lr:g} to {max_lr:g}: max must be above min, or both values the same"
            )
        self.pytorch_lr_scheduler = pytorch_lr_scheduler
        self.max_lr, self.min_lr = max_lr, min_lr
        self.max_value, self.min_value = max_value, min_value
        self.step()

    def step(self) -> float:
        """The value at the learning rate of now."""
        rate = self.pytorch_lr_scheduler.optimizer.param_groups[0]["lr"]
        last = getattr(self.pytorch_lr_scheduler, "_last_lr", [rate])[0]
        fraction = 1.0 if self.max_lr == self.min_lr else (last - self.min_lr) / (self.max_lr - self.min_lr)
        self.value = float(self.min_value + (self.max_value - self.min_value) * fraction)
        return self.value

    def lr(self) -> float:
        """The last value; the released code's name for it."""
        return self.value


class _Scheduler:
    """A value by the number of `step`s: from init_value up to max_value in warmup_steps, then `after`.

    optimizer: gets the value as its learning rate. After T_max steps the value stays where it is then.
    """

    def __init__(
        self,
        T_max: int,
        max_value: float,
        min_value: float = 0.0,
        init_value: float = 0.0,
        warmup_steps: int = 0,
        optimizer: Optimizer | None = None,
    ):
        self.total_steps, self.warmup_steps, self.t = T_max, warmup_steps, 0
        self.max_value, self.min_value, self.init_value = max_value, min_value, init_value
        self.optimizer = optimizer
        self.value = init_value

    def step(self) -> float:
        t = min(self.t, self.total_steps)
        if t < self.warmup_steps:
            self.value = self.init_value + (self.max_value - self.init_value) * t / self.warmup_steps
        else:
            left = self.after(t - self.warmup_steps, self.total_steps - self.warmup_steps)
            self.value = self.min_value + (self.max_value - self.min_value) * left
        self.t += 1
        for group in self.optimizer.param_groups if self.optimizer else ():
            group["lr"] = self.value
        return self.value

    def after(self, t: int, total: int) -> float:
        """The part of max − min that is left after t of so many steps; 1 at first."""
        raise NotImplementedError

    def lr(self) -> float:
        """The last value; the released code's name for it."""
        return self.value


class LinearScheduler(_Scheduler):
    def after(self, t: int, total: int) -> float:
        return 1 - t / total if t else 1.0


class CosineScheduler(_Scheduler):
    def after(self, t: int, total: int) -> float:
        return (math.cos(t / total * math.pi) + 1) / 2 if t else 1.0


class PolyScheduler(_Scheduler):
    """t to the power of poly_order, which is negative."""

    def __init__(self, poly_order: float = -0.5, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if poly_order > 0:
            raise UserError(f"poly_order must be ≤ 0, got {poly_order:g}")
        self.poly_order = poly_order

    def after(self, t: int, total: int) -> float:
        return t**self.poly_order if t else 1.0


def smooth_crossentropy(pred: Tensor, gold: Tensor, smoothing: float = 0.1) -> Tensor:
    """Each prediction's divergence from 1−s on its target and s/(K−1) on each other class; shape (batch,)."""
    classes = pred.shape[1]
    label_smoothing = torch_label_smoothing(smoothing, classes)
    loss = F.cross_entropy(pred, gold, label_smoothing=label_smoothing, reduction="none")
    weights = [(1, 1 - smoothing), (classes - 1, smoothing / max(classes - 1, 1))]
    return loss + sum(n * w * math.log(w) for n, w in weights if w > 0)


class SAM(sam.SAM):
    """SAM with the constructor of davda54's, and its two steps around backward passes of the caller's.

    Between them and before, the caller runs `loss.backward()`. BatchNorm's statistics move in both passes and
    dropout draws twice, unless the caller sees to it; `step(closure)` does.
    """

    _climbed: Tensor | None = None

    def __init__(
        self,
        params: Iterable[Any],
        base_optimizer: type[Optimizer],
        rho: float = 0.05,
        adaptive: bool = False,
        **kwargs: Any,
    ):
        base = base_optimizer(params, **kwargs)
        held = [p for group in base.param_groups for p in group["params"]]
        super().__init__(held, base, rho=rho, adaptive=adaptive)

    @torch.no_grad()
    def first_step(self, zero_grad: bool = False) -> None:
        """Climb along the gradients in `.grad`."""
        self._notice_changes()
        flat = self._flat
        theta = self._climbed = flat.flattened(flat.parameters)
        g = flat.load([p.grad for p in flat.parameters])
        weights = theta if self.setting("adaptive") else None
        flat.set_parameters(theta, ascent(g, self.setting("rho"), weights))
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad: bool = False) -> None:
        """Go back, bit for bit, and have the base optimizer step with the gradients in `.grad`."""
        if self._climbed is None:
            raise UserError("second_step() comes after first_step() and another backward pass")
        self._flat.set_parameters(self._climbed)
        self._climbed = None
        self._step_base(None)
        if zero_grad:
            self.zero_grad()
