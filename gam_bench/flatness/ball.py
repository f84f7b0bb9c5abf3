"""The two flatnesses that SAM and GAM minimise: maxima over a ball around the weights, searched by ascent."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gam_bench.flatness.surface import Surface

Found = tuple[float, Tensor | None]
Height = Callable[[Tensor, float], Found]
"""A point u and the best value so far, to the value at u and, where that is better, the way up in u."""


@dataclass(frozen=True)
class Ball:
    """The highest value that was found: a lower bound of the maximum, since an ascent may end below it.

    climbs: what each ascent reached, in the order of its starts; their spread tells how much to trust it.
    """

    value: float
    climbs: tuple[float, ...]


def ball(
    surface: Surface,
    order: Literal[0, 1],
    rho: float,
    starts: Sequence[Tensor],
    scale: Tensor | None = None,
    steps: int = 10,
) -> Ball:
    """Flatness of `order` within radius `rho`, by projected gradient ascent from each of the `starts`.

    0: R⁰ρ = max L(θ+e) − L(θ), SAM's (Foret et al. 2021). 1: R¹ρ = ρ · max ‖∇L(θ+e)‖, GAM's (Zhang et al.
    2023, arXiv 2303.03108). The maximum is over ‖e‖ ≤ ρ; θ itself counts as found.
    scale: T (see `scale.scale`) for e = Tu with ‖u‖ ≤ ρ instead. The gradient is then taken in u as well, as
        ASAM's norms are, so that neither figure changes where rescaled weights are the same function.
    starts: directions of u, (surface.size,) each; ones that are zero are left out.
    steps: ascent steps from each. R⁰ takes a gradient a step, R¹ a Hessian product besides.
    """
    scale = torch.ones_like(surface.theta) if scale is None else scale
    height = (_rise, _slope)[order](surface, rho, scale)
    centre, _ = height(torch.zeros_like(surface.theta), float("inf"))
    climbs = tuple(
        max(centre, _climb(height, start * (rho / start.norm()), rho, steps))
        for start in starts
        if start.norm() > 0
    )
    return Ball(max(climbs, default=centre), climbs)


def _rise(surface: Surface, rho: float, scale: Tensor) -> Height:
    here = surface.loss()

    def height(point: Tensor, best: float) -> Found:
        with surface.at(scale * point):
            loss, gradient = surface.gradient()
        return loss - here, scale * gradient

    return height


def _slope(surface: Surface, rho: float, scale: Tensor) -> Height:
    def height(point: Tensor, best: float) -> Found:
        with surface.at(scale * point):
            _, gradient = surface.gradient(keep_graph=True)
            scaled = scale * gradient
            norm = float(scaled.norm())
            if norm == 0 or rho * norm <= best:
                return rho * norm, None
            return rho * norm, scale * surface.product(scale * scaled / norm)

    return height


def _climb(height: Height, point: Tensor, rho: float, steps: int) -> float:
    """The value that ascent reaches. A step that does not rise is taken back, and the next one shorter."""
    best, gradient = height(point, -float("inf"))
    length = rho
    for _ in range(steps):
        norm = 0.0 if gradient is None else float(gradient.norm())
        if norm == 0 or gradient is None:
            break
        trial = _projected(point + gradient * (length / norm), rho)
        value, ahead = height(trial, best)
        if value > best:
            best, point, gradient, length = value, trial, ahead, 2 * length
        else:
            length /= 4
    return best


def _projected(point: Tensor, rho: float) -> Tensor:
    return point * (rho / max(rho, float(point.norm())))
