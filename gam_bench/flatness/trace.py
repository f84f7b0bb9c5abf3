"""The trace of a symmetric operator, with its standard error."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from gam_bench.flatness.lanczos import Lanczos


@dataclass(frozen=True)
class Trace:
    """`value` with its standard error, of the value, not of one probe."""

    value: float
    error: float


def trace(products: Callable[[Tensor], Tensor], probes: Tensor, known: Lanczos | None = None) -> Trace:
    """The trace, from `probes` (m, n) of independent ±1 (Hutchinson 1990).

    products: m vectors (m, n) to their images.
    known: Lanczos from a start that is independent of the probes. On its space the trace is known exactly,
        and the probes estimate the rest alone, as in Hutch++ (Meyer et al. 2021, arXiv 2010.09649), but on a
        Krylov space (Chen and Hallman 2023, arXiv 2205.01736): for a Hessian, whose trace is mostly in few
        eigenvalues, that saves most of the variance, and no product more is paid.

    One probe's variance is 2(‖A‖² − Σ aᵢᵢ²), Frobenius norm; with ‖A‖² from the images' lengths and
    Σ aᵢᵢ² ≥ tr²/n it gives an upper bound of the standard error that few probes suffice for. The spread of
    three estimates, in contrast, is at times a tenth of the truth.
    """
    exact = sum(known.alphas) if known else 0.0
    probes = _outside(probes, known)
    images = _outside(products(probes), known).double()
    rest = float((probes.double() * images).sum(1).mean())
    square = float((images**2).sum(1).mean())
    variance = 2 * max(0.0, square - rest**2 / probes.shape[1])
    return Trace(exact + rest, (variance / len(probes)) ** 0.5)


def _outside(vectors: Tensor, known: Lanczos | None) -> Tensor:
    """The part of each row that is orthogonal to Lanczos's space."""
    return vectors if known is None else vectors - (vectors @ known.basis.T) @ known.basis
