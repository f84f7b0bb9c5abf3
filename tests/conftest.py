"""What all tests share: one thread, and small settings of a real run."""

import os
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

TINY: dict[str, Any] = {
    "dataset": "digits",
    "model": "cnn20k",
    "optimizer": "sgd",
    "lr": 0.05,
    "epochs": 2,
    "batch_size": 250,
    "seed": 0,
}


@pytest.fixture
def tiny() -> dict[str, Any]:
    """Flat settings of a run that takes a quarter of a second."""
    return dict(TINY)
