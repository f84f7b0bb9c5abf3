"""One step's batch: the closures that evaluate it, each one's share, and what their values are together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map, tree_map_only

Closure = Callable[[], Any]


@dataclass(frozen=True)
class Batch:
    """Closures, and the share of the batch that each evaluates."""

    closures: Sequence[Closure]
    shares: Sequence[float]
    join: Callable[[list[Any]], Any]  # their values at unperturbed parameters, to what `step` returns


def closed(closure: Closure | Sequence[Closure]) -> Batch:
    """The batch of one closure, whose value is returned, or of several, of equal shares."""
    if callable(closure):
        return Batch([closure], [1.0], lambda values: values[0])
    closures = list(closure)
    return Batch(closures, [1 / len(closures)] * len(closures), list)


def split(
    evaluate: Callable[[Any, Any], tuple[Any, Tensor]], inputs: Any, targets: Any, size: int | None
) -> Batch:
    """A batch in pieces of `size` examples, or whole; its value is predictions and mean loss of all of it.

    evaluate: runs forward and backward on inputs and targets.
    """
    pieces = [(inputs, targets)]
    shares = [1.0]
    if size is not None:
        pieces = list(zip(inputs.split(size), targets.split(size), strict=True))
        shares = [len(piece) / len(targets) for _, piece in pieces]

    def of(piece: tuple[Any, Any]) -> Closure:
        return lambda: evaluate(*piece)

    return Batch([of(piece) for piece in pieces], shares, lambda values: _joined(values, shares))


def _joined(values: list[tuple[Any, Tensor]], shares: Sequence[float]) -> tuple[Any, Tensor]:
    """Predictions and loss of a whole batch from those of its pieces, without their graphs."""
    if len(values) == 1:
        predictions, loss = values[0]
        if isinstance(predictions, Tensor):
            return predictions.detach(), loss.detach()
        return tree_map_only(Tensor, torch.Tensor.detach, predictions), loss.detach()
    loss = torch.stack([loss.detach() * share for (_, loss), share in zip(values, shares, strict=True)]).sum()
    first, *others = (predictions for predictions, _ in values)

    def together(*parts: Any) -> Any:
        return torch.cat([part.detach() for part in parts]) if isinstance(parts[0], Tensor) else parts[0]

    return tree_map(together, first, *others), loss
