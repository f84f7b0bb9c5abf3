"""How flat a minimum is, measured on any torch model and any examples.

    from gam_bench.flatness import MEASUREMENTS, measure
    record = measure(model, cross_entropy, images, labels, MEASUREMENTS["quick"])
    record["figures"]["lambda_max"]  # value, bound, error

or by hand; everything inside `with`, in evaluation mode, vectors flat over all trainable parameters:

    from gam_bench.flatness import Surface
    from gam_bench.flatness.ball import ball
    from gam_bench.flatness.lanczos import extremes

    with Surface(model, cross_entropy, images, labels) as surface:
        start = surface.random(torch.Generator().manual_seed(0))
        found = extremes(surface.product, start, steps=40, tolerance=1e-3, largest=5)
        r1 = ball(surface, 1, rho=0.05, starts=[surface.gradient()[1], found.vector()])

λmax, trace, and plain R⁰ρ and R¹ρ are not invariant under rescaling of weights before a BatchNorm: they
compare runs of one architecture and training length. The element- and filter-normalised ones are.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gam_bench.flatness.catalog import MEASUREMENTS, Measurement
    from gam_bench.flatness.measurement import measure
    from gam_bench.flatness.surface import Surface

_HOMES = {
    "MEASUREMENTS": "catalog",
    "Measurement": "catalog",
    "Surface": "surface",
    "measure": "measurement",
}

__all__ = ["MEASUREMENTS", "Measurement", "Surface", "measure"]


def __getattr__(name: str) -> Any:  # torch is imported with the first measurement, not with the catalogue
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
