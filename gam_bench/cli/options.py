"""The arguments and options that several verbs share, and what they mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gam_bench.errors import UserError
from gam_bench.files import RESULTS as RESULTS
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
SomeSources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SUITE|FILE…]", help="A suite, or results: run folders' folder, runs.jsonl, runs.csv."
    ),
]
Published = Annotated[
    str,
    typer.Option(
        metavar="SOURCE",
        help="Instead of runs: what a source published (`gam-bench list published`), its figures compared.",
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


def planned(
    name: str, seeds: str = "", only: list[str] | None = None, processes: int | None = None
) -> tuple[Suite, list[Run]]:
    """The suite and the chosen ones of its runs. Raises UserError for anything unknown."""
    suite, runs = chosen(name, seeds, only or [])
    return suite, [run.changed(processes=processes) for run in runs] if processes else runs


def either(sources: Sequence[str] | None, published: str, given: Sequence[object]) -> list[str]:
    """The sources of runs, none where `published` names figures. Raises UserError unless it is one of both.

    `given`: the options that choose among runs.
    """
    if published and (sources or any(given)):
        raise UserError("--published takes no runs, and nothing that chooses among them")
    if not published and not sources:
        raise UserError("name a suite or a file of results, or --published SOURCE")
    return list(sources or ())
