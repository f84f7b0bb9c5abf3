"""`gam-bench bench`: the engine's stages, each over its floor, in one interleaved run."""

import sys
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer


class Stage(StrEnum):
    DATA = "data"
    OPTIM = "optim"
    EPOCH = "epoch"
    SUITE = "suite"


def command(
    stages: Annotated[
        list[Stage] | None,
        typer.Argument(metavar="[STAGE…]", help="data, optim, epoch, suite [all]."),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep each stage's record there, as STAGE-cpu.json.")
    ] = None,
) -> None:
    """Time the engine against its floor and against the ordinary way; ratios with quartiles.

    The ways take turns, so a busy machine slows all of them alike. A few minutes a stage.

    Examples: `gam-bench bench epoch` · `gam-bench bench --save results/bench`
    """
    import torch

    from gam_bench.bench.measure import record

    torch.set_num_threads(1)
    for stage in stages or list(Stage):
        print(f"{stage} …", file=sys.stderr)
        ratios = import_module(f"gam_bench.bench.{stage}").ratios()
        for ratio in ratios:
            print(ratio, flush=True)
        if save is not None:
            print(f"wrote {record(stage, f'gam-bench bench {stage}', ratios, save)}", file=sys.stderr)
