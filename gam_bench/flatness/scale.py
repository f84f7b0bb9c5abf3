"""Lengths that make a perturbation relative to the weights it perturbs."""

from collections.abc import Callable

import torch
from torch import Tensor

from gam_bench.errors import UserError, did_you_mean
from gam_bench.flatness.surface import Surface


def scale(surface: Surface, kind: str) -> Tensor:
    """The diagonal T of e = Tu, (surface.size,): `plain`, `element` or `filter`.

    plain: ones. element: |w| of each weight, as in ASAM (Kwon et al. 2021, arXiv 2102.11600). filter: the
    norm of the filter that the weight is in, an output channel of a convolution or a row of a matrix; zero
    for vectors (biases, normalisation), which are left alone (Li et al. 2018, arXiv 1712.09913). With the
    last two, what is measured does not change when weights before a BatchNorm are rescaled.
    Raises UserError for another kind.
    """
    if kind not in KINDS:
        raise UserError(f"unknown scale {kind!r}{did_you_mean(kind, KINDS)}")
    return surface.vector([KINDS[kind](p.detach()) for p in surface.parameters])


def filter_norms(weight: Tensor) -> Tensor:
    """‖filter‖, to be broadcast over the weight; zeros for a vector, which has none."""
    if weight.ndim < 2:
        return torch.zeros_like(weight)
    norms: Tensor = torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)
    return norms


KINDS: dict[str, Callable[[Tensor], Tensor]] = {
    "plain": torch.ones_like,
    "element": torch.abs,
    "filter": filter_norms,
}
