"""`gam-bench data`: which data sets there are, put them in place, and verify them."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from gam_bench.data.catalog import DATASETS, Dataset, find
from gam_bench.data.roots import data_root, ready
from gam_bench.errors import UserError

app = typer.Typer(
    help="List the data sets, prepare them, check them.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
)

Root = Annotated[
    Path | None,
    typer.Option(
        "--root", metavar="DIR", help="The data root, if not $GAM_BENCH_DATA or the user's data folder."
    ),
]


@app.command("list")
def list_(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="All that is known of this one.")] = "",
    root: Root = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """The data sets, their sizes, and which are ready; with a NAME also its licence and how to obtain it."""
    place = data_root(root)
    chosen = [find(name)] if name else DATASETS.values()
    rows = [_facts(dataset, place) for dataset in chosen]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif name:
        for fact, value in rows[0].items():
            typer.echo(f"{fact:<21}{', '.join(map(str, value)) if isinstance(value, tuple) else value}")
    else:
        table = Table("data set", "train", "test", "classes", "pixels", "ready", box=box.SIMPLE)
        for dataset in chosen:
            table.add_row(
                dataset.name,
                f"{dataset.train_size:,}",
                f"{dataset.test_size:,}",
                f"{dataset.classes:,}",
                f"{dataset.image_size}×{dataset.image_size}×{dataset.channels}",
                "yes" if ready(dataset.name, place) else "no",
            )
        Console().print(table)
        typer.echo(f"in {place}; how to obtain one: gam-bench data list NAME")


_TOLD = (
    *("name", "title", "train_size", "test_size", "classes", "image_size", "channels"),
    *("mean", "std", "normalisation_source", "licence", "obtain"),
)


def _facts(dataset: Dataset, place: Path) -> dict[str, Any]:
    facts = {fact: getattr(dataset, fact) for fact in _TOLD}
    return {**facts, "folder": str(place / dataset.name), "ready": ready(dataset.name, place)}


@app.command()
def prepare(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set of `gam-bench data list`.")],
    source: Annotated[
        Path | None,
        typer.Option("--from", metavar="FOLDER|TAR", help="Take it from here instead of downloading it."),
    ] = None,
    root: Root = None,
) -> None:
    """Download a data set, or take it from files that are there, verify it, and put it in the data root."""
    from gam_bench.data.prepare import prepare as put_in_place  # needs torch

    put_in_place(name, root, source, say=typer.echo)


@app.command()
def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]…", help="Data sets; without any, all that are prepared."),
    ] = None,
    root: Root = None,
) -> None:
    """Verify checksums and numbers of images of prepared data sets."""
    from gam_bench.data.prepare import check as verify  # needs torch

    place = data_root(root)
    wrong = []
    for name in names or [dataset.name for dataset in DATASETS.values() if ready(dataset.name, place)]:
        try:
            typer.echo(f"{name} is complete in {verify(name, root)}")
        except UserError as error:
            wrong.append(str(error))
    if wrong:
        raise UserError("\n".join(wrong))


@app.command()
def weights(
    names: Annotated[
        list[str], typer.Argument(metavar="MODEL…", help="timm models with pretrained weights.")
    ],
) -> None:
    """Download timm's pretrained weights, since runs (setting `pretrained`) never download.

    Example: `gam-bench data weights resnet50.tv_in1k`
    """
    from gam_bench.models.build import fetch_weights  # needs torch and timm

    for name in names:
        typer.echo(f"{name} …")
        fetch_weights(name)
