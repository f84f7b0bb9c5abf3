"""The step that all sharpness-aware optimizers share; each of them adds its formula."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gam_bench.errors import UserError
from gam_bench.optim.around import AroundBase
from gam_bench.optim.batch import Batch, Closure, closed, split
from gam_bench.optim.finite import Skips, total_of
from gam_bench.optim.inner import step_inside
from gam_bench.optim.passes import Passes
from gam_bench.optim.replay import Randomness, RunningStatistics
from gam_bench.optim.workers import Workers, check_wrapped


class SharpnessAware(AroundBase):
    """An optimizer around a base optimizer, whose parameter groups and state it shares.

    params: the base optimizer's parameters, or its groups, which may carry their own settings.
    base_optimizer: a torch optimizer on the same parameters; it takes the step, with its weight decay.
    model: the module that the closure calls (the DDP wrapper, if there is one). Needed for its running
        statistics to move once a step, for `set_closure`, and under DDP.
    perturbation: under DDP, "local" perturbs each worker by its own gradient, which is m-sharpness with one
        m a worker, and averages the resulting gradients; "global" averages every gradient, as one process
        with the whole batch would.
    micro_batch: m-sharpness in one process: the batch of `set_closure` is split in pieces of this many
        examples, each perturbed by its own gradient, and the resulting gradients are averaged. None: the
        whole batch.
    clip_norm: the greatest norm of the final gradient, the one the base optimizer gets. None: not clipped.
    scaler: a torch.amp.GradScaler. The closure scales its loss with it; `scaler.update()` stays the caller's.
    replay_randomness: all passes of a step draw the same random numbers (dropout).
    skip_nonfinite: a step whose gradient is not finite is not taken, as under a GradScaler (which does this
        itself where there is one), and `skipped_steps` counts it. It reads one number back from a GPU in
        each step, unless the base optimizer is fused. False: such a gradient is the base optimizer's to meet.
    min_lr, max_lr: with rho_schedule="proportion", the learning rates at which ρ is rho_min and at which it
        has its own value, with (ρ−ρmin)/(ρmax−ρmin) = (lr−lrmin)/(lrmax−lrmin) between them. max_lr=None is
        OneCycleLR's, where there is one, else the group's initial learning rate.
    settings: the optimizer's own, with defaults and bounds as in the catalogue. They are kept in the groups,
        under their names, or as in "gam_alpha" where the base optimizer has one of the same name.

    Raises UserError for settings out of bounds, for a base optimizer on other parameters or of a kind that
    cannot be one (LBFGS), and for FSDP and sparse gradients. A base optimizer serves one optimizer: a second
    one takes it over.
    A subclass names its `settings` and gives `direction`; one that keeps something from step to step also
    gives `remember`, and keeps it in `memory`. `gradient_evaluations` counts the gradients computed so far,
    each on a whole batch, a Hessian-vector product as two.
    """

    kept: ClassVar[tuple[str, ...]] = (
        *("perturbation", "micro_batch", "clip_norm", "scaler", "replay_randomness", "skip_nonfinite"),
        *("gradient_evaluations", "_skips", "_batch"),
    )

    def __init__(
        self,
        params: Iterable[Any],
        base_optimizer: Optimizer,
        *,
        model: nn.Module | None = None,
        perturbation: Literal["local", "global"] = "local",
        micro_batch: int | None = None,
        clip_norm: float | None = None,
        scaler: torch.amp.GradScaler | None = None,
        replay_randomness: bool = True,
        skip_nonfinite: bool = True,
        min_lr: float = 0.0,
        max_lr: float | None = None,
        **settings: Any,
    ):
        if perturbation not in ("local", "global"):
            raise UserError(f"perturbation must be 'local' or 'global', got {perturbation!r}")
        if micro_batch is not None and micro_batch < 1:
            raise UserError(f"micro_batch must be ≥ 1, got {micro_batch}")
        if clip_norm is not None and not clip_norm > 0:
            raise UserError(f"clip_norm must be > 0, got {clip_norm}")
        self.perturbation = perturbation
        self.micro_batch = micro_batch
        self.clip_norm = clip_norm
        self.scaler = scaler
        self.replay_randomness = replay_randomness
        self.skip_nonfinite = skip_nonfinite
        self.gradient_evaluations = 0
        self._skips = Skips()
        self._batch: Batch | None = None
        super().__init__(params, base_optimizer, model, min_lr, max_lr, settings)

    def direction(self, passes: Passes) -> Tensor | None:
        """The gradient that the base optimizer shall step with; None where `.grad` already holds it.

        Called for each closure of a step. A vector of its own; the work buffer only after `passes.restore()`,
        which overwrites it. Gradients are those of the loss, whatever a scaler multiplied it with.
        """
        raise NotImplementedError

    def remember(self, noted: Mapping[str, Tensor]) -> None:
        """Keep in `memory` what `direction` noted (`passes.note`): called once a step, if it is finite.

        Both hold flat vectors, in units of the loss, averaged over the parts of the batch and over workers.
        `memory` is in the state dict, and follows parameters that are moved, added or replaced.
        """

    def set_closure(self, loss_fn: Callable[[Any, Any], Tensor], inputs: Any, targets: Any) -> None:
        """The batch of the next `step()`, which returns its predictions and loss, at unperturbed parameters.

        loss_fn(predictions, targets) is the mean loss over the batch. With `micro_batch`, inputs, targets and
        predictions are tensors with the examples in their first dimension.
        """
        if self.model is None:
            raise UserError("set_closure needs the model: make the optimizer with model=model")
        model, scaler = self.model, self.scaler

        def evaluate(inputs: Any, targets: Any) -> tuple[Any, Tensor]:
            predictions = model(inputs)
            loss = loss_fn(predictions, targets)
            (loss if scaler is None else scaler.scale(loss)).backward()
            return predictions, loss

        self._batch = split(evaluate, inputs, targets, self.micro_batch)

    @torch.no_grad()
    def step(self, closure: Closure | Sequence[Closure] | None = None) -> Any:
        """One step on one batch. Returns what the closure returned first, at the unperturbed parameters.

        closure: runs forward and backward on the whole batch (in parts, if it likes: gradients add up) and
            returns anything, usually the loss. Called once a pass, with gradients cleared. A list of
            closures is m-sharpness: each is perturbed by its own gradient, the resulting gradients are
            averaged, and the list of their values is returned. None after `set_closure`.

        Raises UserError without a batch. What a closure raises passes through, parameters unperturbed.
        """
        batch, self._batch = self._batch, None
        if closure is not None:
            if self.micro_batch is not None:
                raise UserError(
                    "micro_batch splits the batch of set_closure; give step() a list of closures instead"
                )
            batch = closed(closure)
        if batch is None:
            raise UserError(
                "step() has no batch: call step(closure), or set_closure(loss_fn, inputs, targets) first"
            )
        self._notice_changes()
        if self._schedule is not None:
            for group in self.param_groups:
                self._schedule.follow(group)
        values, total, noted = self._set_gradient(batch)
        self._step_base(total)
        if noted and all(vector.sum().isfinite() for vector in noted.values()):
            self.remember(noted)
        return batch.join(values)

    def _set_gradient(self, batch: Batch) -> tuple[list[Any], Tensor | None, dict[str, Tensor]]:
        """Leave the gradient to step with in `.grad`. The closures' values, the gradient, what was noted."""
        alone = len(batch.closures) == 1
        local = bool(self._workers) and self.perturbation == "local"
        apart = self._workers.apart if local else nullcontext
        total: Tensor | None = None
        reached: set[int] = set()
        values, noted = [], dict[str, Tensor]()
        for closure, share in zip(batch.closures, batch.shares, strict=True):
            with Passes(
                closure,
                self._flat,
                self._statistics,
                self._randomness if self.replay_randomness else None,
                scale=self._scale(),
                context=apart,
                last_context=nullcontext if alone else apart,
            ) as passes:
                direction = self.direction(passes)
            values.append(passes.value)
            if alone:
                total = direction
            else:
                if direction is None:
                    direction = passes.take([p.grad for p in self._flat.parameters])
                total = direction * share if total is None else total.add_(direction, alpha=share)
            for name, vector in passes.noted.items():
                noted[name] = vector * share if name not in noted else noted[name].add_(vector, alpha=share)
            reached |= passes.reached
        self.gradient_evaluations += passes.evaluations
        if local:
            for vector in [*noted.values(), *([] if total is None else [total])]:
                self.average(vector)
        if total is not None:
            if local:  # workers must agree on which parameters move, even if only some workers reached them
                reached = {i for i, p in enumerate(self._flat.parameters) if p.requires_grad}
            self._flat.set_gradients(total if passes.scale is None else total * passes.scale, reached)
        return values, total, noted

    def _step_base(self, total: Tensor | None) -> None:
        base, scaler = self.base_optimizer, self.scaler
        finite = None
        if scaler is None and self.skip_nonfinite:
            finite = total_of(p.grad for p in self._flat.parameters) if total is None else total.sum()
        if self.clip_norm is not None:
            if scaler is not None:
                scaler.unscale_(base)
            nn.utils.clip_grad_norm_(self._flat.parameters, self.clip_norm)
        if scaler is not None:
            scaler.step(base)
        elif finite is None:
            step_inside(base)
        else:
            self._skips.step(base, finite)

    def _scale(self) -> Tensor | None:
        """What the scaler multiplies losses with."""
        if self.scaler is None or not self.scaler.is_enabled():
            return None
        return self.scaler.scale(torch.ones((), device=self._flat.buffer.device))

    @property
    def skipped_steps(self) -> int:
        """Steps not taken so far since their gradient was not finite; a GradScaler's are not among them."""
        return self._skips.count

    @property
    def step_was_skipped(self) -> bool:
        """Whether the last one was; HF Accelerate's schedulers ask for it."""
        return self._skips.last

    def average(self, vector: Tensor) -> None:
        """Replace a vector by its mean over DDP's workers."""
        self._workers.average(vector)

    @cached_property
    def _workers(self) -> Workers:
        check_wrapped(self.model, self._flat.parameters)  # DDP may have come after the optimizer
        return Workers(self.model)

    @cached_property
    def _statistics(self) -> RunningStatistics:
        return RunningStatistics(self.model)

    @cached_property
    def _randomness(self) -> Randomness:
        return Randomness(p.device for p in self._flat.parameters)
