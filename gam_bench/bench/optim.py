"""What an optimizer's step costs beyond its passes.

The floor of a step is its forward-backward passes, each with its `zero_grad`, and one step of the base optimizer,
written as plainly as a user would. Also timed: SAM and GAM as most public code has them, a Python loop over the
parameters with state kept for each. On a CPU the clock is the process's own time, which other jobs on the machine
cannot stretch; run it with one thread.

    python -m gam_bench.bench.optim --help
"""

import argparse
import gc
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gam_bench import models
from gam_bench.bench.measure import Ratio, ratio
from gam_bench.optim import GAM, SAM, ExactGAM, Plain, SharpnessAware

KINDS: dict[str, tuple[type[SharpnessAware], int]] = {"SGD": (Plain, 1), "SAM": (SAM, 2), "GAM": (GAM, 4)}
CASES = (
    ("mlp", 128),
    ("mlp", 1024),
    ("test_resnet", 16),
    ("test_resnet", 128),
    ("resnet18_cifar", 8),
    ("resnet18_cifar", 128),
)
"""Model and batch size. The MLP has 43k parameters on 8×8 images, timm's test_resnet 0.37M and ResNet-18 11M."""

Step = Callable[[], object]


def ratios(
    rounds: int = 15,
    cases: Iterable[tuple[str, int]] = CASES,
    device: str = "cpu",
    fused: bool = False,
    seconds: float = 0.1,
) -> list[Ratio]:
    """Step times over their floors, over the plain loops, and of ExactGAM over an SGD step.

    All ways of one case take turns in each round, every turn as many steps as fill about `seconds`.
    """
    found = []
    for name, batch_size in cases:
        ways = _ways(name, batch_size, torch.device(device), fused)
        taken = _take_turns(ways, rounds, seconds, torch.device(device))
        where = f"{name}, batch {batch_size}"
        for kind in KINDS:
            found.append(ratio(f"{kind}, {where}", "floor", taken[kind], taken[f"{kind} floor"]))
        for kind in ("SAM", "GAM"):
            found.append(ratio(f"{kind}, {where}", "plain loop", taken[kind], taken[f"{kind} loop"]))
        found.append(ratio(f"ExactGAM, {where}", "SGD step", taken["ExactGAM"], taken["SGD floor"]))
    return found


def _ways(name: str, batch_size: int, device: torch.device, fused: bool) -> dict[str, Step]:
    image_size = 8 if name == "mlp" else 32
    images = torch.randn(batch_size, 3, image_size, image_size, device=device)
    labels = torch.randint(10, (batch_size,), device=device)

    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = models.create(name, 10, 3, image_size if name == "mlp" else None).to(device)
        return model, torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=fused)

    ways: dict[str, Step] = {}
    for kind, (optimizer, passes) in KINDS.items():
        ways[f"{kind} floor"] = floor(*fresh(), passes, images, labels)
        ways[kind] = stepper(optimizer, *fresh(), images, labels)
    ways["ExactGAM"] = stepper(ExactGAM, *fresh(), images, labels)
    ways["SAM loop"] = _sam_loop(*fresh(), images, labels)
    ways["GAM loop"] = _gam_loop(*fresh(), images, labels)
    return ways


def floor(model: nn.Module, base: torch.optim.Optimizer, passes: int, images: Tensor, labels: Tensor) -> Step:
    """`passes` gradients and one step of the base optimizer."""

    def step() -> None:
        for _ in range(passes):
            base.zero_grad()
            F.cross_entropy(model(images), labels).backward()
        base.step()

    return step


