"""How much faster batches come from gam_bench.data than the ordinary way, by PIL and a DataLoader.

Both make the same kind of CIFAR-shaped training batches, in turns and in one process; what counts is the
ratio of their times within a turn.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from gam_bench.bench.measure import Ratio
from gam_bench.data import Batches, Split
from gam_bench.data.catalog import DATASETS

CASES: dict[str, dict[str, Any]] = {
    "basic": {},
    "cutout": {"cutout_size": 16},
    "randaugment": {"randaugment_n": 2, "randaugment_m": 9},
    "autoaugment": {"autoaugment_policy": "cifar10"},
}
_CIFAR = DATASETS["cifar10"]


class _PlainImages(Dataset[tuple[Tensor, int]]):
    """What torchvision.datasets.CIFAR10 does for each image."""

    def __init__(self, images: Tensor, transform: Callable[[Image.Image], Tensor]) -> None:
        self.images, self.transform = images.numpy(), transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), 0


def plain_loader(
    images: Tensor, batch_size: int, augmentation: str, settings: Mapping[str, Any]
) -> DataLoader[Any]:
    """The usual training loader for uint8 images (N, H, W, C), in this process (num_workers=0)."""
    steps: list[Callable[..., Any]] = [
        transforms.RandomCrop(32, padding=4),
        transforms.RandomHorizontalFlip(),
    ]
    if augmentation == "randaugment":
        steps.append(transforms.RandAugment(settings["randaugment_n"], settings["randaugment_m"]))
    if augmentation == "autoaugment":
        steps.append(transforms.AutoAugment(transforms.AutoAugmentPolicy(settings["autoaugment_policy"])))
    steps += [transforms.ToTensor(), transforms.Normalize(_CIFAR.mean, _CIFAR.std)]
    if augmentation == "cutout":
        steps.append(_PlainCutout(settings["cutout_size"]))
    return DataLoader(
        _PlainImages(images, transforms.Compose(steps)), batch_size, shuffle=True, num_workers=0
    )


class _PlainCutout:
    """The square of zeros as the Cutout paper's code and its many copies make it."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self, image: Tensor) -> Tensor:
        y, x = (int(torch.randint(32, ())) for _ in range(2))
        top, left = (max(0, centre - self.size // 2) for centre in (y, x))
        image[:, top : max(0, y + self.size // 2), left : max(0, x + self.size // 2)] = 0
        return image


def measure(
    augmentation: str, batch_size: int = 128, rounds: int = 9, images: int = 10_000, plain_images: int = 1_024
) -> dict[str, Any]:
    """Time both ways in turns, after a round that does not count; the machine's thread setting is left alone.

    images, plain_images: images a round in our way and in the plain one, which is slow enough with fewer.
    Returns augmentation, batch_size, rounds, threads, images_per_second and plain_images_per_second (medians
    over the rounds), and ratio, ratio_low, ratio_high: median and quartiles of the rounds' own ratios.
    """
    settings = CASES[augmentation]
    stored = torch.randint(
        256, (images, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    split = Split(_CIFAR, stored, torch.zeros(images, dtype=torch.int64), 32)
    batches = Batches(split, batch_size, augmentation, settings, seed=0)
    loader = plain_loader(stored[:plain_images], batch_size, augmentation, settings)

    ours, plain = [], []
    for number in range(rounds + 1):
        ours.append(images / _seconds(batches.epoch(number)))
        plain.append(plain_images / _seconds(loader))
    ours, plain = ours[1:], plain[1:]
    low, ratio, high = statistics.quantiles(
        [a / b for a, b in zip(ours, plain, strict=True)], method="inclusive"
    )
    return {
        "augmentation": augmentation,
        "batch_size": batch_size,
        "rounds": rounds,
        "threads": torch.get_num_threads(),
        "images_per_second": statistics.median(ours),
        "plain_images_per_second": statistics.median(plain),
        "ratio": ratio,
        "ratio_low": low,
        "ratio_high": high,
    }


def _seconds(batches: Iterable[Any]) -> float:
    start = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - start


def ratios(rounds: int = 9) -> list[Ratio]:
    """Seconds an image of the ordinary way over ours: batches of 128, RandAugment also of 512."""
    found = []
    for augmentation, batch_size in [*((name, 128) for name in CASES), ("randaugment", 512)]:
        took = measure(augmentation, batch_size, rounds)
        name = f"PIL loader, {augmentation}, batch {batch_size}"
        spread = (took["ratio"], took["ratio_low"], took["ratio_high"])
        found.append(Ratio(name, "this engine", *spread, 1 / took["plain_images_per_second"], rounds))
    return found
