"""`gam-bench export`: the committed form of results."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gam_bench.cli.options import RESULTS, Only, Results, Seeds
from gam_bench.errors import UserError


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"


def command(
    suite: Annotated[
        str, typer.Argument(metavar="SUITE", help="A suite, or a folder that holds run folders.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="[default: RESULTS/SUITE/runs.jsonl]"),
    ] = None,
    format: Annotated[Format, typer.Option(help="Without -o: the file's format.")] = Format.JSONL,
    results: Results = RESULTS,
    seeds: Seeds = "",
    only: Only = [],  # noqa: B006
) -> None:
    """Write a suite's results to one file, from which `table` and `report` give the same text without run
    folders.

    A row a run: all settings with their sources, all figures, the environment, the learning curves.

    Examples: `gam-bench export quickstart` · `gam-bench export quickstart --format csv`
    """
    from gam_bench.results.files import gather, write

    frame = gather([suite], results, seeds, only, curves=True)
    if frame.empty:
        raise UserError(f"{suite} holds no runs")
    if (frame["state"] == "missing").all():
        raise UserError(f"no run of {suite} was begun in {results}; --results names the folder")
    name = str(frame["suite"].iat[0]) or Path(suite).stem
    path = output or results / name / f"runs.{format.value}"
    write(frame, path)
    print(f"wrote {len(frame)} runs to {path}", file=sys.stderr)
