"""The step that all sharpness-aware optimizers share; each of them adds its formula."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import Any, ClassVar, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from gam_bench.errors import UserError
from gam_bench.optim.arguments import check_base, check_supported, checked
from gam_bench.optim.catalog import Settings
from gam_bench.optim.flat import Flat
from gam_bench.optim.groups import adopt, keys_beside, matched, note_written, owned_by_another, release
from gam_bench.optim.homes import Homes, replace_parameters
from gam_bench.optim.passes import Passes
from gam_bench.optim.replay import Randomness, RunningStatistics
from gam_bench.optim.schedule import Proportion

Closure = Callable[[], Any]


class SharpnessAware(Optimizer):
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
    min_lr, max_lr: with rho_schedule="proportion", the learning rates at which ρ is rho_min and at which it
        has its own value, with (ρ−ρmin)/(ρmax−ρmin) = (lr−lrmin)/(lrmax−lrmin) between them. max_lr=None is
        OneCycleLR's, where there is one, else the group's initial learning rate.
    settings: the optimizer's own, with defaults and bounds as in the catalogue. They are kept in the groups,
        under their names, or as in "gam_alpha" where the base optimizer has one of the same name.

    Raises UserError for settings out of bounds, for a base optimizer on other parameters or of a kind that
    cannot be one (LBFGS), and for FSDP and sparse gradients. A base optimizer serves one optimizer: a second
    one takes it over.
    A subclass names its `settings` and gives `direction`. `gradient_evaluations` counts the gradients
    computed so far, each on a whole batch, a Hessian-vector product as two.
    """

    settings: ClassVar[type[Settings]]
    common: ClassVar[tuple[str, ...]] = ()  # settings that may not differ between parameter groups

    def __init__(
        self,
        params: Iterable,
        base_optimizer: Optimizer,
        *,
        model: nn.Module | None = None,
        perturbation: Literal["local", "global"] = "local",
        micro_batch: int | None = None,
        clip_norm: float | None = None,
        scaler: torch.amp.GradScaler | None = None,
        replay_randomness: bool = True,
        min_lr: float = 0.0,
        max_lr: float | None = None,
        **settings: Any,
    ):
        owner = type(self).__name__
        check_base(base_optimizer)
        if perturbation not in ("local", "global"):
            raise UserError(f"perturbation must be 'local' or 'global', got {perturbation!r}")
        if micro_batch is not None and micro_batch < 1:
            raise UserError(f"micro_batch must be ≥ 1, got {micro_batch}")
        if clip_norm is not None and not clip_norm > 0:
            raise UserError(f"clip_norm must be > 0, got {clip_norm}")
        values = checked(self.settings, settings)
        given = matched(params, base_optimizer, owner)
        check_supported([p for group in base_optimizer.param_groups for p in group["params"]], model)
        self._keys = keys_beside(base_optimizer, values, owner)
        self._own = {self._keys[name]: value for name, value in values.items()}
        adopt(
            self, base_optimizer, given, {name: (self._keys[name], value) for name, value in values.items()}
        )
        self.base_optimizer = base_optimizer
        self.model = model
        self.perturbation = perturbation
        self.micro_batch = micro_batch
        self.clip_norm = clip_norm
        self.scaler = scaler
        self.replay_randomness = replay_randomness
        self.min_lr = min_lr
        self.max_lr = max_lr
        self.gradient_evaluations = 0
        self._batch: tuple[list[Closure], list[float]] | None = None
        try:
            super().__init__(base_optimizer.param_groups, base_optimizer.defaults | self._own)
        except UserError:
            release(base_optimizer)
            raise
        self.param_groups = base_optimizer.param_groups
        self.state = base_optimizer.state

    def direction(self, passes: Passes) -> Tensor | None:
        """The gradient that the base optimizer shall step with; None where `.grad` already holds it.

        A vector of its own, not the work buffer: restoring the parameters overwrites that.
        """
        raise NotImplementedError

    def setting(self, name: str) -> Any:
        """A setting of the parameter groups: one value, or a flat vector where they differ."""
        key = self._keys[name]
        first, *others = (group[key] for group in self.param_groups)
        if all(value == first for value in others):
            return first
        return self._flat.vector([group[key] for group in self.param_groups for _ in group["params"]])

    def set_closure(self, loss_fn: Callable[[Any, Any], Tensor], inputs: Any, targets: Any) -> None:
        """The batch of the next `step()`, which returns its predictions and loss, at unperturbed parameters.

        loss_fn(predictions, targets) is the mean loss over the batch. With `micro_batch`, inputs, targets and
        predictions are tensors with the examples in their first dimension.
        """
        if self.model is None:
            raise UserError("set_closure needs the model: make the optimizer with model=model")
        if self.micro_batch is None:
            self._batch = [self._pass_over(loss_fn, inputs, targets)], [1.0]
        else:
            pieces = zip(inputs.split(self.micro_batch), targets.split(self.micro_batch), strict=True)
            self._batch = (
                [self._pass_over(loss_fn, *piece) for piece in pieces],
                [len(piece) / len(targets) for piece in targets.split(self.micro_batch)],
            )

    def _pass_over(self, loss_fn: Callable[[Any, Any], Tensor], inputs: Any, targets: Any) -> Closure:
        model, scaler = self.model, self.scaler
        assert model is not None

        def closure() -> tuple[Any, Tensor]:
            predictions = model(inputs)
            loss = loss_fn(predictions, targets)
            (loss if scaler is None else scaler.scale(loss)).backward()
            return predictions, loss

        return closure

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
        if closure is None:
            if batch is None:
                raise UserError(
                    "step() has no batch: call step(closure), or set_closure(loss_fn, inputs, targets) first"
                )
            closures, shares = batch
        else:
            if self.micro_batch is not None:
                raise UserError(
                    "micro_batch splits the batch of set_closure; give step() a list of closures instead"
                )
            closures = [closure] if callable(closure) else list(closure)
            shares = [1 / len(closures)] * len(closures)
        self._notice_changes()
        if self._schedule is not None:
            for group in self.param_groups:
                self._schedule.follow(group)
        values = self._set_gradient(closures, shares)
        self._step_base()
        if closure is None:
            return _joined(values, shares)
        return values[0] if callable(closure) else values

    def _set_gradient(self, closures: list[Closure], shares: list[float]) -> list:
        """Leave the gradient to step with in `.grad`; the closures' values, at unperturbed parameters."""
        alone = len(closures) == 1
        local = self._workers is not None and self.perturbation == "local"
        apart = self._no_sync if local else nullcontext
        total: Tensor | None = None
        reached: set[int] = set()
        values = []
        for closure, share in zip(closures, shares, strict=True):
            with Passes(
                closure,
                self._flat,
                self._statistics,
                self._randomness if self.replay_randomness else None,
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
            reached |= passes.reached
        self.gradient_evaluations += passes.evaluations
        if total is not None:
            if local:
                self.average(total)
                # Workers must agree on which parameters move, even if only some workers reached them.
                reached = {i for i, p in enumerate(self._flat.parameters) if p.requires_grad}
            self._flat.set_gradients(total, reached)
        return values

    def _step_base(self) -> None:
        base, scaler = self.base_optimizer, self.scaler
        if self.clip_norm is not None:
            if scaler is not None:
                scaler.unscale_(base)
            nn.utils.clip_grad_norm_(self._flat.parameters, self.clip_norm)
        if scaler is None:
            base.step()
        else:
            scaler.step(base)

    def average(self, vector: Tensor) -> None:
        """Replace a vector by its mean over DDP's workers."""
        assert self._workers is not None
        dist.all_reduce(vector, group=self._workers)
        vector /= dist.get_world_size(self._workers)

    @cached_property
    def _workers(self) -> dist.ProcessGroup | None:
        bare = getattr(self.model, "_orig_mod", self.model)  # under torch.compile
        return bare.process_group if isinstance(bare, DistributedDataParallel) else None

    def _no_sync(self) -> AbstractContextManager:
        """DDP's, under which a pass leaves the workers' gradients apart; nothing without DDP."""
        return nullcontext() if self._workers is None else self.model.no_sync()  # type: ignore[union-attr, operator]

    def _notice_changes(self) -> None:
        """What befell the parameters since the last step: loaded by the base, added, moved, replaced."""
        base = self.base_optimizer
        if owned_by_another(base, self):
            raise UserError(
                f"this {type(self).__name__}'s base optimizer serves another one now; step that one, "
                f"or give each its own {type(base).__name__}"
            )
        if self.param_groups is not base.param_groups:
            self.param_groups, self.state = base.param_groups, base.state
            self._complete_groups()
        if moved := self._homes.replaced():
            replace_parameters(base, moved)
        if not self._flat.fits(self._parameters()):
            self._complete_groups()
            for cached in ("_flat", "_homes", "_randomness"):
                self.__dict__.pop(cached, None)

    def _complete_groups(self) -> None:
        """Groups that came past us have the constructor's settings where they have none."""
        for group in self.param_groups:
            for key, value in self._own.items():
                group.setdefault(key, value)
            if self._schedule is not None:
                self._schedule.start(group)

    @property
    def _schedule(self) -> Proportion | None:
        key = self._keys.get("rho_schedule")
        if key is None or self.param_groups[0][key] != "proportion":
            return None
        return Proportion(self._keys, self.min_lr, self.max_lr)

    def _parameters(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    @cached_property
    def _flat(self) -> Flat:
        return Flat(self._parameters())

    @cached_property
    def _homes(self) -> Homes:
        return Homes(self.model, self._flat.parameters)

    @cached_property
    def _statistics(self) -> RunningStatistics:
        return RunningStatistics(self.model)

    @cached_property
    def _randomness(self) -> Randomness:
        return Randomness(p.device for p in self._flat.parameters)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Give the base optimizer another group; settings it does not name are those of the constructor."""
        for key, value in self._own.items():
            param_group.setdefault(key, value)
        values = checked(self.settings, {name: param_group[key] for name, key in self._keys.items()})
        for name in self.common:
            if any(group[self._keys[name]] != values[name] for group in self.param_groups):
                raise UserError(f"{self._keys[name]} must be the same in all parameter groups")
        if self.param_groups is self.base_optimizer.param_groups:
            self.base_optimizer.add_param_group(param_group)
        else:  # Optimizer.__init__ adds the base optimizer's groups one by one
            super().add_param_group(param_group)
        if self._schedule is not None:
            self._schedule.start(param_group)
            note_written(self.base_optimizer, self._schedule.keys())

    def __getstate__(self) -> dict[str, Any]:
        kept = {"base_optimizer", "model", "perturbation", "micro_batch", "clip_norm", "scaler", "min_lr"}
        kept |= {"max_lr", "_keys", "_own", "replay_randomness", "gradient_evaluations", "_batch"}
        return super().__getstate__() | {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "base_optimizer" not in state:  # Optimizer.load_state_dict brings new groups and state
            self._complete_groups()
            self.base_optimizer.__setstate__({"state": self.state, "param_groups": self.param_groups})

    def __repr__(self) -> str:
        return f"{type(self).__name__} around {self.base_optimizer!r}"


def _joined(values: list[tuple[Any, Tensor]], shares: list[float]) -> tuple[Any, Tensor]:
    """Predictions and loss of a whole batch from those of its pieces."""
    if len(values) == 1:
        predictions, loss = values[0]
        return (predictions.detach() if isinstance(predictions, Tensor) else predictions), loss.detach()
    loss = torch.stack([loss.detach() * share for (_, loss), share in zip(values, shares, strict=True)]).sum()
    return torch.cat([predictions.detach() for predictions, _ in values]), loss
