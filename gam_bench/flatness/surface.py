"""The loss of a model over given examples as a function of its weights, and its first two derivatives."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from gam_bench.errors import UserError
from gam_bench.optim.flat import Flat

LossFn = Callable[[Tensor, Tensor], Tensor]

GRAPH_BYTES = 2**30
"""Activations that one chunk's forward pass may keep. A product holds about five times as much."""

GRAPH_COST, PRODUCT_COST = 1.2, 2.4
"""What a first-order graph that can be differentiated, and a product with it, take: in gradients, measured on
the quickstart's CNN and a CIFAR ResNet-18 (two AMD EPYC cores, torch 2.15)."""


class Surface:
    """L(θ) = mean over the examples of `loss_fn(model(images), labels)`, a context manager.

    Between entering and leaving the model is in evaluation mode, attention is computed by torch's plain
    kernel (the fused ones have no second derivative), kernels are deterministic, and float32 is float32.
    On leaving, by an exception too, modes and weights are bit for bit what they were; `.grad` is never
    touched.

    loss_fn: predictions and labels to the mean over a batch, as a tensor of one number.
    images, labels: all examples, on any device; chunks of them are moved to the model's.
    chunk: examples that are differentiated at once. Memory is that of one chunk's graph; results depend on it
        by rounding only. Default: as many as keep GRAPH_BYTES of activations, the same on every machine.
    on_pass: called after every pass over all examples, to show progress.

    Vectors are flat, over all trainable parameters, in the order and memory layout of `optim.flat.Flat`.
    `cost` counts what was spent, in gradients of one example. Raises UserError without examples, and without
    a trainable parameter.
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn,
        images: Tensor,
        labels: Tensor,
        *,
        chunk: int | None = None,
        on_pass: Callable[[], None] | None = None,
    ):
        self.model, self.loss_fn, self.images, self.labels = model, loss_fn, images, labels
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        if not len(labels) or len(images) != len(labels):
            raise UserError(f"flatness needs examples with a label each, got {len(images)} and {len(labels)}")
        if not self.parameters:
            raise UserError("flatness needs trainable parameters, and this model has none")
        self.chunk, self.on_pass = chunk, on_pass
        self.cost = 0.0
        self._direction, self._result = Flat(self.parameters), Flat(self.parameters)
        self._kept: tuple[Tensor, list[Tensor]] | None = None  # loss and gradients, with their graph
        self._stack = ExitStack()

    @property
    def size(self) -> int:
        """Trainable numbers: the length of every vector here."""
        return sum(self._result.sizes)

    def __enter__(self) -> "Surface":
        with ExitStack() as stack:
            stack.enter_context(_evaluation_mode(self.model))
            stack.enter_context(sdpa_kernel(SDPBackend.MATH))
            stack.enter_context(_exact_kernels())
            self.theta = self._result.load([p.detach() for p in self.parameters]).clone()
            if self.chunk is None:
                self.chunk = self._affordable_chunk()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._kept = None
        self._stack.close()

    @contextmanager
    def at(self, offset: Tensor) -> Iterator[None]:
        """Everything inside is at θ + offset."""
        self._move(self.theta + offset)
        try:
            yield
        finally:
            self._move(self.theta)

    @torch.no_grad()
    def loss(self) -> float:
        """L here, summed in float64."""
        total = 0.0
        for images, labels, share in self._chunks():
            total += share * float(self.loss_fn(self.model(images), labels))
        self._passed(1 / 3)  # a forward pass
        return total

    def gradient(self, *, keep_graph: bool = False) -> tuple[float, Tensor]:
        """L and ∇L here. After `keep_graph` products here are cheaper, if there is but one chunk."""
        spent = 0.0 if self._kept else 1.0
        total, result = 0.0, torch.zeros_like(self.theta)
        for images, labels, share in self._chunks():
            loss, gradients = self._differentiate(images, labels, keep_graph and share == 1)
            total += share * float(loss)
            result.add_(self._result.load([g.detach() for g in gradients]), alpha=share)
        self._passed(spent)
        return total, result

    def product(self, vector: Tensor) -> Tensor:
        """∇²L times a vector, both (size,), by double backward (Pearlmutter 1994)."""
        return self.products(vector[None])[0]

    def products(self, vectors: Tensor) -> Tensor:
        """∇²L times each row of `vectors` (n, size). Rows share each chunk's first-order graph."""
        spent = PRODUCT_COST * len(vectors) + (0 if self._kept else GRAPH_COST)
        results = torch.zeros_like(vectors)
        for images, labels, share in self._chunks():
            _, gradients = self._differentiate(images, labels, True)
            for i, vector in enumerate(vectors):
                found = self._second_order(gradients, vector, share == 1 or i < len(vectors) - 1)
                results[i].add_(self._result.load(found), alpha=share)
        self._passed(spent)
        return results

    def vector(self, tensors: Sequence[Tensor]) -> Tensor:
        """One tensor a parameter, broadcast to its shape, as a vector."""
        return self._result.load(
            [t.expand_as(p) for t, p in zip(tensors, self.parameters, strict=True)]
        ).clone()

    def random(self, generator: torch.Generator, signs: bool = False) -> Tensor:
        """Standard normal numbers, or ±1 evenly: functions of the generator and the parameters' shapes."""
        draws = [torch.randn(p.shape, generator=generator, dtype=torch.float32) for p in self.parameters]
        if signs:
            draws = [torch.where(drawn < 0, -1.0, 1.0) for drawn in draws]
        return self._result.load(draws).clone()

    def _differentiate(
        self, images: Tensor, labels: Tensor, create_graph: bool
    ) -> tuple[Tensor, list[Tensor]]:
        if self._kept is not None:
            return self._kept
        with torch.enable_grad():
            loss = self.loss_fn(self.model(images), labels)
            gradients = torch.autograd.grad(
                loss, self.parameters, create_graph=create_graph, allow_unused=True, materialize_grads=True
            )
        found = loss.detach(), list(gradients)
        if create_graph and len(labels) == len(self.labels):
            self._kept = found
        return found

    def _second_order(self, gradients: Sequence[Tensor], vector: Tensor, again: bool) -> list[Tensor]:
        self._direction.buffer.copy_(vector)
        pairs = [(g, v) for g, v in zip(gradients, self._direction.views, strict=True) if g.requires_grad]
        if not pairs:  # a loss linear in the parameters
            return [torch.zeros_like(p) for p in self.parameters]
        outputs, weights = zip(*pairs, strict=True)
        return list(
            torch.autograd.grad(
                outputs,
                self.parameters,
                [v.to(g) for g, v in zip(outputs, weights, strict=True)],
                retain_graph=again,
                allow_unused=True,
                materialize_grads=True,
            )
        )

    def _chunks(self) -> Iterator[tuple[Tensor, Tensor, float]]:
        """Images and labels of each chunk, and its share of all examples."""
        if self.chunk is None:
            raise RuntimeError("a Surface is used inside `with`")
        device = self.theta.device
        chunks = (torch.split(tensor, self.chunk) for tensor in (self.images, self.labels))
        for images, labels in zip(*chunks, strict=True):
            yield images.to(device), labels.to(device), len(labels) / len(self.labels)

    def _passed(self, gradients: float) -> None:
        self.cost += gradients * len(self.labels)
        if self.on_pass:
            self.on_pass()

    def _move(self, vector: Tensor) -> None:
        self._kept = None
        with torch.no_grad():
            self._result.set_parameters(vector)

    def _affordable_chunk(self) -> int:
        """Examples whose forward pass keeps GRAPH_BYTES, weights apart, judged by the first example."""
        weights = {t.untyped_storage().data_ptr() for t in (*self.model.parameters(), *self.model.buffers())}
        seen: dict[int, int] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        device = self.theta.device
        image = self.images[:1].to(device, copy=True)  # not a view of all images' storage
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = self.loss_fn(self.model(image), self.labels[:1].to(device))
        del loss  # held until here, so that no address is seen twice
        most = max(1, GRAPH_BYTES // max(1, sum(seen.values())))
        parts = math.ceil(len(self.labels) / most)
        return math.ceil(len(self.labels) / parts)


@contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _exact_kernels() -> Iterator[None]:
    """Neither TF32 nor autotuning, which may pick another algorithm at each call."""
    matmul = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul
