"""Surfaces whose derivatives are known: functions, quadratics, and networks small enough to write out."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gam_bench.flatness.surface import Surface


class Given(nn.Module):
    """A model whose prediction is a function of its weights, the same for every image."""

    def __init__(self, function: Callable[[Tensor], Tensor], start: Tensor):
        super().__init__()
        self.function = function
        self.theta = nn.Parameter(start.clone())

    def forward(self, images: Tensor) -> Tensor:
        return self.function(self.theta).expand(len(images))


def mean(predictions: Tensor, labels: Tensor) -> Tensor:
    return predictions.mean()


def given(function: Callable[[Tensor], Tensor], start: Tensor, **settings) -> Surface:
    return Surface(Given(function, start), mean, torch.zeros(4, 1), torch.zeros(4), **settings)


def quadratic(eigenvalues, start: Tensor | None = None, seed: int = 0) -> tuple[Surface, Tensor]:
    """½ θᵀHθ in float64 with these eigenvalues in a random basis, at `start` or at 1, and H."""
    values = torch.as_tensor(eigenvalues, dtype=torch.float64)
    basis, _ = torch.linalg.qr(
        torch.randn(len(values), len(values), generator=torch.Generator().manual_seed(seed)).double()
    )
    matrix = basis @ torch.diag(values) @ basis.T
    start = torch.ones(len(values), dtype=torch.float64) if start is None else start
    return given(lambda theta: theta @ matrix @ theta / 2, start), matrix


def network(seed: int = 0, examples: int = 40) -> tuple[nn.Module, Tensor, Tensor]:
    """A convolution, BatchNorm with statistics of its own, and a head: 103 weights, float64."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.BatchNorm2d(3),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(12, 4),
        nn.Tanh(),
        nn.Linear(4, 3),
    ).double()
    images, labels = torch.randn(examples, 1, 4, 4).double(), torch.randint(3, (examples,))
    model(images)
    return model, images, labels


def network_surface(seed: int = 0, **settings) -> Surface:
    return Surface(network(seed)[0], cross_entropy, *network(seed)[1:], **settings)


def dense_hessian(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """All of it, row by row, in evaluation mode."""
    model.eval()
    parameters = [p for p in model.parameters() if p.requires_grad]
    loss = cross_entropy(model(images), labels)
    flat = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, create_graph=True)])
    rows = [torch.autograd.grad(entry, parameters, retain_graph=True) for entry in flat]
    return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])
