"""Seeds: every random draw of a run is a function of the run's seed, what the draw is for, and the epoch."""

import hashlib


def derive(seed: int, purpose: str, epoch: int = 0) -> int:
    """A seed in [0, 2⁶³) for one purpose in one epoch, the same on every machine and Python.

    Purposes in use: validation, label noise, order, augmentation (here); weights, dropout (training).
    """
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
