"""The parts of a data set; how validation images are held out, and how training labels are spoilt."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from gam_bench.data.catalog import Dataset
from gam_bench.data.randomness import derive


@dataclass(frozen=True, eq=False)
class Split:
    """Images with labels.

    images: (N, H, W, C) uint8 for sets in memory, N files for sets in folders.
    labels: (N,) int64.
    image_size: pixels a side that batches of it have.
    """

    dataset: Dataset
    images: Tensor | Sequence[Path]
    labels: Tensor
    image_size: int

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> "Split":
        """The images numbered by `index` (int64), in its order."""
        if isinstance(self.images, Tensor):
            return replace(self, images=self.images[index], labels=self.labels[index])
        return replace(self, images=[self.images[i] for i in index.tolist()], labels=self.labels[index])

    def to(self, device: torch.device | str) -> "Split":
        """The split with its images on `device`, for several `Batches` there to share; files stay files."""
        return replace(self, images=self.images.to(device)) if isinstance(self.images, Tensor) else self


@dataclass(frozen=True, eq=False)
class Splits:
    train: Split
    validation: Split | None
    test: Split

    def to(self, device: torch.device | str) -> "Splits":
        validation = None if self.validation is None else self.validation.to(device)
        return Splits(self.train.to(device), validation, self.test.to(device))


def hold_out(train: Split, fraction: float, seed: int) -> tuple[Split, Split]:
    """Take `fraction` of every class (rounded) out of `train`, at random. Returns (rest, held out)."""
    generator = torch.Generator().manual_seed(derive(seed, "validation"))
    held_out = torch.zeros(len(train), dtype=torch.bool)
    for label in range(train.dataset.classes):
        members = (train.labels == label).nonzero()[:, 0]
        chosen = torch.randperm(len(members), generator=generator)[: round(fraction * len(members))]
        held_out[members[chosen]] = True
    return train.take((~held_out).nonzero()[:, 0]), train.take(held_out.nonzero()[:, 0])


def spoil_labels(train: Split, fraction: float, seed: int) -> Split:
    """Symmetric label noise: `fraction` of the labels (rounded) are redrawn uniformly from all classes.

    The true class is among them, as in Zhang et al. 2017 (arXiv 1611.03530), so of K classes a share of
    fraction·(K−1)/K ends up wrong.
    """
    generator = torch.Generator().manual_seed(derive(seed, "label noise"))
    chosen = torch.randperm(len(train), generator=generator)[: round(fraction * len(train))]
    labels = train.labels.clone()
    labels[chosen] = torch.randint(train.dataset.classes, (len(chosen),), generator=generator)
    return replace(train, labels=labels)
