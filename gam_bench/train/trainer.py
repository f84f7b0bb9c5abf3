"""One run's model, data and optimizer, and what an epoch does with them."""

import math
import time
from contextlib import nullcontext
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gam_bench import models
from gam_bench.data.batches import Batches
from gam_bench.data.catalog import DATASETS
from gam_bench.data.loading import load
from gam_bench.data.randomness import derive
from gam_bench.models.build import offline
from gam_bench.suite.spec import RunSpec
from gam_bench.train.clock import synchronised
from gam_bench.train.flatness import Flatness, flatness
from gam_bench.train.flops import forward_backward_flops
from gam_bench.train.group import Group
from gam_bench.train.optimizer import load_optimizer, make_optimizer
from gam_bench.train.precision import model_precision
from gam_bench.train.schedule import learning_rate
from gam_bench.train.step import EagerStep, GraphedStep, Step, require_capturable
from gam_bench.train.switches import Switches

EVALUATION_BATCH = 1000
PROBE_IMAGES = 256
SKIPPED_SHARE = 0.1
"""A run that skips more of an epoch's steps than this, their gradients not being finite, has diverged."""


class Diverged(Exception):
    """The training loss is no longer a finite number, or too many gradients were not."""


class Trainer:
    """A run in memory. `model` and `optimizer` hold all that a checkpoint must keep."""

    def __init__(self, spec: RunSpec, device: torch.device, group: Group, switches: Switches):
        self.spec = spec
        self.device = device
        self.group = group
        entry = DATASETS[spec.dataset]
        splits = load(
            spec.dataset,
            validation=spec.validation,
            label_noise=spec.label_noise,
            seed=spec.seed,
            image_size=spec.image_size,
        ).to(device)
        self.images = len(splits.train)
        self.train_batches = Batches(
            splits.train,
            spec.batch_size,
            spec.augmentation,
            spec.augmentation_settings,
            seed=spec.seed,
            device=device,
            rank=group.rank,
            world=group.world,
            workers=torch.get_num_threads() if device.type == "cuda" else 0,
        )
        self.probe = Batches(splits.train, PROBE_IMAGES, seed=spec.seed, device=device)
        held_out = {"test": splits.test, "validation": splits.validation}
        self.evaluation_batches = {
            name: Batches(split, EVALUATION_BATCH, device=device, rank=group.rank, world=group.world)
            for name, split in held_out.items()
            if split is not None
        }
        torch.manual_seed(derive(spec.seed, "weights"))
        with offline() if spec.pretrained else nullcontext():
            model = models.create(
                spec.model,
                num_classes=entry.classes,
                in_chans=entry.channels,
                image_size=spec.image_size or entry.image_size,
                pretrained=spec.pretrained,
            )
        model = model.to(memory_format=torch.channels_last).to(device)
        self.model = model_precision(model, spec.precision, device)
        if switches.cuda_graph:
            require_capturable(spec, self.model, device)
        self.switches = switches
        trained = group.parallel(self.model, device)
        if switches.compile:
            trained.compile()
        self.optimizer = make_optimizer(spec, trained, captured=switches.cuda_graph)
        eager = EagerStep(self.optimizer, self._loss)
        self.step: Step = GraphedStep(eager, spec.batch_size) if switches.cuda_graph else eager
        self._taken = 0

    @property
    def steps(self) -> int:
        """Optimizer steps an epoch. A last batch too small to give every process an image is left out."""
        rest = self.images % self.spec.batch_size
        return len(self.train_batches) - (0 < rest < self.group.world)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    def train_epoch(self, epoch: int) -> dict[str, float]:
        """Train epoch `epoch` (from 1); its mean loss, accuracy (as seen while training), and clocks.

        `data_seconds` is the part of `train_seconds` in which the host waited for batches, `process_seconds`
        the processor time of all threads, which on a CPU stays true under load.

        `skipped_steps` had a gradient that was not finite, and were not taken.

        Nothing is read back from the device before the epoch's end. Raises Diverged.
        """
        torch.manual_seed(derive(self.spec.seed, "dropout", epoch))
        self.model.train()
        sums = _Sums(self.device)
        waited, skipped = 0.0, self.optimizer.skipped_steps
        start = asked = synchronised(self.device)
        computed = time.process_time()
        for step, (images, labels) in enumerate(islice(self.train_batches.epoch(epoch), self.steps)):
            waited += time.perf_counter() - asked
            rate = learning_rate(self.spec, epoch - 1, step, self.steps)
            predictions, loss = self.step(images, labels, rate)
            sums.add(loss * len(labels), predictions, labels)
            asked = time.perf_counter()
        loss_mean, accuracy = sums.means(self.group)
        seconds = synchronised(self.device) - start
        if not math.isfinite(loss_mean):
            raise Diverged(f"the training loss of epoch {epoch} is {loss_mean}")
        skipped = self.optimizer.skipped_steps - skipped
        if skipped > SKIPPED_SHARE * self.steps:
            raise Diverged(
                f"the gradients of {skipped} of epoch {epoch}'s {self.steps} steps were not finite; "
                f"more than {SKIPPED_SHARE:.0%} is too many"
            )
        return {
            "lr": rate,
            "train_loss": loss_mean,
            "train_accuracy": accuracy,
            "train_seconds": seconds,
            "data_seconds": waited,
            "skipped_steps": skipped,
            "process_seconds": time.process_time() - computed,
        }

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Loss (cross-entropy, without smoothing) and accuracy on each held-out split, and the clock."""
        self.group.equalise_statistics(self.model)
        self.model.eval()
        start = synchronised(self.device)
        found: dict[str, float] = {}
        for name, batches in self.evaluation_batches.items():
            sums = _Sums(self.device)
            for images, labels in batches.epoch():
                predictions = self.model(images).float()
                sums.add(cross_entropy(predictions, labels, reduction="sum"), predictions, labels)
            found[f"{name}_loss"], found[f"{name}_accuracy"] = sums.means(self.group)
        return found | {"eval_seconds": synchronised(self.device) - start}

    def flatness(self) -> Flatness:
        """λmax and trace of the training loss, over 256 training images that the seed picks, not varied."""
        images, labels = next(self.probe.epoch())
        generator = torch.Generator().manual_seed(derive(self.spec.seed, "flatness"))
        return flatness(self.model, self._loss, images, labels, generator)

    def image_pass_flops(self) -> float:
        """Floating-point operations of one image's forward and backward pass; for the end of a run."""
        images, labels = next(self.probe.epoch())
        return forward_backward_flops(self.model, self._loss, images[:8], labels[:8])

    def take_passes(self) -> int:
        """Gradient evaluations since this was last asked, as the optimizer counted them."""
        counted = self.optimizer.gradient_evaluations
        taken, self._taken = counted - self._taken, counted
        return taken

    def state_dict(self) -> dict[str, Any]:
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        load_optimizer(self.optimizer, state["optimizer"])

    def _loss(self, predictions: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(predictions.float(), labels, label_smoothing=self.spec.label_smoothing)


class _Sums:
    """Loss and correct predictions, summed on the device, so that no step waits for it."""

    def __init__(self, device: torch.device):
        self._loss = torch.zeros((), dtype=torch.float64, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._count = torch.zeros((), dtype=torch.int64)

    def add(self, loss: Tensor, predictions: Tensor, labels: Tensor) -> None:
        """`loss` is a sum over the images of the batch."""
        self._loss += loss
        self._correct += (predictions.argmax(1) == labels).sum()
        self._count += len(labels)

    def means(self, group: Group) -> tuple[float, float]:
        """Loss and accuracy an image, over all processes."""
        loss, correct, count = group.sum(self._loss, self._correct, self._count.to(self._loss.device))
        return loss / count, correct / count
