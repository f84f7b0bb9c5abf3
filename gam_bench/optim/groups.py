"""The base optimizer's parameter groups, which carry the settings of the optimizer around it, too."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary, ref

from torch import Tensor
from torch.optim import Optimizer

from gam_bench.errors import UserError

_OWNERS: WeakKeyDictionary[Optimizer, tuple[ref[Optimizer], set[tuple[int, str]]]] = WeakKeyDictionary()
"""Of a base optimizer: whose base it is, and what that one wrote, as (group's number, key)."""


def keys_beside(base: Optimizer, settings: Iterable[str], owner: str) -> dict[str, str]:
    """The group's key of each setting: its name, or "gam_alpha" beside RMSprop, which has an `alpha`."""
    return {name: f"{owner.lower()}_{name}" if name in base.defaults else name for name in settings}


def matched(params: Iterable[Any], base: Optimizer, owner: str) -> list[dict[str, Any]]:
    """What `params` say of each of the base optimizer's groups, in its order; empty where they are no groups.

    `params` are tensors, (name, tensor) pairs, or groups. Raises UserError unless they are the base
    optimizer's parameters, and groups its groups.
    """
    given = list(params)
    groups: Sequence[Mapping[str, Any]] = base.param_groups
    if given and isinstance(given[0], dict):
        if len(given) != len(groups):
            raise UserError(
                f"{owner} has {len(given)} parameter groups, its base optimizer {len(groups)}; "
                "make both with the same groups"
            )
        pairs = list(zip(given, groups, strict=True))
    else:
        together = {"params": [p for group in groups for p in group["params"]]}
        pairs = [({"params": given}, together)]
    for group, base_group in pairs:
        if set(map(id, tensors_in(group["params"]))) != set(map(id, base_group["params"])):
            raise UserError(
                f"the base optimizer holds other parameters than {owner} was given; make both on the same: "
                f"base = SGD(model.parameters(), ...); {owner}(model.parameters(), base)"
            )
    return [group for group, _ in pairs] if len(pairs) == len(groups) else [{} for _ in groups]


def adopt(
    owner: Optimizer, base: Optimizer, given: Sequence[Mapping[str, Any]], own: Mapping[str, tuple[str, Any]]
) -> None:
    """Write the settings into the base optimizer's groups, a group's own value before the common one.

    given: what the user's groups say, a mapping a group. own: the key and the common value of each setting.
    A base optimizer that had another owner is taken over; what that one wrote is forgotten.
    """
    for group, base_group in zip(given, base.param_groups, strict=True):
        for name, value in group.items():
            if (
                name not in own
                and name not in ("params", "param_names")
                and base_group.get(name) is not value
            ):
                kind = type(owner).__name__
                raise UserError(f"{name!r} belongs in the base optimizer's parameter group, not in {kind}'s")
    release(base)
    before = [set(group) for group in base.param_groups]
    for group, base_group in zip(given, base.param_groups, strict=True):
        base_group.update({own[name][0]: value for name, value in group.items() if name in own})
        for key, value in own.values():
            base_group.setdefault(key, value)
    written = {(i, key) for i, group in enumerate(base.param_groups) for key in set(group) - before[i]}
    _OWNERS[base] = ref(owner), written


def note_written(base: Optimizer, keys: Iterable[str]) -> None:
    """These keys of all groups are the owner's, too."""
    if base in _OWNERS:  # a copy of an optimizer has no entry
        _OWNERS[base][1].update((i, key) for i in range(len(base.param_groups)) for key in keys)


def release(base: Optimizer) -> None:
    """Forget the owner, and take what it wrote out of the groups."""
    for number, key in _OWNERS.pop(base, (None, set()))[1]:
        base.param_groups[number].pop(key, None)


def owned_by_another(base: Optimizer, owner: Optimizer) -> bool:
    entry = _OWNERS.get(base)
    return entry is not None and entry[0]() is not owner


def tensors_in(params: Any) -> list[Tensor]:
    """The tensors in what a torch optimizer's group takes: one, several, or (name, tensor) pairs."""
    if isinstance(params, Tensor):
        return [params]
    return [item[1] if isinstance(item, tuple) else item for item in params]
