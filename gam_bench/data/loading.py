"""A data set by name, from where it was prepared."""

from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gam_bench.data.catalog import Dataset, find
from gam_bench.data.roots import data_root
from gam_bench.data.splits import Split, Splits, hold_out, spoil_labels
from gam_bench.errors import UserError


def load(
    name: str,
    root: str | Path | None = None,
    *,
    validation: float = 0.0,
    label_noise: float = 0.0,
    seed: int = 0,
    image_size: int | None = None,
) -> Splits:
    """The splits of data set `name`, which must have been prepared; nothing is ever downloaded here.

    root: the data root (default: `data_root()`).
    validation: fraction of the training images, of every class, that `seed` chooses to hold out; 0 for none.
    label_noise: fraction of the remaining training labels that `seed` chooses and redraws uniformly from all
        classes; validation and test labels stay true.
    image_size: pixels a side of the images in batches (default: the data set's own).

    Sets of kind "memory" are read once a process and shared between calls.
    Raises UserError for an unknown name, a fraction outside [0, 1), and data that are missing or damaged.
    """
    dataset = find(name)
    for setting, fraction in (("validation", validation), ("label_noise", label_noise)):
        if not 0 <= fraction < 1:
            raise UserError(f"{setting} is {fraction}, but must be at least 0 and less than 1")
    train, test = (
        Split(dataset, images, labels, image_size or dataset.image_size)
        for images, labels in read_splits(dataset, data_root(root) / name)
    )
    held_out = None
    if validation:
        train, held_out = hold_out(train, validation, seed)
    if label_noise:
        train = spoil_labels(train, label_noise, seed)
    return Splits(train, held_out, test)


Part = tuple[Tensor | Sequence[Path], Tensor]


@lru_cache(maxsize=4)
def read_splits(dataset: Dataset, folder: Path) -> tuple[Part, Part]:
    """Images and labels of the training and the test split, with the sizes that the catalogue gives.

    Raises UserError where the data are not prepared, cannot be read, or have other sizes.
    """
    if not dataset.bundled and not folder.is_dir():
        raise UserError(
            f"{dataset.name} is not prepared in {folder}: run `gam-bench data prepare {dataset.name}`"
        )
    module, _, function = dataset.read.partition(":")
    try:
        train, test = (_as_tensors(*part) for part in getattr(import_module(module), function)(folder))
    except Exception as error:  # a damaged file may fail in any way, deep in another library
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UserError(
            f"{dataset.name} in {folder} cannot be read ({reason}): "
            f"prepare it again with `gam-bench data prepare {dataset.name}`"
        ) from error
    for split, part, size in (("training", train, dataset.train_size), ("test", test, dataset.test_size)):
        if len(part[1]) != size:
            raise UserError(
                f"{dataset.name} in {folder} has {len(part[1]):,} {split} images instead of {size:,}"
            )
    return train, test


def _as_tensors(images: np.ndarray | list[Path], labels: Sequence[int]) -> Part:
    tensor = torch.from_numpy(np.array(images, order="C")) if isinstance(images, np.ndarray) else images
    return tensor, torch.as_tensor(np.array(labels), dtype=torch.int64)
