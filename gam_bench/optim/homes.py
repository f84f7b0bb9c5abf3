"""Where in a model the parameters live, so that one put in another's place is noticed."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim import Optimizer


class Homes:
    """The places in a model of an optimizer's parameters."""

    def __init__(self, model: nn.Module | None, parameters: Sequence[Tensor]):
        known = {id(p) for p in parameters}
        self._slots: list[tuple[dict[str, nn.Parameter | None], str, Tensor]] = [
            (module._parameters, name, p)
            for module in modules(model)
            for name, p in module._parameters.items()
            if p is not None and id(p) in known
        ]

    def replaced(self) -> dict[Tensor, Tensor]:
        """Old to new, for parameters in whose place the model now has another of the same shape.

        `load_state_dict(assign=True)` does that, and `to` where torch is told to make new parameters.
        """
        moved: dict[Tensor, Tensor] = {
            old: now
            for holder, name, old in self._slots
            if (now := holder.get(name)) is not None and now is not old and now.shape == old.shape
        }
        self._slots = [(holder, name, moved.get(old, old)) for holder, name, old in self._slots]
        return moved


def modules(model: nn.Module | None) -> list[nn.Module]:
    """All modules of a model, each once. Asked in each step, so faster than `model.modules()`."""
    found: dict[nn.Module, None] = {}
    waiting = [model]
    while waiting:
        module = waiting.pop()
        if module is not None and module not in found:
            found[module] = None
            waiting.extend(module._modules.values())
    return list(found)


def replace_parameters(optimizer: Optimizer, moved: dict[Tensor, Tensor]) -> None:
    """Go on with the new ones, their state converted as `load_state_dict` would."""
    for group in optimizer.param_groups:
        group["params"] = [moved.get(p, p) for p in group["params"]]
    for old, new in moved.items():
        if old in optimizer.state:
            state = optimizer.state.pop(old)
            optimizer.state[new] = {name: _as(value, old, new) for name, value in state.items()}


def _as(value: object, old: Tensor, new: Tensor) -> object:
    fits = isinstance(value, Tensor) and value.shape == old.shape and value.dtype == old.dtype
    return value.to(new) if fits else value  # type: ignore[attr-defined]
