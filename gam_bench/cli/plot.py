"""`gam-bench plot`: the figures of the report as files for papers."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gam_bench.cli.options import RESULTS, Only, Results, Seeds, Sources
from gam_bench.errors import UserError


class Format(StrEnum):
    PDF = "pdf"
    PNG = "png"
    SVG = "svg"


def command(
    sources: Sources,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to write to.")
    ] = Path("figures"),
    format: Annotated[Format, typer.Option(help="The files' format.")] = Format.PDF,
    results: Results = RESULTS,
    seeds: Seeds = "",
    only: Only = [],  # noqa: B006
) -> None:
    """Draw learning curves, accuracy against cost, and flatness against accuracy, a file each, a panel a
    task.

    Examples: `gam-bench plot quickstart` · `gam-bench plot cifar100 --format png -o figures`
    """
    from gam_bench.report import plots
    from gam_bench.results.files import gather

    panels = list(plots.panels(gather(sources, results, seeds, only, curves=True, environment=False)))
    if not panels:
        raise UserError("there is no finished run to draw")
    try:
        output.mkdir(parents=True, exist_ok=True)
        for kind in plots.KINDS:
            chosen = [panel for panel in panels if panel.kind == kind]
            if chosen:
                path = output / f"{kind}.{format.value}"
                plots.save(chosen, path)
                print(f"wrote {path}", file=sys.stderr)
    except OSError as error:
        raise UserError(f"cannot write to {output}: {error.strerror}") from None
