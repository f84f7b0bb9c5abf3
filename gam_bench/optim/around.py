"""An optimizer around a base optimizer, whose parameter groups and state it shares."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.optim import Optimizer

from gam_bench.errors import UserError
from gam_bench.optim.arguments import check_base, check_supported, checked
from gam_bench.optim.catalog import Settings
from gam_bench.optim.flat import Flat
from gam_bench.optim.groups import adopt, keys_beside, matched, note_written, owned_by_another, release
from gam_bench.optim.homes import Homes, replace_parameters
from gam_bench.optim.schedule import Proportion
from gam_bench.optim.workers import check_wrapped


class AroundBase(Optimizer):
    """Groups, settings, state and memory: all of an optimizer but its step.

    Arguments and errors: see SharpnessAware.
    """

    settings: ClassVar[type[Settings]]
    common: ClassVar[tuple[str, ...]] = ()  # settings that may not differ between parameter groups
    kept: ClassVar[tuple[str, ...]] = ()  # attributes that a copy has, too
    _is_accelerate_prepared = True  # HF Accelerate wraps other optimizers, which would hide `set_closure`

    def __init__(
        self,
        params: Iterable[Any],
        base_optimizer: Optimizer,
        model: nn.Module | None,
        min_lr: float,
        max_lr: float | None,
        settings: Mapping[str, Any],
    ):
        owner = type(self).__name__
        check_base(base_optimizer)
        values = checked(self.settings, settings)
        given = matched(params, base_optimizer, owner)
        parameters = [p for group in base_optimizer.param_groups for p in group["params"]]
        check_supported(parameters, model)
        check_wrapped(model, parameters)
        self._keys = keys_beside(base_optimizer, values, owner)
        self._own = {self._keys[name]: value for name, value in values.items()}
        adopt(
            self, base_optimizer, given, {name: (self._keys[name], value) for name, value in values.items()}
        )
        self.base_optimizer = base_optimizer
        self.model = model
        self.min_lr = min_lr
        self.max_lr = max_lr
        self.memory: dict[str, Tensor] = {}
        try:
            super().__init__(base_optimizer.param_groups, base_optimizer.defaults | self._own)
        except UserError:
            release(base_optimizer)
            raise
        self.param_groups = base_optimizer.param_groups
        self.state = base_optimizer.state
        self._homes = Homes(model, parameters)

    @property
    def optimizer(self) -> "AroundBase":
        """What HF Accelerate's wrapper has inside; here the optimizer itself."""
        return self

    def setting(self, name: str) -> Any:
        """A setting of the parameter groups: one value, or a flat vector where they differ."""
        key = self._keys[name]
        first, *others = [group[key] for group in self.param_groups]
        if not others or all(value == first for value in others):
            return first
        return self._flat.vector([group[key] for group in self.param_groups for _ in group["params"]])

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
            self.memory = self._flat.carried(self.memory, self._parameters(), moved)
            for cached in ("_flat", "_randomness"):
                self.__dict__.pop(cached, None)
            self._homes = Homes(self.model, self._flat.parameters)

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

    def state_dict(self) -> dict[str, Any]:
        """The base optimizer's, with our settings in its groups; with `memory`, a tensor a parameter."""
        state = super().state_dict()
        if self.memory:
            tensors = {name: self._flat.unflattened(vector) for name, vector in self.memory.items()}
            state["memory"] = {name: [t.clone() for t in given] for name, given in tensors.items()}
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._notice_changes()
        memory = state_dict.get("memory", {})
        self.memory = {name: self._flat.flattened(tensors) for name, tensors in memory.items()}

    def __getstate__(self) -> dict[str, Any]:
        kept = {"base_optimizer", "model", "min_lr", "max_lr", "memory", "_keys", "_own", *self.kept}
        return super().__getstate__() | {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "base_optimizer" not in state:  # Optimizer.load_state_dict brings new groups and state
            self._complete_groups()
            self.base_optimizer.__setstate__({"state": self.state, "param_groups": self.param_groups})
        else:  # a copy
            self._homes = Homes(self.model, self._parameters())

    def __repr__(self) -> str:
        return f"{type(self).__name__} around {self.base_optimizer!r}"
