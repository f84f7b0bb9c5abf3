"""Sharpness-aware optimizers for PyTorch: SAM, ASAM, GAM, exact GAM, SAM + GAM. (page to come)"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gam_bench.optim.factory import build, build_base
    from gam_bench.optim.exact_gam import ExactGAM
    from gam_bench.optim.gam import GAM, SAMGAM
    from gam_bench.optim.losses import smooth_crossentropy, torch_label_smoothing
    from gam_bench.optim.plain import Plain
    from gam_bench.optim.protocol import SharpnessAware
    from gam_bench.optim.sam import SAM

_HOMES = {
    "ExactGAM": "exact_gam",
    "GAM": "gam",
    "SAMGAM": "gam",
    "SAM": "sam",
    "Plain": "plain",
    "SharpnessAware": "protocol",
    "build": "factory",
    "build_base": "factory",
    "smooth_crossentropy": "losses",
    "torch_label_smoothing": "losses",
}

__all__ = [
    "GAM",
    "SAM",
    "SAMGAM",
    "ExactGAM",
    "Plain",
    "SharpnessAware",
    "build",
    "build_base",
    "smooth_crossentropy",
    "torch_label_smoothing",
]


def __getattr__(name: str) -> Any:  # torch is imported with the first optimizer, not with the catalogue
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
