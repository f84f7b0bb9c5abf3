"""Larger data sets, left on disk: image files and labels of the training and test splits, by torchvision.

A reader takes the set's folder and raises what torchvision raises where something is missing.
"""

from collections.abc import Sequence
from pathlib import Path

from torchvision import datasets

Files = tuple[list[Path], Sequence[int]]


def imagenet(folder: Path) -> tuple[Files, Files]:
    """train/ and val/, in each a folder a class; the published validation images are the test split."""
    train, test = (datasets.ImageFolder(str(folder / split)) for split in ("train", "val"))
    if train.classes != test.classes:
        raise ValueError(f"{folder}/train and {folder}/val hold folders of different names")
    return _pairs(train.samples), _pairs(test.samples)


def stanford_cars(folder: Path) -> tuple[Files, Files]:
    train, test = (datasets.StanfordCars(str(folder), split) for split in ("train", "test"))
    return _pairs(train._samples), _pairs(test._samples)


def oxford_pets(folder: Path) -> tuple[Files, Files]:
    train, test = (datasets.OxfordIIITPet(str(folder), split) for split in ("trainval", "test"))
    return (list(train._images), train._labels), (list(test._images), test._labels)


def flowers102(folder: Path) -> tuple[Files, Files]:
    train, validation, test = (datasets.Flowers102(str(folder), split) for split in ("train", "val", "test"))
    both = train._image_files + validation._image_files, train._labels + validation._labels
    return both, (test._image_files, test._labels)


def food101(folder: Path) -> tuple[Files, Files]:
    train, test = (datasets.Food101(str(folder), split) for split in ("train", "test"))
    return (train._image_files, train._labels), (test._image_files, test._labels)


def _pairs(samples: Sequence[tuple[str, int]]) -> Files:
    return [Path(path) for path, _ in samples], [label for _, label in samples]
