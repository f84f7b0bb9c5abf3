"""One model measured on given examples: a plain record of every figure with its bound or standard error."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gam_bench.data.randomness import derive
from gam_bench.errors import UserError
from gam_bench.flatness import landscape
from gam_bench.flatness.ball import ball
from gam_bench.flatness.catalog import Measurement
from gam_bench.flatness.lanczos import Eigenvalue, Lanczos, density, extremes, lanczos
from gam_bench.flatness.scale import scale
from gam_bench.flatness.surface import LossFn, Surface
from gam_bench.flatness.trace import trace
from gam_bench.optim.losses import smooth_crossentropy

Figures = dict[str, Any]
LANDSCAPE_SEED = 0
"""Of the slices' directions: one for all runs, so that whatever is compared shares them."""


def measure(
    model: nn.Module,
    loss_fn: LossFn,
    images: Tensor,
    labels: Tensor,
    measurement: Measurement,
    *,
    seed: int = 0,
    chunk: int | None = None,
    on_pass: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Measure `model` at its weights, which it keeps; takes the first `measurement.examples` of the examples.

    loss_fn: the run's own, predictions and labels to the mean over a batch.
    images, labels: training examples as the model takes them, not augmented.
    seed: of the random starts and probes. The slices' directions are the same for every seed.
    chunk: see Surface.
    on_pass: called with the name of the part at work after every pass over the examples.

    Returns what JSON can hold: measurement, hash, settings, seed, examples, chunk, seconds (a part each, and
    in all), cost (gradients of one example), and `figures`: each a dict with its value and, where it has one,
    `bound` and `error` (see Eigenvalue) or `se`, the standard error.
    Raises UserError where the loss is not finite.
    """
    if measurement.smoothing is not None:
        loss_fn = partial(smooth_crossentropy, smoothing=measurement.smoothing)
    images, labels = images[: measurement.examples], labels[: measurement.examples]
    surface = Surface(model, loss_fn, images, labels, chunk=chunk)
    work = _Work(surface, measurement, seed, on_pass)
    with surface:
        work.all()
    return {
        "measurement": measurement.name,
        "hash": measurement.hash,
        "settings": measurement.settings,
        "seed": seed,
        "examples": len(labels),
        "chunk": surface.chunk,
        "figures": work.figures,
        "cost": round(surface.cost),
        "seconds": work.seconds | {"all": sum(work.seconds.values())},
    }


class _Work:
    """The parts of a measurement, one after the other; later ones use what earlier ones found."""

    def __init__(
        self,
        surface: Surface,
        measurement: Measurement,
        seed: int,
        on_pass: Callable[[str], None] | None,
    ):
        self.surface, self.measurement, self.seed, self.on_pass = surface, measurement, seed, on_pass
        self.figures: Figures = {}
        self.seconds: dict[str, float] = {}

    def all(self) -> None:
        with self._part("gradient"):
            gradient = self._gradient()
        with self._part("eigenvalues") as generator:
            found = self._eigenvalues(generator)
        if self.measurement.probes:
            with self._part("trace") as generator:
                self._trace(found, generator)
        if self.measurement.density_runs:
            with self._part("density") as generator:
                self._density(generator)
        if self.measurement.balls:
            with self._part("balls") as generator:
                self._balls(gradient, found.vector(), generator)
        if self.measurement.line or self.measurement.plane:
            with self._part("landscape"):
                self._landscape()

    @contextmanager
    def _part(self, name: str) -> Iterator[torch.Generator]:
        """Time one part, report its passes, and give it random numbers that no other part can change."""
        self.surface.on_pass = partial(self.on_pass, name) if self.on_pass else None
        start = time.perf_counter()
        yield torch.Generator().manual_seed(derive(self.seed, f"flatness {name}"))
        self.seconds[name] = time.perf_counter() - start

    def _gradient(self) -> Tensor:
        loss, gradient = self.surface.gradient(keep_graph=True)
        if not math.isfinite(loss):
            raise UserError(f"flatness cannot be measured: the loss at these weights is {loss}")
        self.figures["loss"] = {"value": loss}
        self.figures["gradient_norm"] = {"value": float(gradient.norm())}
        return gradient

    def _eigenvalues(self, generator: torch.Generator) -> Lanczos:
        wanted = self.measurement
        start = self.surface.random(generator)
        found = extremes(
            self.surface.product, start, wanted.steps, wanted.tolerance, wanted.top, wanted.smallest
        )
        largest = found.largest(wanted.top)
        self.figures["lambda_max"] = _figure(largest[0]) | {
            "converged": largest[0].within(wanted.tolerance),
            "products": found.steps,
        }
        if wanted.top > 1:
            self.figures["eigenvalues"] = [_figure(one) for one in largest]
        if wanted.smallest:
            self.figures["lambda_min"] = _figure(found.smallest())
        return found

    def _trace(self, known: Lanczos, generator: torch.Generator) -> None:
        probes = [self.surface.random(generator, signs=True) for _ in range(self.measurement.probes)]
        found = trace(self.surface.products, torch.stack(probes), known)
        self.figures["trace"] = {"value": found.value, "se": found.error}

    def _density(self, generator: torch.Generator) -> None:
        starts = (self.surface.random(generator) for _ in range(self.measurement.density_runs))
        steps = self.measurement.density_steps
        nodes, shares = density([lanczos(self.surface.product, start, steps) for start in starts])
        self.figures["density"] = {"eigenvalues": nodes, "shares": shares}

    def _balls(self, gradient: Tensor, eigenvector: Tensor, generator: torch.Generator) -> None:
        """R⁰ and R¹ in every ball: lower bounds, from starts that are the same for both."""
        draws = [self.surface.random(generator) for _ in range(self.measurement.random_starts)]
        found = []
        for kind, rho in self.measurement.balls:
            lengths = scale(self.surface, kind)
            starts = [lengths * gradient, lengths * eigenvector, *((lengths > 0) * draw for draw in draws)]
            for order in (0, 1):
                best = ball(self.surface, order, rho, starts, lengths, self.measurement.ascents)
                climbs = {"value": best.value, "climbs": list(best.climbs)}
                found.append({"order": order, "scale": kind, "rho": rho} | climbs)
        self.figures["balls"] = found

    def _landscape(self) -> None:
        first, second = landscape.directions(self.surface, 2, LANDSCAPE_SEED)
        at = np.linspace(-1, 1, self.measurement.line).tolist()
        self.figures["line"] = {"at": at, "loss": landscape.line(self.surface, first, at)}
        at = np.linspace(-1, 1, self.measurement.plane).tolist()
        self.figures["plane"] = {"at": at, "loss": landscape.plane(self.surface, first, second, at)}


def _figure(eigenvalue: Eigenvalue) -> Figures:
    return {"value": eigenvalue.value, "bound": eigenvalue.bound, "error": eigenvalue.error}
