"""Batches of a split, epoch by epoch, on the device that trains."""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from gam_bench.data.catalog import AUGMENTATIONS, Dataset
from gam_bench.data.randomness import derive
from gam_bench.data.splits import Split
from gam_bench.errors import UserError, complaints, did_you_mean


class Source(Protocol):
    """Makes the images of an epoch: for each entry of `positions`, the batch of images order[positions]."""

    def images(
        self, order: Tensor, positions: list[Tensor], augmentation_seed: int | None
    ) -> Iterator[Tensor]: ...


class Batches:
    """Batches of `split` on `device`: float32 images (n, C, H, W), normalised, channels last; int64 labels.

    For training give a `seed`: order and augmentation draws of an epoch are functions of (seed, epoch), the
    same on every device and for any number of workers; the order is the same for every augmentation, too.
    Without a seed (evaluation) the images come in the split's order, unaugmented.

    The last batch of an epoch may be smaller, as in the released GAM code (the SAM code drops it).

    rank, world: this process's share: of every global batch of `batch_size` images those at rank,
        rank + world, and so on. All shares make up the global batch exactly, nothing twice, nothing padded.
        They differ by at most one image; a last batch smaller than `world` leaves empty shares.
    workers: processes that decode images of sets of kind "folder"; sets in memory need none.

    Raises UserError for an augmentation or settings that are unknown or not for this kind of data set.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        augmentation: str = "none",
        settings: Mapping[str, Any] | None = None,
        *,
        seed: int | None = None,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
        workers: int = 0,
    ) -> None:
        if seed is None and augmentation != "none":
            raise ValueError(f"augmentation {augmentation!r} needs a seed")
        chosen = augmentation_settings(split.dataset, augmentation, settings or {})
        self.batch_size, self.seed, self.rank, self.world = batch_size, seed, rank, world
        self.device = torch.device(device)
        self.labels = split.labels
        self.source: Source
        if split.dataset.kind == "memory":
            from gam_bench.data.memory import MemorySource

            self.source = MemorySource(split, augmentation, chosen, self.device)
        else:  # image decoding, and torchvision with it, only where it is needed
            from gam_bench.data.decode import FolderSource

            self.source = FolderSource(split, augmentation, chosen, self.device, workers)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.labels) // self.batch_size)

    def epoch(self, number: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of epoch `number`."""
        count = len(self.labels)
        order, augmentation_seed = torch.arange(count), None
        if self.seed is not None:
            generator = torch.Generator().manual_seed(derive(self.seed, "order", number))
            order = torch.randperm(count, generator=generator)
            augmentation_seed = derive(self.seed, "augmentation", number)
        positions = [part[self.rank :: self.world] for part in torch.arange(count).split(self.batch_size)]
        labels = self.labels[order[torch.cat(positions)]].to(self.device)  # one transfer an epoch
        parts = labels.split([len(part) for part in positions])
        yield from zip(self.source.images(order, positions, augmentation_seed), parts, strict=True)


def augmentation_settings(dataset: Dataset, augmentation: str, settings: Mapping[str, Any]) -> BaseModel:
    """The augmentation's settings, checked, with defaults filled in."""
    if augmentation not in AUGMENTATIONS:
        raise UserError(f"unknown augmentation {augmentation!r}{did_you_mean(augmentation, AUGMENTATIONS)}")
    entry = AUGMENTATIONS[augmentation]
    if dataset.kind not in entry.kinds:
        possible = ", ".join(name for name, other in AUGMENTATIONS.items() if dataset.kind in other.kinds)
        raise UserError(f"augmentation {augmentation!r} is not for {dataset.name}, which takes {possible}")
    try:
        return entry.settings.model_validate(dict(settings))
    except ValidationError as error:
        name, complaint = complaints(error)[0]
        raise UserError(f"augmentation {augmentation!r}: {name} {complaint}") from None