def stepper(
    kind: type[SharpnessAware], model: nn.Module, base: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> Step:
    """A step of one of our optimizers, as the training engine takes it."""
    optimizer = kind(model.parameters(), base, model=model)

    def step() -> None:
        optimizer.set_closure(F.cross_entropy, images, labels)
        optimizer.step()

    return step


def _take_turns(
    ways: dict[str, Step], rounds: int, seconds: float, device: torch.device
) -> dict[str, list[float]]:
    """Seconds a step, of every way in every round."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    repeats: dict[str, int] = {}
    for name, step in ways.items():
        _timed(step, 1, device)
        repeats[name] = max(1, round(seconds / _timed(step, 1, device)))
    for _ in range(rounds):
        for name, step in ways.items():
            taken[name].append(_timed(step, repeats[name], device))
    return taken


def _timed(step: Step, times: int, device: torch.device) -> float:
    """Seconds a step, of so many in a row."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = clock()
    for _ in range(times):
        step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (clock() - start) / times


# --- the usual way: a loop over the parameters, with state for each -----------------------------------------


def _sam_loop(model: nn.Module, base: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> Step:
    kept: dict[nn.Parameter, Tensor] = {}

    def step() -> None:
        _gradient(model, base, images, labels)
        with torch.no_grad():
            scale = 0.05 / (_norm(p.grad for p in model.parameters()) + 1e-12)
            for p in model.parameters():
                kept[p] = p.grad * scale
                p.add_(kept[p])
        _gradient(model, base, images, labels)
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(kept[p])
        base.step()

    return step


def _gam_loop(model: nn.Module, base: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> Step:
    kept: dict[nn.Parameter, dict[str, Tensor]] = {p: {} for p in model.parameters()}

    def keep(name: str) -> None:
        _gradient(model, base, images, labels)
        for p, state in kept.items():
            assert p.grad is not None
            state[name] = p.grad.clone()

    def climb(radius: float, along: str, step: str) -> None:
        scale = radius / (_norm(state[along] for state in kept.values()) + 1e-12)
        for p, state in kept.items():
            state[step] = state[along] * scale
            p.add_(state[step])

    def back(step: str) -> None:
        for p, state in kept.items():
            p.sub_(state[step])

    def step() -> None:
        keep("g0")
        with torch.no_grad():
            climb(0.02, "g0", "e0")
        keep("g1")
        with torch.no_grad():
            back("e0")
            for state in kept.values():
                state["h0"] = state["g1"] - state["g0"]
            climb(0.2, "h0", "e1")
        keep("g2")
        with torch.no_grad():
            climb(0.02, "g2", "e2")
        keep("g3")
        with torch.no_grad():
            back("e1")
            back("e2")
            for state in kept.values():
                state["plus"] = 0.6 * state["g1"] + 0.4 * state["g3"]
                state["minus"] = 0.5 * state["g0"] + 0.5 * state["g2"]
            product = sum((s["plus"] * s["minus"]).sum() for s in kept.values())
            along = product / _norm(s["plus"] for s in kept.values()) ** 2
            for p, state in kept.items():
                p.grad = state["plus"] - 0.03 * (state["minus"] - along * state["plus"])
        base.step()

    return step


def _gradient(model: nn.Module, base: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    base.zero_grad()
    F.cross_entropy(model(images), labels).backward()


def _norm(tensors: Iterable[Tensor | None]) -> Tensor:
    return torch.norm(torch.stack([t.norm() for t in tensors if t is not None]))


# --- what does not depend on the machine ----------------------------------------------------------------------


class _Counter(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        return func(*args, **(kwargs or {}))


def extra_operations(kind: str, name: str, fused: bool = False) -> tuple[int, int]:
    """ATen operations of a step beyond its floor's, and the model's parameter tensors.

    A `_foreach_` operation over a list counts as one, as does a view.
    """
    optimizer, passes = KINDS[kind]
    ways = _few(name, optimizer, passes, fused)
    counts = []
    for step in ways:
        step()
        with _Counter() as counter:
            step()
        counts.append(counter.operations)
    return counts[1] - counts[0], len(list(models.create(name, 10).parameters()))


def _few(name: str, optimizer: type[SharpnessAware], passes: int, fused: bool) -> list[Step]:
    """The floor and the step on a batch of two."""
    images, labels = torch.randn(2, 3, *[8 if name == "mlp" else 32] * 2), torch.tensor([0, 1])

    def fresh() -> tuple[nn.Module, torch.optim.Optimizer]:
        model = models.create(name, 10)
        return model, torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=fused)

    return [floor(*fresh(), passes, images, labels), stepper(optimizer, *fresh(), images, labels)]
