"""Reads a pickle that holds only arrays, text and containers, and nothing that could run code."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

# What Python 2 pickles of NumPy arrays refer to, by the module names of any NumPy version.
_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        raise pickle.UnpicklingError(f"refused to load {module}.{name}, which is no part of an array")


def unpickle(path: Path) -> Any:
    """The content of `path`, text keys as str. Raises UnpicklingError where it names anything but arrays."""
    with path.open("rb") as file:
        return _ArraysOnly(file, encoding="latin1").load()
