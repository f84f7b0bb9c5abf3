"""The arguments and options that several verbs share, and what they mean."""

from pathlib import Path
from typing import Annotated

import typer

from gam_bench.suite.select import chosen
from gam_bench.suite.suite import Run, Suite

SuiteName = Annotated[
    str,
    typer.Argument(
        metavar="SUITE", help="A suite's name (`gam-bench list suites`), or a path to a .yaml file."
    ),
]
Results = Annotated[
    Path,
    typer.Option(
        "--results", metavar="DIR", help="The folder that holds the run folders.", show_default=True
    ),
]
Seeds = Annotated[str, typer.Option(metavar="0,1|0-9", help="These seeds instead of the suite's.")]
Only = Annotated[
    list[str],
    typer.Option(
        metavar="KEY=VALUE[,…]", help="Only runs with these settings, e.g. optimizer=sam,gam,model=resnet*."
    ),
]
Processes = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        help="Train each run in N data-parallel processes (setting `processes`, part of its identity).",
    ),
]
Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SUITE|FILE…", help="A suite, or results: run folders' folder, runs.jsonl, runs.csv."
    ),
]
Margin = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="POINTS",
        help="Within so many points two accuracies are the same [the suite's, or 0.5].",
    ),
]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write there.")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]

RESULTS = Path("results")


def planned(
    name: str, seeds: str = "", only: list[str] | None = None, processes: int | None = None
) -> tuple[Suite, list[Run]]:
    """The suite and the chosen ones of its runs. Raises UserError for anything unknown."""
    suite, runs = chosen(name, seeds, only or [])
    return suite, [run.changed(processes=processes) for run in runs] if processes else runs
