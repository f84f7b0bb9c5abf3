"""All parameters as one vector, so that a formula about θ can be written, and run, as one."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor


@dataclass
class Step:
    """ρ v/‖v‖: a way to go from a point, not multiplied out."""

    radius: float
    vector: Tensor
    norm: Tensor  # a single number


class Flat:
    """One work buffer over all parameters, and a view of it in the shape and memory order of each.

    float32 at least, so that norms of half-precision gradients do not underflow; complex numbers are pairs.
    Everything passes through the one buffer: copying in or out is a single operation over the list of
    views, its address never changes, and it serves as `.grad` in the base optimizer's step.
    """

    def __init__(self, parameters: Sequence[Tensor]):
        self.parameters = list(parameters)
        self._layout = _layout(parameters)
        self._lent: list[Tensor] = []
        self.rooms = 0  # how many vectors a step has taken at most
        self.sizes = [p.numel() * (2 if p.is_complex() else 1) for p in self.parameters]

    @cached_property
    def buffer(self) -> Tensor:
        types = (p.dtype.to_real() for p in self.parameters)
        dtype = functools.reduce(torch.promote_types, types, torch.float32)
        return torch.zeros(sum(self.sizes), dtype=dtype, device=self.parameters[0].device)

    @cached_property
    def views(self) -> list[Tensor]:
        return self.unflattened(self.buffer)

    def fits(self, parameters: Sequence[Tensor]) -> bool:
        """Whether these are the parameters it was made for, in the type, place and memory order of then."""
        return _layout(parameters) == self._layout

    def load(self, tensors: Sequence[Tensor | None]) -> Tensor:
        """Copy tensors shaped as the parameters into the buffer, None as zeros. Returns the buffer."""
        given = [t for t in tensors if t is not None]
        views = self.views
        if len(given) < len(views):
            self.buffer.zero_()
            views = [view for view, t in zip(views, tensors, strict=True) if t is not None]
        if given:
            torch._foreach_copy_(views, given)
        return self.buffer

    def set_parameters(self, vector: Tensor, *steps: "Step") -> None:
        """Parameters become `vector` plus the steps. Only the first may lie along the buffer itself."""
        if not steps:
            self.buffer.copy_(vector)
        for step in steps:
            vector = torch.addcdiv(vector, step.vector, step.norm, value=step.radius, out=self.buffer)
        torch._foreach_copy_(self.parameters, self.views)

    def set_gradients(self, vector: Tensor, which: set[int]) -> None:
        """`.grad` becomes the parameters' parts of `vector`; None for those not in `which`."""
        if vector is not self.buffer:
            self.buffer.copy_(vector)
        for i, (parameter, gradient) in enumerate(zip(self.parameters, self._gradients(), strict=True)):
            parameter.grad = gradient if i in which else None

    def _gradients(self) -> list[Tensor]:
        """The buffer's parts as tensors to hand out, of the parameters' types.

        Not the views themselves: `Module.to` gives `.grad` other data, and the views must stay the buffer's.
        """
        lent = self._lent
        if not all(one.data_ptr() == view.data_ptr() for one, view in zip(lent, self.views, strict=False)):
            lent.clear()
        if not lent:
            pairs = zip(self.views, self.parameters, strict=True)
            given = [view.to(p).detach() for view, p in pairs]
            if any(p.dtype != self.buffer.dtype for p in self.parameters):
                return given  # converted, so anew in each step
            lent.extend(given)
        return lent

    def flattened(self, tensors: Sequence[Tensor | None]) -> Tensor:
        """Tensors shaped as the parameters, as a vector of their own; None as zeros."""
        return self.load(tensors).clone()

    def unflattened(self, vector: Tensor) -> list[Tensor]:
        """A vector's parts in the shapes of the parameters, which share its memory."""
        return [
            _shaped(piece, p)
            for piece, p in zip(torch.split(vector, self.sizes), self.parameters, strict=True)
        ]

    def carried(
        self, vectors: Mapping[str, Tensor], parameters: Sequence[Tensor], moved: Mapping[Tensor, Tensor]
    ) -> dict[str, Tensor]:
        """Vectors for other parameters from those for these: replaced ones keep theirs, new ones have 0."""
        if not vectors:
            return {}
        new, here = Flat(parameters), [moved.get(p, p) for p in self.parameters]
        parts = {name: dict(zip(here, self.unflattened(v), strict=True)) for name, v in vectors.items()}
        return {name: new.flattened([of.get(p) for p in parameters]) for name, of in parts.items()}

    def vector(self, values: Sequence[float]) -> Tensor:
        """A vector with one value for all of a parameter's numbers."""
        pieces = [self.buffer.new_full((n,), value) for n, value in zip(self.sizes, values, strict=True)]
        return torch.cat(pieces)


def _layout(parameters: Sequence[Tensor]) -> list[tuple[Any, ...]]:
    return [(id(p), p.dtype, p.device, p.shape, p.stride()) for p in parameters]


def _shaped(piece: Tensor, parameter: Tensor) -> Tensor:
    if parameter.is_complex():
        return torch.view_as_complex(piece.view(*parameter.shape, 2))
    return piece.as_strided(parameter.shape, torch.empty_like(parameter, device="meta").stride())
