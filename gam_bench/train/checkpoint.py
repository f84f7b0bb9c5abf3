"""What a run keeps after each epoch: its weights, its optimizer's state, and what it has added up."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from gam_bench.errors import UserError
from gam_bench.numerics import NUMERICS
from gam_bench.store.folder import RunFolder


@dataclass
class Totals:
    """What a run has accumulated, over all its resumptions, and the threads that its figures stand on."""

    epoch: int = 0
    passes: float = 0.0
    train_seconds: float = 0.0
    data_seconds: float = 0.0
    process_seconds: float | None = 0.0
    eval_seconds: float = 0.0
    total_seconds: float = 0.0
    timed_images: int = 0
    timed_seconds: float = 0.0
    peak_memory_bytes: int = 0
    threads: int = field(default_factory=torch.get_num_threads)

    def add(self, metrics: dict[str, Any], images: int, warm: bool, peak_memory: int | None) -> None:
        """One more epoch. A process's first one warms up caches and kernels: it is no measure of speed."""
        self.epoch = metrics["epoch"]
        self.passes += metrics["passes"]
        self.train_seconds += metrics["train_seconds"]
        self.data_seconds += metrics["data_seconds"]
        if self.process_seconds is not None:
            self.process_seconds += metrics["process_seconds"]
        self.eval_seconds += metrics["eval_seconds"]
        if warm:
            self.timed_images += images
            self.timed_seconds += metrics["train_seconds"]
        self.peak_memory_bytes = max(self.peak_memory_bytes, peak_memory or 0)


class OtherNumerics(UserError):
    """A checkpoint of another numerics version: going on with it would mix two computations in one run."""


def load(folder: RunFolder) -> dict[str, Any] | None:
    """The last checkpoint; None without one, or with one that a crash of the machine left unreadable.

    Raises OtherNumerics.
    """
    if not folder.checkpoint.exists():
        return None
    try:
        saved: dict[str, Any] = torch.load(folder.checkpoint, map_location="cpu", weights_only=True)
    except Exception:
        folder.checkpoint.rename(folder.checkpoint.with_suffix(".damaged"))
        return None
    if (version := saved.get("numerics", 1)) != NUMERICS:
        raise OtherNumerics(
            f"{folder.checkpoint} is of numerics version {version}, and this version of gam-bench computes "
            f"{NUMERICS}: --force begins the run anew"
        )
    return saved


def save(folder: RunFolder, state: dict[str, Any], totals: Totals) -> None:
    """Replace the checkpoint in one rename, so that a kill leaves the old or the new one."""
    temporary = folder.path / f".checkpoint.{os.getpid()}"
    try:
        torch.save(state | {"numerics": NUMERICS, "totals": asdict(totals)}, temporary)
        temporary.replace(folder.checkpoint)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def same_threads(saved: dict[str, Any] | None) -> Iterator[None]:
    """Go on with the number of threads that the run began with: its figures' last digits depend on it."""
    here = torch.get_num_threads()
    if saved is not None:
        torch.set_num_threads(saved["totals"]["threads"])
    try:
        yield
    finally:
        torch.set_num_threads(here)
