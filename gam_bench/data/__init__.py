"""Data sets by name, held in memory where they are small, and batches of them.

    splits = gam_bench.data.load("cifar10", validation=0.1, seed=0)
    batches = gam_bench.data.Batches(splits.train, 128, "basic", seed=0)
    for images, labels in batches.epoch(1): ...

`gam-bench data prepare cifar10` puts the data in place first.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gam_bench.data.batches import Batches
    from gam_bench.data.loading import load
    from gam_bench.data.randomness import derive
    from gam_bench.data.roots import data_root
    from gam_bench.data.splits import Split, Splits

_HOMES = {
    "Batches": "batches",
    "data_root": "roots",
    "derive": "randomness",
    "load": "loading",
    "Split": "splits",
    "Splits": "splits",
}

__all__ = ["Batches", "Split", "Splits", "data_root", "derive", "load"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:  # torch is imported only now, so that the catalogue costs nothing
        return getattr(import_module(f"gam_bench.data.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
