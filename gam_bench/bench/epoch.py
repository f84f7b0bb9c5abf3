"""A whole epoch over its floor: the same passes and updates on one batch that is already in memory."""

from collections.abc import Callable, Iterator
from itertools import islice

import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from gam_bench import models
from gam_bench.bench.measure import Ratio, interleaved
from gam_bench.data.catalog import DATASETS
from gam_bench.data.loading import load
from gam_bench.suite.spec import RunSpec
from gam_bench.train.group import Group
from gam_bench.train.switches import Switches
from gam_bench.train.trainer import Trainer

STEPS = 16
"""An epoch of digits in batches of 64, the last one smaller."""


def ratios(rounds: int = 7) -> Iterator[Ratio]:
    """One epoch of the quickstart's CNN on digits, by this engine's SGD and GAM, and by an ordinary loop."""
    for optimizer, passes in (("sgd", 1), ("gam", 4)):
        trainer = Trainer(_spec(optimizer), torch.device("cpu"), Group(), Switches())
        epochs = iter(range(1, 10_000))

        def engine(trainer: Trainer = trainer, epochs: object = epochs) -> None:
            trainer.train_epoch(next(epochs))  # type: ignore[call-overload]

        ways = {f"{optimizer} epoch, this engine": engine, f"{optimizer} floor": _floor(trainer, passes)}
        if optimizer == "sgd":
            ways["sgd epoch, PIL loader and a reading of the loss each step"] = _ordinary()
        yield from interleaved(ways, f"{optimizer} floor", rounds)


def _spec(optimizer: str) -> RunSpec:
    settings = {"dataset": "digits", "model": "cnn20k", "augmentation": "basic", "optimizer": optimizer}
    return RunSpec.resolve(settings | {"lr": 0.05, "epochs": 100, "batch_size": 64, "seed": 0})


def _floor(trainer: Trainer, passes: int) -> Callable[[], None]:
    """As many forward-backward passes and base steps as an epoch has, on batches that exist already."""
    batches = list(islice(trainer.train_batches.epoch(1), STEPS))
    model = models.create("cnn20k", 10, 1, 8).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=True)

    def run() -> None:
        model.train()
        for images, labels in batches:
            for _ in range(passes):
                optimizer.zero_grad()
                cross_entropy(model(images), labels).backward()
            optimizer.step()

    return run


class _Pictures(Dataset[tuple[torch.Tensor, int]]):
    """Digits as a torchvision data set would hold them: each access makes a PIL image and transforms it."""

    def __init__(self) -> None:
        split = load("digits").train
        assert isinstance(split.images, torch.Tensor)
        self.images, self.labels = split.images.numpy(), split.labels.tolist()
        entry = DATASETS["digits"]
        steps = [transforms.RandomCrop(8, padding=1), transforms.ToTensor()]
        self.transform = transforms.Compose([*steps, transforms.Normalize(entry.mean, entry.std)])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index, :, :, 0])), self.labels[index]


def _ordinary() -> Callable[[], None]:
    """The loop of a tutorial."""
    model: nn.Module = models.create("cnn20k", 10, 1, 8)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    loader = DataLoader(_Pictures(), batch_size=64, shuffle=True)

    def run() -> None:
        total = 0.0
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            loss = cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()

    return run
