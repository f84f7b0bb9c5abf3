"""Eigenvalues and spectral density of a symmetric operator, by Lanczos with full reorthogonalisation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Product = Callable[[Tensor], Tensor]
Numbers = NDArray[np.float64]

LEAST_STEPS = 6
"""Before these no bound is believed: a Krylov space that has not met an eigenvector bounds another one."""

ROUNDING = 8
"""Units in the last place, of the largest eigenvalue, that a product may be off by."""


@dataclass(frozen=True)
class Eigenvalue:
    """`value`, and two numbers for what it may be wrong by.

    bound: the residual ‖Hx − value·x‖. An eigenvalue lies within it, for certain.
    error: the nearer bound residual²/gap, where the next eigenvalue is farther away than the residual (Kato
        and Temple; Parlett, The Symmetric Eigenvalue Problem, 11.7), else the residual. An estimate, since
        the gap is read off the same run.

    That no larger eigenvalue was missed is likely from a random start, not certain: the value is a lower
    bound of λmax (an upper one of λmin).
    """

    value: float
    bound: float
    error: float

    def within(self, tolerance: float) -> bool:
        return self.error <= tolerance * abs(self.value)


@dataclass(frozen=True, eq=False)
class Lanczos:
    """`steps` products: the basis Q, orthonormal rows (steps, n), and the tridiagonal T = QHQᵀ.

    alphas, betas: T's diagonal (steps) and what leaves the space at each step (steps); T's off-diagonal is
    betas without the last.
    """

    basis: Tensor
    alphas: Sequence[float]
    betas: Sequence[float]

    @property
    def steps(self) -> int:
        return len(self.alphas)

    @cached_property
    def _ritz(self) -> tuple[Numbers, Numbers]:
        beside = np.diag(self.betas[:-1], 1)
        return np.linalg.eigh(np.diag(self.alphas) + beside + beside.T)

    @property
    def ritz_values(self) -> Numbers:
        """The eigenvalues of T, ascending: (steps,) float64."""
        return self._ritz[0]

    @property
    def weights(self) -> Numbers:
        """Squared first components of T's eigenvectors: a quadrature of the start's spectral measure."""
        first: Numbers = self._ritz[1][0]
        return first * first

    @property
    def _residuals(self) -> Numbers:
        last: Numbers = np.abs(self._ritz[1][-1])
        return self.betas[-1] * last

    @property
    def _rounding(self) -> float:
        """What the products' own precision leaves open: no bound is smaller."""
        return ROUNDING * torch.finfo(self.basis.dtype).eps * float(np.abs(self.ritz_values).max())

    def largest(self, count: int = 1) -> list[Eigenvalue]:
        """The `count` largest eigenvalues, descending; fewer after fewer steps."""
        return [self._eigenvalue(self.steps - 1 - i) for i in range(min(count, self.steps))]

    def smallest(self) -> Eigenvalue:
        return self._eigenvalue(0)

    def vector(self) -> Tensor:
        """The unit Ritz vector of the largest eigenvalue, (n,)."""
        return torch.as_tensor(self._ritz[1][:, -1]).to(self.basis) @ self.basis

    def _eigenvalue(self, place: int) -> Eigenvalue:
        values, residuals = self.ritz_values, self._residuals
        others = np.abs(values - values[place]) - residuals
        others[place] = np.inf
        gap = others.min()
        residual = residuals[place]
        error = residual**2 / gap if self.steps > 1 and gap > residual else residual
        least = self._rounding
        return Eigenvalue(float(values[place]), max(float(residual), least), max(float(error), least))


def lanczos(
    product: Product,
    start: Tensor,
    steps: int,
    stop: Callable[[Lanczos], bool] = lambda _: False,
) -> Lanczos:
    """At most `steps` products from `start` (n,), fewer once `stop` is satisfied or the space is exhausted.

    Every new vector is made orthogonal to all earlier ones, twice, so that no eigenvalue comes as two; one
    that the operator itself has twice comes once. Memory: steps × n numbers.
    """
    basis = start.new_empty(min(steps, len(start)), len(start))
    basis[0] = start / start.norm()
    alphas: list[float] = []
    betas: list[float] = []
    while True:
        count = len(alphas) + 1
        space = basis[:count]
        image = product(space[-1])
        overlaps = space @ image
        image = image - overlaps @ space
        again = space @ image
        image -= again @ space
        alphas.append(float(overlaps[-1] + again[-1]))
        betas.append(float(image.norm()))
        found = Lanczos(space, alphas, betas)
        scale = max(map(abs, (*alphas, *betas)))
        exhausted = betas[-1] <= ROUNDING * torch.finfo(start.dtype).eps * scale
        if exhausted:
            return replace(found, betas=[*betas[:-1], 0.0])
        if count == len(basis) or stop(found):
            return found
        basis[count] = image / betas[-1]


def extremes(
    product: Product, start: Tensor, steps: int, tolerance: float, largest: int = 1, smallest: bool = False
) -> Lanczos:
    """Lanczos until the `largest` largest eigenvalues, and the smallest if asked for, are within `tolerance`.

    tolerance: of the estimated errors, relative to each of the largest; for the smallest to λmax, since it
        may be near 0.
    """

    def stop(found: Lanczos) -> bool:
        if found.steps < max(LEAST_STEPS, largest + 2):
            return False
        top = found.largest(largest)
        low = not smallest or found.smallest().error <= tolerance * abs(top[0].value)
        return low and all(one.within(tolerance) for one in top)

    return lanczos(product, start, steps, stop)


def density(runs: Sequence[Lanczos]) -> tuple[list[float], list[float]]:
    """Stochastic Lanczos quadrature: eigenvalues and the share of the spectrum at each, summing to 1.

    runs: from random starts (normal or ±1). Each is a quadrature of its start's spectral measure, whose mean
    over starts is the density (Ghorbani et al. 2019, arXiv 1901.10159). Ascending.
    """
    nodes = np.concatenate([run.ritz_values for run in runs])
    shares = np.concatenate([run.weights for run in runs]) / len(runs)
    order = np.argsort(nodes)
    return nodes[order].tolist(), shares[order].tolist()


def smoothed(nodes: Sequence[float], shares: Sequence[float], at: Numbers, width: float) -> Numbers:
    """The density at the points `at`: a normal curve of standard deviation `width` on every node."""
    curves = np.exp(-(((at[:, None] - np.asarray(nodes)) / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
    found: Numbers = curves @ np.asarray(shares)
    return found
