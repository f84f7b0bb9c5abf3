"""`gam-bench bench`: the engine's stages, each over its floor, in one interleaved run."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gam_bench.errors import UserError
from gam_bench.hardware import gpu_names

if TYPE_CHECKING:
    from gam_bench.bench.measure import Tell


class Stage(StrEnum):
    DATA = "data"
    OPTIM = "optim"
    EPOCH = "epoch"
    SUITE = "suite"


class Device(StrEnum):
    CPU = "cpu"
    CUDA = "cuda"


def command(
    stages: Annotated[
        list[Stage] | None,
        typer.Argument(metavar="[STAGE…]", help="data, optim, epoch, suite [all]."),
    ] = None,
    case: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL:BATCH", help="What optim measures; may repeat [mlp:128, …]."),
    ] = None,
    device: Annotated[Device, typer.Option(help="Where optim's steps run.")] = Device.CPU,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Keep each stage's record there, as STAGE-cpu.json or STAGE-cuda.json."
        ),
    ] = None,
) -> None:
    """Time the engine against its floor and against the ordinary way; ratios with quartiles.

    The ways take turns, so a busy machine slows all of them alike. At most about five minutes a stage; a
    case that you name may take longer.

    Examples: `gam-bench bench epoch` · `gam-bench bench optim --case resnet18_cifar:128` ·
    `gam-bench bench --save results/bench`
    """
    chosen = stages or ([Stage.OPTIM] if case or device != Device.CPU else list(Stage))
    if (case or device != Device.CPU) and chosen != [Stage.OPTIM]:
        raise UserError("--case and --device are for the stage optim: gam-bench bench optim …")
    if device == Device.CUDA and not gpu_names():
        raise UserError("there is no CUDA GPU here for --device cuda")
    import torch

    from gam_bench.bench.measure import record

    torch.set_num_threads(1)
    for stage in chosen:
        module, found = import_module(f"gam_bench.bench.{stage}"), []
        with _progress(stage) as tell:
            for ratio in module.ratios(**_options(stage, module, case, device, tell)):
                found.append(ratio)
                print(ratio, flush=True)
        if stage == Stage.OPTIM:
            for line in module.counts(_cases(module, case)):
                print(line, flush=True)
        if save is not None:
            print(f"wrote {record(stage, _typed(stage, case, device), found, save, device)}", file=sys.stderr)


def _options(
    stage: Stage, module: Any, case: list[str] | None, device: Device, tell: "Tell"
) -> dict[str, Any]:
    if stage != Stage.OPTIM:
        return {}
    return {"cases": _cases(module, case), "device": device, "tell": tell}


def _cases(module: Any, case: list[str] | None) -> list[tuple[str, int]]:
    return [module.parsed_case(text) for text in case] if case else list(module.CASES)


def _typed(stage: Stage, case: list[str] | None, device: Device) -> str:
    words = ["gam-bench bench", stage, *(f"--case {text}" for text in case or ())]
    return " ".join(words + (["--device cuda"] if device == Device.CUDA else []))


@contextmanager
def _progress(stage: Stage) -> "Iterator[Tell]":
    """A line on standard error when a stage or a case begins, and every ten seconds or so in between."""
    print(f"{stage} …", file=sys.stderr, flush=True)
    last = time.monotonic()

    def tell(what: str, of: int, done: int) -> None:
        nonlocal last
        if done == 0 or time.monotonic() - last > 10:
            last = time.monotonic()
            print(f"  {what}: round {done} of {of}", file=sys.stderr, flush=True)

    yield tell
