"""The loss along filter-normalised random directions: slices of the landscape around the weights."""

from collections.abc import Sequence

import torch
from torch import Tensor

from gam_bench.flatness.scale import filter_norms
from gam_bench.flatness.surface import Surface


def directions(surface: Surface, count: int, seed: int) -> Tensor:
    """`count` random directions (count, surface.size), every filter of them as long as the model's own.

    The draws are a function of `seed` and the parameters' shapes, so models of one architecture that are
    compared share them, each in units of its own filters; vectors (biases, normalisation) stay where they
    are (Li et al. 2018, arXiv 1712.09913, section 4).
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([_filter_normalised(surface, generator) for _ in range(count)])


def _filter_normalised(surface: Surface, generator: torch.Generator) -> Tensor:
    parts = []
    for parameter in surface.parameters:
        drawn = torch.randn(parameter.shape, generator=generator).to(parameter)
        parts.append(drawn * (filter_norms(parameter.detach()) / filter_norms(drawn).clamp_min(1e-30)))
    return surface.vector(parts)


def line(surface: Surface, direction: Tensor, at: Sequence[float]) -> list[float]:
    """L(θ + a·direction) for each a of `at`."""
    return [_loss(surface, a * direction) for a in at]


def plane(surface: Surface, first: Tensor, second: Tensor, at: Sequence[float]) -> list[list[float]]:
    """L(θ + a·first + b·second): a row for each a of `at`, a column for each b."""
    return [[_loss(surface, a * first + b * second) for b in at] for a in at]


def _loss(surface: Surface, offset: Tensor) -> float:
    with surface.at(offset):
        return surface.loss()
