"""What an optimizer's step costs beyond its passes.

The floor of a step is its forward-backward passes, each with its `zero_grad`, and one step of the base
optimizer, written as plainly as a user would. Also timed: SAM and GAM as most public code has them, a
Python loop over the parameters with state kept for each. On a CPU the clock is the process's own time,
which other jobs on the machine cannot stretch; one thread.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from gam_bench import models
from gam_bench.bench.measure import Ratio, Tell, ratio, silent
from gam_bench.errors import UserError, did_you_mean
from gam_bench.models.catalog import names
from gam_bench.optim import GAM, SAM, ExactGAM, Plain, SharpnessAware

KINDS: dict[str, tuple[type[SharpnessAware], int]] = {"SGD": (Plain, 1), "SAM": (SAM, 2), "GAM": (GAM, 4)}
CASES = (("mlp", 128), ("mlp", 1024), ("test_resnet", 16), ("test_resnet", 128))
"""Model and batch size: an MLP of 43k parameters, and timm's test_resnet of 0.37M. ResNet-18 of 11M is dear
(resnet18_cifar:128 takes half an hour on two cores), so only on request."""

ROUNDS = 15
LEAST_ROUNDS = 3

Step = Callable[[], object]


def ratios(
    cases: Iterable[tuple[str, int]] = CASES,
    device: str = "cpu",
    budget: float = 300.0,
    seconds: float = 0.1,
    tell: Tell = silent,
) -> Iterator[Ratio]:
    """Step times over their floors and over the plain loops, and of ExactGAM over an SGD step, case by case.

    All ways of a case take turns in each round, each turn as many steps as fill about `seconds`. 15 rounds,
    or as many as the case's share of the `budget` (seconds) allows, but at least 3.
    """
    waiting, ends = list(cases), time.monotonic() + budget
    while waiting:
        name, batch_size = waiting[0]
        until = time.monotonic() + (ends - time.monotonic()) / len(waiting)
        title = f"{name}, batch {batch_size}"
        taken = _take_turns(ways(name, batch_size, device), until, seconds, partial(tell, title, ROUNDS))
        pairs = [(kind, f"{kind} floor") for kind in KINDS]
        pairs += [("SAM", "SAM loop"), ("GAM", "GAM loop"), ("ExactGAM", "SGD floor")]
        for kind, least in pairs:
            yield ratio(f"{kind}, {title}", least, taken[kind], taken[least])
        waiting.pop(0)


def parsed_case(text: str) -> tuple[str, int]:
    """Model and batch size of "mlp:128". Raises UserError."""
    name, colon, size = text.rpartition(":")
    if not colon or not size.isdecimal() or int(size) < 1:
        raise UserError(f"--case must be MODEL:BATCH, as in mlp:128, got {text!r}")
    if name not in names():
        raise UserError(f"unknown model {name!r}{did_you_mean(name, names())}")
    return name, int(size)


def ways(name: str, batch_size: int, device: str = "cpu", fused: bool = False) -> dict[str, Step]:
    """Each optimizer's step ("GAM"), its floor ("GAM floor") and plain loop ("GAM loop"), on one batch."""
    image_size = 8 if name == "mlp" else 32
    images = torch.randn(batch_size, 3, image_size, image_size, device=device)
    labels = torch.randint(10, (batch_size,), device=device)

    def parts() -> tuple[nn.Module, torch.optim.Optimizer, Tensor, Tensor]:
        model = models.create(name, 10).to(device)
        return model, torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, fused=fused), images, labels

    steps: dict[str, Step] = {
        f"{kind} floor": _floor(passes, *parts()) for kind, (_, passes) in KINDS.items()
    }
    steps |= {kind: _ours(optimizer, *parts()) for kind, (optimizer, _) in KINDS.items()}
    return steps | {
        "ExactGAM": _ours(ExactGAM, *parts()),
        "SAM loop": _sam_loop(*parts()),
        "GAM loop": _gam_loop(*parts()),
    }


