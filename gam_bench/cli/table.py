"""`gam-bench table`: measured against measured and against published."""

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gam_bench.cli.options import RESULTS, Only, Results, Seeds, planned
from gam_bench.store.scan import Standing, standings
from gam_bench.suite.suite import Suite

if TYPE_CHECKING:
    import pandas as pd

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SUITE|FILE…", help="A suite, or results: run folders' folder, runs.jsonl, runs.csv."
    ),
]
Margin = Annotated[
    float,
    typer.Option(min=0.0, metavar="POINTS", help="Within so many points a published accuracy is reproduced."),
]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write there.")]


class Format(StrEnum):
    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    LATEX = "latex"
    HTML = "html"
    CSV = "csv"
    JSON = "json"


def command(
    sources: Sources,
    results: Results = RESULTS,
    seeds: Seeds = "",
    only: Only = [],  # noqa: B006
    format: Annotated[Format, typer.Option(help="How it is written.")] = Format.TERMINAL,
    rows: Annotated[str, typer.Option(metavar="SETTING,…", help="Settings that make the rows.")] = "",
    columns: Annotated[
        str, typer.Option(metavar="SETTING,…", help="Settings that make the columns [optimizer].")
    ] = "",
    metric: Annotated[
        str, typer.Option(metavar="METRIC,…", help="Result columns, the main one first [test_accuracy, …].")
    ] = "",
    margin: Margin = 0.5,
    output: Output = None,
) -> None:
    """Compare optimizers: mean ± sd, paired differences, cost, and the published figure beside the measured
    one.

    Examples: `gam-bench table quickstart` · `gam-bench table cifar100 --format latex -o table.tex` ·
    `gam-bench table results/cifar100/runs.jsonl --metric lambda_max`
    """
    from gam_bench.report import render, table

    frame = frame_of(sources, results, seeds, only, environment=False)
    made = table.build(frame, _list(metric), _list(rows), _list(columns), margin / 100)
    if output is None and format == Format.TERMINAL:
        print(_terminal(made), end="")
    elif output is None:
        print(render.render(made, format), end="")
    else:
        write(output, render.render(made, format))


def print_tables(suite: Suite, found: Sequence[Standing]) -> None:
    """The table of a suite on the terminal, from where its runs stand."""
    from gam_bench.report import frame, table

    print(_terminal(table.build(frame.of_suite(suite, found, environment=False))), end="")


def frame_of(
    sources: Sequence[str],
    results: Path,
    seeds: str,
    only: list[str],
    *,
    curves: bool = False,
    environment: bool = True,
) -> "pd.DataFrame":
    """The runs that the arguments name: files and folders are read, anything else is a suite with its planned
    runs."""
    from gam_bench.report import export, frame

    tables = []
    for source in sources:
        path = Path(source)
        if path.suffix in (".jsonl", ".csv") or path.is_dir():
            tables.append((source, frame.load(path, curves=curves, environment=environment)))
        else:
            suite, runs = planned(source, seeds, only)
            found = frame.of_suite(suite, standings(runs, results), curves=curves, environment=environment)
            tables.append((source, found))
    return tables[0][1] if len(tables) == 1 else export.merge(tables)


def write(path: Path, text: str) -> None:
    """Write an output file and say where it is."""
    from gam_bench.errors import UserError
    from gam_bench.files import write_atomically

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    print(f"wrote {path}", file=sys.stderr)


def _terminal(made: "table.Table") -> str:  # type: ignore[name-defined]  # noqa: F821
    """Coloured and folded on a terminal, plain and unfolded in a pipe."""
    import shutil

    from gam_bench.report import render

    if not sys.stdout.isatty():
        return render.render(made, "terminal")
    return render.terminal(made, colour=True, width=shutil.get_terminal_size().columns) + "\n"


def _list(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
