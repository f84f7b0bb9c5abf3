"""A run that notes what each of its settings does: the effects that `test_settings_reach_training` compares.

As a script: one of two processes that train data-parallel runs.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from gam_bench.data.catalog import DATASETS
from gam_bench.models.catalog import MODELS
from gam_bench.store.folder import State
from gam_bench.suite.spec import RunSpec
from gam_bench.train import run
from gam_bench.train.group import Group
from gam_bench.train.trainer import Trainer

torch.set_num_threads(1)

EFFECTS = {
    "epochs": "how many there are",
    "weights": "the model's, before the first step",
    "order": "the images' numbers, as the first epoch takes them",
    "batches": "how many images each step of the first epoch has",
    "images": "of the first epoch, as the steps get them, put back into the split's order",
    "labels": "the same of the labels",
    "held out": "the splits that are evaluated, and their sizes",
    "dropout": "the seed of torch's generator at the first step",
    "arithmetic": "the predictions' type, and whether tf32 is allowed",
    "loss": "of fixed predictions and labels",
    "passes": "the images of each forward pass of the first step",
    "radii": "ρ and ρ' at each step",
    "gradient": "what the base optimizer gets in the first step",
    "rates": "the learning rate at each step",
    "update": "the base optimizer's, on fixed gradients at a fixed rate",
}


class Watched(Trainer):
    """A trainer that notes the effects of its settings while it trains."""

    def __init__(self, *arguments: Any):
        super().__init__(*arguments)
        self.seen: dict[str, Any] = {"rates": [], "radii": [], "epochs": 0}
        self.seen["weights"] = {key: value.clone() for key, value in self.model.state_dict().items()}
        splits = self.evaluation_batches.items()
        self.seen["held out"] = {name: len(batches.labels) for name, batches in splits}
        self._orders: list[Tensor] = []
        self._batches: list[tuple[Tensor, Tensor]] = []
        self._sizes: list[int] = []
        self._types: set[torch.dtype] = set()
        self._images_of, self._step = self.train_batches.source.images, self.step
        self.train_batches.source.images = self._note_order
        self.step = self._note_batch
        self.optimizer.base_optimizer.register_step_pre_hook(self._note_step)

    def train_epoch(self, epoch: int) -> dict[str, float]:
        self.seen["epochs"] += 1
        handle = self.model.register_forward_hook(self._note_pass)
        found = super().train_epoch(epoch)
        handle.remove()
        return found

    def _note_order(self, order: Tensor, positions: list[Tensor], seed: int | None) -> Any:
        self._orders.append(order)
        self.seen.setdefault("order", order)
        self.seen.setdefault("_numbers", order[torch.cat(positions)])
        return self._images_of(order, positions, seed)

    def _note_batch(self, images: Tensor, labels: Tensor, rate: float) -> Any:
        self.seen.setdefault("dropout", torch.initial_seed())
        if self.seen["epochs"] == 1:
            self._batches.append((images.clone(), labels.clone()))
        return self._step(images, labels, rate)

    def _note_pass(self, model: Any, inputs: tuple[Tensor], predictions: Tensor) -> None:
        if "gradient" not in self.seen:
            self._sizes.append(len(inputs[0]))
            self._types.add(predictions.dtype)

    def _note_step(self, base: torch.optim.Optimizer, *_: Any) -> None:
        group = base.param_groups[0]
        self.seen.setdefault("gradient", torch.cat([p.grad.flatten().clone() for p in group["params"]]))
        self.seen["rates"].append(group["lr"])
        self.seen["radii"].append([group[name] for name in ("rho", "rho_prime") if name in group])

    def effects(self) -> dict[str, Any]:
        images, labels = (torch.cat(parts) for parts in zip(*self._batches, strict=True))
        back = self.seen.pop("_numbers").argsort()
        tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        return self.seen | {
            "batches": [len(labels) for _, labels in self._batches],
            "images": images[back],
            "labels": labels[back],
            "arithmetic": (sorted(map(str, self._types)), tf32),
            "passes": self._sizes,
            "loss": self._loss(torch.eye(10)[:4] * torch.arange(1, 5)[:, None], torch.tensor([0, 3, 2, 9])),
            "update": update(self.optimizer.base_optimizer),
        }


def update(base: torch.optim.Optimizer) -> Tensor:
    """Where three steps of a base optimizer with these settings lead on given gradients, at rate 0.1."""
    weights = torch.nn.Parameter(torch.linspace(-1, 1, 5))
    probe = type(base)([weights], fused=True)
    probe.param_groups[0].update(base.param_groups[0], params=[weights], lr=0.1)
    for step in range(3):
        weights.grad = torch.linspace(-3, 2, 5) * 0.01 * (step + 1)
        probe.step()
    return weights.detach()


def observe(settings: dict[str, Any], group: Group = run.ALONE) -> dict[str, Any]:
    """The effects of one run, trained as every run is."""
    made: list[Watched] = []

    def watched(*arguments: Any) -> Watched:
        made.append(Watched(*arguments))
        return made[0]

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as results:
        patch.setattr(run, "Trainer", watched)
        if settings["model"] not in MODELS:
            import timm

            patch.setattr(timm, "create_model", _stand_in(timm.create_model))
        if settings["dataset"] == "others":
            patch.setitem(DATASETS, "others", replace(DATASETS["digits"], name="others", mean=(0.5,)))
        outcome = run.train(RunSpec.resolve(settings), Path(results), group=group)
    assert outcome.state == State.DONE, outcome.message
    return made[0].effects()


def _stand_in(create: Any) -> Any:
    """timm's `create_model` where there is no network: pretrained weights are all 0.01."""

    def create_model(name: str, *, pretrained: bool, **arguments: Any) -> torch.nn.Module:
        model = create(name, pretrained=False, **arguments)
        if pretrained:
            for parameter in model.parameters():
                torch.nn.init.constant_(parameter, 0.01)
        return model

    return create_model


def observe_in_two(wanted: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The effects, in the first of two processes, of runs with these settings (JSON), one after another."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, folder, *wanted]
        processes = [subprocess.Popen(command, env=os.environ | {"RANK": str(rank)}) for rank in range(2)]
        assert [process.wait(timeout=300) for process in processes] == [0, 0]
        return torch.load(Path(folder) / "seen", weights_only=True)


def one_of_two(folder: str, *wanted: str) -> None:
    """What the process does that RANK numbers."""
    rank = int(os.environ["RANK"])
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    found = {settings: observe(json.loads(settings), Group(rank, 2)) for settings in wanted}
    if rank == 0:
        torch.save(found, Path(folder) / "seen")
    dist.destroy_process_group()


if __name__ == "__main__":
    one_of_two(*sys.argv[1:])
