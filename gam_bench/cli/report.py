"""`gam-bench report`: one self-contained page."""

from pathlib import Path
from typing import Annotated

import typer

from gam_bench.cli.options import RESULTS, Margin, Only, Published, Results, Seeds, SomeSources, either


def command(
    sources: SomeSources = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="[default: RESULTS/report.html]")
    ] = None,
    results: Results = RESULTS,
    seeds: Seeds = "",
    only: Only = [],  # noqa: B006
    margin: Margin = None,
    published: Published = "",
) -> None:
    """Write a page with scoreboard, tables, learning curves, cost, flatness, every run, setting and
    environment.

    It needs no network, and reads well on a phone and in print.

    Examples: `gam-bench report quickstart` · `gam-bench report results/cifar100/runs.jsonl -o cifar100.html`
    · `gam-bench report --published Waterloo -o waterloo.html`
    """
    from gam_bench.files import write_output
    from gam_bench.report import published as papers
    from gam_bench.report.page import of_published, page
    from gam_bench.results.files import gather

    named = either(sources, published, (seeds, only))
    if published:
        text = of_published(papers.build(published))
    else:
        frame = gather(named, results, seeds, only, curves=True)
        text = page(frame, None if margin is None else margin / 100)
    write_output(output or results / "report.html", text)
