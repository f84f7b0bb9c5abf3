"""One optimizer step, called from the epoch loop: as it is written, or replayed as a CUDA graph."""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from gam_bench.errors import UserError
from gam_bench.optim import SharpnessAware
from gam_bench.suite.spec import RunSpec

LossFn = Callable[[Tensor, Tensor], Tensor]
WARM_UP = 3
"""Steps before a graph is captured: cuDNN and the allocator settle, and the optimizer makes its state."""


class Step(Protocol):
    def __call__(self, images: Tensor, labels: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        """Step on one batch; returns predictions and mean loss at the weights before it."""
        ...


class EagerStep:
    """The step as it is written."""

    def __init__(self, optimizer: SharpnessAware, loss_fn: LossFn):
        self.optimizer = optimizer
        self.loss_fn = loss_fn

    def __call__(self, images: Tensor, labels: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        self.set_rate(rate)
        return self.step(images, labels)

    def set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def step(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self.optimizer.set_closure(self.loss_fn, images, labels)
        return self.optimizer.step()


class GraphedStep:
    """The same step, all passes and the update, captured once as a CUDA graph and replayed batch by batch.

    The first steps, and batches of another size (the last of an epoch), run as written. Needs learning rates
    that are tensors on the device, and a model that draws no random numbers.
    """

    def __init__(self, eager: EagerStep):
        self._eager = eager
        self._warm = 0
        self._stream = torch.cuda.Stream()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._passes = 0

    def __call__(self, images: Tensor, labels: Tensor, rate: float) -> tuple[Tensor, Tensor]:
        self._eager.set_rate(rate)
        if self._warm < WARM_UP:
            return self._warm_up(images, labels)
        if self._graph is None:
            self._graph = self._capture(images, labels)
        if images.shape != self._images.shape:
            return self._eager.step(images, labels)
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._graph.replay()
        self._eager.optimizer.gradient_evaluations += self._passes
        return self._predictions, self._loss

    def _warm_up(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """A real step, on the side stream that capturing wants."""
        self._warm += 1
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            out = self._eager.step(images, labels)
        torch.cuda.current_stream().wait_stream(self._stream)
        return out

    def _capture(self, images: Tensor, labels: Tensor) -> torch.cuda.CUDAGraph:
        """Record the step without running it."""
        optimizer = self._eager.optimizer
        self._images, self._labels = images.clone(), labels.clone()
        optimizer.zero_grad(set_to_none=True)
        before = optimizer.gradient_evaluations
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._predictions, self._loss = self._eager.step(self._images, self._labels)
        self._passes = optimizer.gradient_evaluations - before
        optimizer.gradient_evaluations = before
        return graph


def require_capturable(spec: RunSpec, model: nn.Module, device: torch.device) -> None:
    """Raise UserError, with every reason, when this run's step cannot be captured as a graph."""
    obstacles = {
        "the device is no GPU": device.type != "cuda",
        "it has several processes": spec.processes > 1,
        "it uses micro-batches": spec.micro_batch is not None,
        "its model draws random numbers (dropout)": draws_random_numbers(model),
        "ρ follows the learning rate": spec.optimizer_settings.get("rho_schedule") == "proportion",
    }
    reasons = [reason for reason, holds in obstacles.items() if holds]
    if reasons:
        raise UserError(f"--cuda-graph cannot capture the step of {spec.uid}: {', '.join(reasons)}")


def draws_random_numbers(model: nn.Module) -> bool:
    """Whether a forward pass in training mode would: dropout or stochastic depth with a rate above 0."""
    rates = ((getattr(m, "p", None), getattr(m, "drop_prob", None)) for m in model.modules())
    return any(isinstance(rate, float) and rate > 0 for pair in rates for rate in pair)
