"""`gam-bench table`: measured against measured and against published."""

from enum import StrEnum
from typing import Annotated

import typer

from gam_bench.cli.options import (
    RESULTS,
    Margin,
    Only,
    Output,
    Published,
    Results,
    Seeds,
    SomeSources,
    either,
)


class Format(StrEnum):
    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    LATEX = "latex"
    HTML = "html"
    CSV = "csv"
    JSON = "json"


def command(
    sources: SomeSources = None,
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
    margin: Margin = None,
    published: Published = "",
    output: Output = None,
) -> None:
    """Compare optimizers: mean ± sd, paired differences, cost, and the published figure beside the measured
    one.

    Examples: `gam-bench table quickstart` · `gam-bench table cifar100 --format latex -o table.tex` ·
    `gam-bench table results/cifar100/runs.jsonl --metric lambda_max` ·
    `gam-bench table --published Waterloo`
    """
    from gam_bench.files import write_output
    from gam_bench.report import published as papers
    from gam_bench.report import render, table
    from gam_bench.results.files import gather

    named = either(sources, published, (seeds, only, rows, columns))
    if published:
        made = papers.build(published, _list(metric))
    else:
        frame = gather(named, results, seeds, only, environment=False)
        within = None if margin is None else margin / 100
        made = table.build(frame, _list(metric), _list(rows), _list(columns), within)
    if output is not None:
        write_output(output, render.render(made, format))
    elif format == Format.TERMINAL:
        print(render.for_standard_output(made), end="")
    else:
        print(render.render(made, format), end="")


def _list(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
