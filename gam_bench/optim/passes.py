"""The passes of one step: a batch's gradient at θ and at points around it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from gam_bench.optim.arguments import check_dense
from gam_bench.optim.flat import Flat, Step
from gam_bench.optim.replay import Randomness, RunningStatistics

TINY = 1e-12  # ξ in the formulas
LARGE = 1 << 18  # numbers: from here on vectors of a step share one allocation
ALIGNED = 32  # numbers: vectors begin at a cache line, as they would in memory of their own


class Passes:
    """Evaluates one closure at θ and at points around it, as often as asked, always the same function of θ.

    A context manager: on leaving, by an exception too, parameters are bit for bit what they were and running
    statistics are what the first pass made them. Vectors are flat, over all parameters, and gradients are the
    loss's: a scaler's factor is taken out of them.
    """

    def __init__(
        self,
        closure: Callable[[], Any],
        flat: Flat,
        statistics: RunningStatistics,
        randomness: Randomness | None,
        scale: Tensor | None = None,
        context: Callable[[], AbstractContextManager[Any]] = nullcontext,
        last_context: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ):
        self.value: Any = None  # what the closure returned at θ; if it was never there, in the first pass
        self.evaluations = 0  # gradients so far
        self.reached: set[int] = set()  # positions of the parameters that had a gradient in some pass
        self.noted: dict[str, Tensor] = {}
        self.flat = flat
        self.scale = scale
        self._closure = closure
        self._statistics = statistics
        self._randomness = randomness
        self._context = context  # DDP's no_sync, where the workers' gradients are to stay apart
        self._last_context = last_context
        self._theta: Tensor | None = None
        self._enabled = torch.enable_grad()
        self._runs = 0
        self._away = False  # from θ
        self._taken = 0
        self._rooms: list[Tensor] = []
        self._valued = False

    @property
    def theta(self) -> Tensor:
        """The parameters at the start of the step."""
        if self._theta is None:  # the last moment before the buffer holds something
            self._theta = self._kept(self.flat.load(self.flat.parameters))
        return self._theta

    def room(self) -> Tensor | None:
        """Where to write a vector that stays for the rest of the step; None for memory of its own.

        Large ones are all in one allocation, as many as the last step took: of single ones, freed together,
        the C library gives the memory back to the system in each step, and every page is fetched anew.
        """
        flat, size = self.flat, len(self.flat.buffer)
        self._taken += 1
        if self._taken > flat.rooms:
            flat.rooms = self._taken
            return None
        if size < LARGE or flat.rooms == 1:
            return None
        if not self._rooms:
            self._rooms = list(flat.buffer.new_empty(flat.rooms, size + -size % ALIGNED)[:, :size])
        return self._rooms.pop()

    def _kept(self, vector: Tensor) -> Tensor:
        place = self.room()
        return vector.clone() if place is None else place.copy_(vector)

    def note(self, name: str, vector: Tensor) -> None:
        """Have a vector averaged over the parts of the batch, for the optimizer's `remember`."""
        self.noted[name] = vector.clone()

    def gradient(self, *steps: Step, keep: bool = False) -> Tensor:
        """The gradient at θ plus the steps, in the work buffer: the next pass overwrites it.

        keep: in a vector of its own, for the rest of the step.
        """
        with self._context():
            self.run(*steps)
        return self.take([parameter.grad for parameter in self.flat.parameters], keep)

    def take(self, gradients: Sequence[Tensor | None], keep: bool = False) -> Tensor:
        """One gradient a parameter, as a vector, in the work buffer, or in its own."""
        if len(self.reached) < len(gradients):
            self.reached.update(i for i, gradient in enumerate(gradients) if gradient is not None)
        return self.unscaled(gradients, keep)

    def unscaled(self, tensors: Sequence[Tensor | None], keep: bool = False) -> Tensor:
        """Tensors in the scaler's units as a vector in the loss's, in the work buffer, or in its own."""
        assert self.theta is not None
        vector = self.flat.load(tensors)
        if self.scale is not None:
            vector.div_(self.scale)
        return self._kept(vector) if keep else vector

    def last_gradient(self, *steps: Step) -> None:
        """As `gradient`, left in `.grad` for the base optimizer."""
        with self._last_context():
            self.run(*steps)

    def run(self, *steps: Step) -> None:
        """Call the closure at θ plus the steps. What its backward makes is in `.grad`."""
        if self._runs == 0:
            if self._randomness:
                self._randomness.keep()
        else:
            if self._runs == 1:
                self._statistics.keep()
            if self._randomness:
                self._randomness.replay()
        self._runs += 1
        if steps or self._theta is not None:
            self._away = True
            self.flat.set_parameters(self.theta, *steps)
        for parameter in self.flat.parameters:
            parameter.grad = None
        self.evaluations += 1
        with self._enabled:
            value = self._closure()
        if self._runs == 1:
            check_dense(parameter.grad for parameter in self.flat.parameters)
        if self._runs == 1 or not (steps or self._valued):
            self.value, self._valued = value, not steps

    def restore(self) -> None:
        """Go back to θ, through the work buffer. Done on leaving; sooner where that shall hold something."""
        if self._away:
            self.flat.set_parameters(self.theta)
            self._away = False

    def __enter__(self) -> "Passes":
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()
        if self._runs > 1:
            self._statistics.restore()


def ascent(vector: Tensor, radius: float | Tensor, weights: Tensor | None = None, tiny: float = TINY) -> Step:
    """ρ v/(‖v‖+ξ), the step of length ρ along v. With `weights` w, ASAM's: ρ w²v/(‖|w|v‖+ξ)."""
    if weights is not None:
        vector = weights * vector
    norm = vector.dot(vector).sqrt_().add_(tiny)
    if weights is not None:
        vector = weights * vector
    if isinstance(radius, Tensor):  # one for each of the vector's numbers
        return Step(1.0, radius * vector, norm)
    return Step(radius, vector, norm)