def _floor(
    passes: int, model: nn.Module, base: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> Step:
    def step() -> None:
        for _ in range(passes):
            _gradient(model, base, images, labels)
        base.step()

    return step


def _ours(
    kind: type[SharpnessAware], model: nn.Module, base: torch.optim.Optimizer, images: Tensor, labels: Tensor
) -> Step:
    optimizer = kind(model.parameters(), base, model=model)

    def step() -> None:
        optimizer.set_closure(F.cross_entropy, images, labels)
        optimizer.step()

    return step


def _gradient(model: nn.Module, base: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> None:
    base.zero_grad()
    F.cross_entropy(model(images), labels).backward()


def _take_turns(
    steps: dict[str, Step], until: float, seconds: float, tell: Callable[[int], None]
) -> dict[str, list[float]]:
    """Seconds a step, of every way in every round; no new round after `until` once there are three."""
    repeats = {}
    tell(0)
    for name, step in steps.items():
        _timed(step, 1)
        repeats[name] = max(1, round(seconds / _timed(step, 1)))
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(ROUNDS):
        if number >= LEAST_ROUNDS and time.monotonic() > until:
            break
        for name, step in steps.items():
            taken[name].append(_timed(step, repeats[name]))
        tell(number + 1)
    return taken


def _timed(step: Step, times: int) -> float:
    """Seconds a step, of so many in a row."""
    on_gpu = torch.cuda.is_initialized()
    clock = time.perf_counter if on_gpu else time.process_time
    if on_gpu:
        torch.cuda.synchronize()
    start = clock()
    for _ in range(times):
        step()
    if on_gpu:
        torch.cuda.synchronize()
    return (clock() - start) / times


# --- the usual way: a loop over the parameters, with state for each -----------------------------------------


def _sam_loop(model: nn.Module, base: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> Step:
    kept: dict[nn.Parameter, Tensor] = {}

    def step() -> None:
        _gradient(model, base, images, labels)
        with torch.no_grad():
            reached = [(p, p.grad) for p in model.parameters() if p.grad is not None]
            scale = 0.05 / (_norm(gradient for _, gradient in reached) + 1e-12)
            for p, gradient in reached:
                kept[p] = gradient * scale
                p.add_(kept[p])
        _gradient(model, base, images, labels)
        with torch.no_grad():
            for p, move in kept.items():
                p.sub_(move)
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


def _norm(tensors: Iterable[Tensor]) -> Tensor:
    total: Tensor = torch.stack([t.norm() for t in tensors]).norm()
    return total


# --- counts, which no machine changes ---------------------------------------------------------------------


class _Counter(TorchDispatchMode):
    operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        return func(*args, **(kwargs or {}))


def extra_operations(name: str, fused: bool = False) -> dict[str, int]:
    """ATen operations of a step beyond its floor's; one over a list of tensors counts as one, so do views."""
    counts = {}
    for way, step in ways(name, 2, fused=fused).items():
        step()  # the first one also makes the state
        with _Counter() as counter:  # type: ignore[no-untyped-call]
            step()
        counts[way] = counter.operations
    return {way: counts[way] - counts[f"{way.split()[0]} floor"] for way in (*KINDS, "SAM loop", "GAM loop")}


def kept_tensors(kind: type[SharpnessAware]) -> float:
    """What an optimizer keeps beyond gradients and the base optimizer's state, in sizes of the parameters."""
    model = models.create("mlp", 10)
    base = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    optimizer = kind(model.parameters(), base, model=model)
    optimizer.set_closure(F.cross_entropy, torch.randn(2, 3, 8, 8), torch.tensor([0, 1]))
    optimizer.step()
    plain = [t for p in model.parameters() for t in (p, p.grad, *base.state[p].values()) if t is not None]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in _tensors_in(optimizer)}
    for t in plain:
        storages.pop(t.untyped_storage().data_ptr(), None)
    return sum(storages.values()) / sum(p.nbytes for p in model.parameters())


def _tensors_in(thing: Any) -> Iterator[Tensor]:
    """The tensors that an object of this package holds, in its attributes and theirs."""
    if isinstance(thing, Tensor):
        yield thing
    elif isinstance(thing, dict):
        yield from _tensors_in(list(thing.values()))
    elif isinstance(thing, list | tuple):
        for part in thing:
            yield from _tensors_in(part)
    elif type(thing).__module__.startswith("gam_bench.optim"):
        yield from _tensors_in(vars(thing))


def counts(cases: Iterable[tuple[str, int]] = CASES) -> Iterator[str]:
    """What no machine changes: a line for the operations of each model's steps, and one for what is kept."""
    for name in dict(cases):
        extra = ", ".join(f"{way} {count}" for way, count in extra_operations(name).items())
        tensors = len(list(models.create(name, 10).parameters()))
        yield f"{name}, {tensors} tensors: operations beyond the floor's: {extra}"
    kept = ", ".join(f"{kind.__name__} {kept_tensors(kind):.2f}" for kind in (Plain, SAM, GAM, ExactGAM))
    yield f"kept between steps, in sizes of the parameters: {kept}"
