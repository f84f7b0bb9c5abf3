"""`gam-bench report`: one self-contained page."""

from pathlib import Path
from typing import Annotated

import typer

from gam_bench.cli.options import RESULTS, Margin, Only, Results, Seeds, Sources


def command(
    sources: Sources,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="[default: RESULTS/report.html]")
    ] = None,
    results: Results = RESULTS,
    seeds: Seeds = "",
    only: Only = [],  # noqa: B006
    margin: Margin = None,
) -> None:
    """Write a page with scoreboard, tables, learning curves, cost, flatness, every run, setting and
    environment.

    It needs no network, and reads well on a phone and in print.

    Examples: `gam-bench report quickstart` · `gam-bench report results/cifar100/runs.jsonl -o cifar100.html`
    """
    from gam_bench.files import write_output
    from gam_bench.report.page import page
    from gam_bench.results.files import gather

    frame = gather(sources, results, seeds, only, curves=True)
    write_output(output or results / "report.html", page(frame, None if margin is None else margin / 100))
