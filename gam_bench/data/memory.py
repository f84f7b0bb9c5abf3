"""Batches of images that are held in memory, made by operations on whole batches."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from pydantic import BaseModel
from torch import Tensor

from gam_bench.data.augment import CropAndMirror, Cutout, Draws, Normalise, Step
from gam_bench.data.splits import Split

# Small batches are augmented several at a time: one operation on many images costs less than many on few.
_AT_ONCE = 512


class MemorySource:
    """Images of a split in memory, which is moved to `device` once, as uint8.

    Order of the steps: crop and mirror, policy (as in the AutoAugment paper), normalise, cutout, resize.
    """

    def __init__(self, split: Split, augmentation: str, settings: BaseModel, device: torch.device) -> None:
        assert isinstance(split.images, Tensor)
        dataset = split.dataset
        self.stored = split.images.to(device)
        self.device = device
        self.before, self.after = _steps(split, augmentation, dict(settings))
        self.normalise = Normalise(dataset.mean, dataset.std, device)
        self.resize_to = split.image_size if split.image_size != dataset.image_size else None

    def images(
        self, order: Tensor, positions: list[Tensor], augmentation_seed: int | None
    ) -> Iterator[Tensor]:
        draws: Draws = {}
        if augmentation_seed is not None:
            generator = torch.Generator().manual_seed(augmentation_seed)
            for step in self.before + self.after:
                draws.update(step.draw(len(order), generator))
        for group in _groups(positions):
            together = torch.cat(group)
            drawn = {name: values[together] for name, values in draws.items()}
            numbers = order[together].to(self.device, non_blocking=True)
            images = self.stored.flatten(1).index_select(0, numbers).view(-1, *self.stored.shape[1:])
            for step in self.before:
                images = step.apply(images, drawn)
            sizes = [len(part) for part in group]
            parts = {name: values.split(sizes) for name, values in drawn.items()}
            for index, batch in enumerate(images.split(sizes)):
                yield self._finish(batch, {name: values[index] for name, values in parts.items()})

    def _finish(self, images: Tensor, drawn: dict[str, Tensor]) -> Tensor:
        result = self.normalise(images)
        for step in self.after:
            result = step.apply(result, drawn)
        if self.resize_to is not None:  # last, and bicubic, as in the released SAM code
            size = (self.resize_to, self.resize_to)
            result = F.interpolate(result, size, mode="bicubic", antialias=True)
        return result


def _groups(positions: list[Tensor]) -> Iterator[list[Tensor]]:
    group: list[Tensor] = []
    for part in positions:
        group.append(part)
        if sum(map(len, group)) >= _AT_ONCE:
            yield group
            group = []
    if group:
        yield group


def _steps(split: Split, augmentation: str, settings: Mapping[str, Any]) -> tuple[list[Step], list[Step]]:
    """The steps on uint8 images, and those on normalised ones."""
    if augmentation == "none":
        return [], []
    dataset = split.dataset
    before: list[Step] = [CropAndMirror(dataset.crop_padding, dataset.mirror)]
    if augmentation in ("autoaugment", "randaugment"):
        from gam_bench.data import policies  # takes a second to import, with torchvision

        if augmentation == "autoaugment":
            before.append(policies.BatchAutoAugment(settings["autoaugment_policy"], dataset.image_size))
        else:
            before.append(
                policies.BatchRandAugment(
                    settings["randaugment_n"], settings["randaugment_m"], dataset.image_size
                )
            )
    cutout_size = settings.get("cutout_size", 0)
    return before, [Cutout(cutout_size, dataset.image_size)] if cutout_size else []
