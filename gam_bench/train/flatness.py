"""How sharp the found minimum is: the Hessian's largest eigenvalue and trace."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

ITERATIONS = 20
TOLERANCE = 1e-2
TRACE_VECTORS = 10


@dataclass(frozen=True)
class Flatness:
    """`lambda_max` is signed; `trace_error` is the standard error of the trace over the probe vectors.

    `seconds`: what finding them took.
    """

    lambda_max: float
    trace: float
    trace_error: float
    seconds: float


def flatness(
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    images: Tensor,
    labels: Tensor,
    generator: torch.Generator,
) -> Flatness:
    """λmax and trace of the Hessian of `loss_fn(model(images), labels)` in the trainable parameters.

    The model is in evaluation mode meanwhile. λmax by power iteration, until two Rayleigh quotients agree to
    1 % or after 20 products; the trace by Hutchinson's estimator with 10 Rademacher vectors
    (Hutchinson 1990). All products share one first-order graph. λmax is not invariant under rescaling of
    weights before a BatchNorm: it compares runs of one architecture and training length, nothing more.
    """
    start = time.perf_counter()
    parameters = [p for p in model.parameters() if p.requires_grad]
    was_training = model.training
    model.eval()
    try:
        with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
            loss = loss_fn(model(images), labels)
            gradients = torch.autograd.grad(loss, parameters, create_graph=True)

            def product(vector: Sequence[Tensor]) -> list[Tensor]:
                found = torch.autograd.grad(
                    gradients, parameters, vector, None, True, allow_unused=True, materialize_grads=True
                )
                return [part.detach() for part in found]

            largest = _lambda_max(product, parameters, generator)
            trace, error = _trace(product, parameters, generator)
    finally:
        model.train(was_training)
    return Flatness(largest, trace, error, time.perf_counter() - start)


Product = Callable[[Sequence[Tensor]], list[Tensor]]


def _lambda_max(product: Product, parameters: Sequence[Tensor], generator: torch.Generator) -> float:
    vector = _normalised([torch.randn(p.shape, generator=generator).to(p) for p in parameters])
    previous = float("nan")
    for _ in range(ITERATIONS):
        image = product(vector)
        quotient = float(_dot(vector, image))
        if abs(quotient - previous) <= TOLERANCE * abs(quotient):
            break
        previous = quotient
        vector = _normalised(image)
    return quotient


def _trace(product: Product, parameters: Sequence[Tensor], generator: torch.Generator) -> tuple[float, float]:
    estimates = []
    for _ in range(TRACE_VECTORS):
        signs = [(torch.randint(0, 2, p.shape, generator=generator) * 2 - 1).to(p) for p in parameters]
        estimates.append(_dot(signs, product(signs)))
    values = torch.stack(estimates).double()
    return float(values.mean()), float(values.std() / TRACE_VECTORS**0.5)


def _dot(left: Sequence[Tensor], right: Sequence[Tensor]) -> Tensor:
    return torch.stack([torch.sum(a * b) for a, b in zip(left, right, strict=True)]).sum()


def _normalised(vector: Sequence[Tensor]) -> list[Tensor]:
    norm = _dot(vector, vector).sqrt().clamp_min(1e-30)
    return [part / norm for part in vector]
