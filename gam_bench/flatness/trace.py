"""The trace of a symmetric operator, with its standard error."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from gam_bench.flatness.lanczos import Lanczos


@dataclass(frozen=True)
class Trace:
    """`value` with its standard error over the probes: of the value, not of one probe."""

    value: float
    error: float


def trace(products: Callable[[Tensor], Tensor], probes: Tensor, known: Lanczos | None = None) -> Trace:
    """The trace, from `probes` (m ≥ 2, n) of independent ±1 (Hutchinson 1990).

    products: m vectors (m, n) to their images.
    known: Lanczos from a start that is independent of the probes. On its space the trace is known exactly,
        and the probes estimate the rest alone, as in Hutch++ (Meyer et al. 2021, arXiv 2010.09649), but on a
        Krylov space (Chen and Hallman 2023, arXiv 2205.01736): for a Hessian, whose trace is mostly in few
        eigenvalues, that saves most of the variance, and no product more is paid.
    """
    if len(probes) < 2:
        raise ValueError(f"a standard error needs two probes or more, got {len(probes)}")
    exact = 0.0
    if known is not None:
        exact = sum(known.alphas)
        probes = probes - (probes @ known.basis.T) @ known.basis
    estimates = (probes.double() * products(probes).double()).sum(1)
    error = estimates.std() / len(estimates) ** 0.5
    return Trace(exact + float(estimates.mean()), float(error))
