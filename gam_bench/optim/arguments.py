"""What a user may hand to an optimizer, checked in words."""

from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakSet

from pydantic import ValidationError
from torch import Tensor
from torch.optim import Optimizer

from gam_bench.errors import UserError, complaints, did_you_mean
from gam_bench.optim.catalog import Settings

_TAKEN: WeakSet[Optimizer] = WeakSet()


def checked(kind: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of `kind`, with its defaults. Raises UserError as in "rho must be ≥ 0, got -1"."""
    try:
        return kind(**values).model_dump()
    except ValidationError as error:
        name, complaint = complaints(error)[0]
        if name not in kind.model_fields:
            raise UserError(f"unknown setting {name!r}{did_you_mean(name, kind.model_fields)}") from None
        raise UserError(f"{name} {complaint}") from None


def adopt_groups(params: Iterable, base: Optimizer, settings: Mapping[str, Any], owner: str) -> None:
    """Write the settings into the base optimizer's groups, a group's own value before the common one.

    `params` are tensors, (name, tensor) pairs, or groups; they must be the base optimizer's parameters, and
    groups its groups in its order.
    """
    if base in _TAKEN:  # its groups hold the other's settings
        raise UserError(f"this {type(base).__name__} is another optimizer's base already; make a new one")
    clash = sorted(set(settings) & set(base.defaults))
    if clash:
        raise UserError(
            f"{owner} and {type(base).__name__} both have a setting {clash[0]!r}; "
            "they cannot share parameter groups"
        )
    given = list(params)
    if given and isinstance(given[0], dict):
        if len(given) != len(base.param_groups):
            raise UserError(
                f"{owner} has {len(given)} parameter groups, its base optimizer {len(base.param_groups)}; "
                "make both with the same groups"
            )
        pairs = list(zip(given, base.param_groups, strict=True))
    else:
        together = {"params": [p for group in base.param_groups for p in group["params"]]}
        pairs = [({"params": given}, together)]
    for group, base_group in pairs:
        if set(map(id, _tensors(group["params"]))) != set(map(id, base_group["params"])):
            raise UserError(
                f"the base optimizer holds other parameters than {owner} was given; make both on the same: "
                f"base = SGD(model.parameters(), ...); {owner}(model.parameters(), base)"
            )
        for name, value in group.items():
            if name in settings:
                base_group[name] = value
            elif name not in ("params", "param_names") and base_group.get(name) is not value:
                raise UserError(f"{name!r} belongs in the base optimizer's parameter group, not in {owner}'s")
    for base_group in base.param_groups:
        for name, value in settings.items():
            base_group.setdefault(name, value)
    _TAKEN.add(base)


def _tensors(params: Any) -> list[Tensor]:
    """The tensors in what a torch optimizer's group takes: one, several, or (name, tensor) pairs."""
    if isinstance(params, Tensor):
        return [params]
    return [item[1] if isinstance(item, tuple) else item for item in params]
