"""Batches of images that are files: decoded and augmented one by one, in worker processes."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from pydantic import BaseModel
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from torchvision import transforms
from torchvision.transforms.functional import pil_to_tensor

from gam_bench.data.augment import Cutout, Draws, Normalise
from gam_bench.data.splits import Split

Key = tuple[int, int]  # an image's number in the split, and the seed of its augmentation


class FolderSource:
    """Images of a split of files: cropped by the workers as uint8, normalised on `device`.

    On CUDA a batch is copied from pinned memory on a stream of its own while the one before is in use.
    """

    def __init__(
        self, split: Split, augmentation: str, settings: BaseModel, device: torch.device, workers: int
    ) -> None:
        assert not isinstance(split.images, Tensor)
        chosen = dict(settings)
        self.device = device
        self.normalise = Normalise(split.dataset.mean, split.dataset.std, device)
        size = chosen.get("cutout_size", 0)
        self.cutout = Cutout(size, split.image_size) if size else None
        self.keys = _EpochKeys()
        self.loader = DataLoader(
            _Files(split.images, _transform(split.image_size, augmentation, chosen)),
            batch_sampler=self.keys,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda",
            collate_fn=partial(_stack, split.image_size),
            generator=torch.Generator(),  # its own, or every epoch would draw a seed from the global one
        )

    def images(
        self, order: Tensor, positions: list[Tensor], augmentation_seed: int | None
    ) -> Iterator[Tensor]:
        generator = torch.Generator().manual_seed(augmentation_seed or 0)
        seeds = torch.randint(2**62, (len(order),), generator=generator)
        draws = self.cutout.draw(len(order), generator) if self.cutout else {}
        self.keys.batches = [
            list(zip(order[part].tolist(), seeds[part].tolist(), strict=True)) for part in positions
        ]
        for batch, part in zip(_ahead(self.loader, self.device), positions, strict=True):
            yield self._finish(batch, {name: values[part] for name, values in draws.items()})

    def _finish(self, images: Tensor, drawn: Draws) -> Tensor:
        result = self.normalise(images)
        return self.cutout.apply(result, drawn) if self.cutout else result


class _EpochKeys(Sampler[list[Key]]):
    """The batches of the epoch to come, so that one DataLoader with its workers serves all epochs."""

    def __init__(self) -> None:
        self.batches: list[list[Key]] = []

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Files(Dataset[Tensor]):
    def __init__(self, paths: Sequence[Path], transform: transforms.Compose) -> None:
        self.paths, self.transform = paths, transform

    def __getitem__(self, key: Key) -> Tensor:
        """The image as uint8 (H, W, C), augmented by draws that are a function of the key's seed."""
        number, seed = key
        with Image.open(self.paths[number]) as file, torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            image: Tensor = pil_to_tensor(self.transform(file.convert("RGB")))
            return image.permute(1, 2, 0)


def _stack(size: int, images: list[Tensor]) -> Tensor:
    return torch.stack(images) if images else torch.empty(0, size, size, 3, dtype=torch.uint8)


def _transform(size: int, augmentation: str, settings: Mapping[str, Any]) -> transforms.Compose:
    if augmentation == "none":
        # The usual proportion of evaluation on ImageNet: 256 for a crop of 224.
        return transforms.Compose([transforms.Resize(size * 256 // 224), transforms.CenterCrop(size)])
    steps = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip()]
    if augmentation == "autoaugment":
        steps.append(transforms.AutoAugment(transforms.AutoAugmentPolicy(settings["autoaugment_policy"])))
    if augmentation == "randaugment":
        steps.append(transforms.RandAugment(settings["randaugment_n"], settings["randaugment_m"]))
    return transforms.Compose(steps)


def _ahead(loader: DataLoader[Tensor], device: torch.device) -> Iterator[Tensor]:
    """The loader's batches on `device`; on CUDA each is on its way before the last is handed out."""
    if device.type != "cuda":
        yield from loader
        return
    copies, waiting = torch.cuda.Stream(device), None
    for batch in loader:
        with torch.cuda.stream(copies):
            coming = batch.to(device, non_blocking=True)
        if waiting is not None:
            yield waiting
        torch.cuda.current_stream(device).wait_stream(copies)
        coming.record_stream(torch.cuda.current_stream(device))  # its memory must not be reused too soon
        waiting = coming
    if waiting is not None:
        yield waiting
