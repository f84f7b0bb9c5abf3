"""`gam-bench list`: what there is to choose from."""

from collections import Counter
from collections.abc import Callable, Sequence
from enum import StrEnum
from fnmatch import fnmatch
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gam_bench.data.catalog import AUGMENTATIONS, DATASETS
from gam_bench.models import catalog as models
from gam_bench.optim.catalog import OPTIMIZERS
from gam_bench.results.published import figures
from gam_bench.suite.file import find, read, suite_names
from gam_bench.suite.sources import known_sources

Rows = Sequence[tuple[str, ...]]


class Kind(StrEnum):
    SUITES = "suites"
    MODELS = "models"
    DATASETS = "datasets"
    OPTIMIZERS = "optimizers"
    AUGMENTATIONS = "augmentations"
    PUBLISHED = "published"


def command(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    pattern: Annotated[str, typer.Argument(help="Only names like this, with * and ?.")] = "*",
) -> None:
    """List suites, models, data sets, optimizers, augmentations or sources of published figures.

    Examples: `gam-bench list suites` · `gam-bench list models 'resnet*_cifar'` · `gam-bench list published`
    """
    rows = [row for row in _ROWS[kind]() if fnmatch(row[0], pattern)]
    if not rows:
        print(f"no {kind} like {pattern!r}")
        raise typer.Exit(1)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    for _ in rows[0][1:]:
        table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console().print(table, soft_wrap=False)


def _suites() -> Rows:
    """Name, title, runs, published tables answered: from the files alone, so that listing stays quick."""
    rows = []
    for name in suite_names():
        file, _ = read(find(name))
        answers = "; ".join(f"{answer.source} {answer.table}".strip() for answer in file.answers)
        rows.append((name, file.title, f"{file.size()} runs", answers))
    return rows


def _models() -> Rows:
    ours = [(name, entry.description) for name, entry in models.MODELS.items()]
    return ours + [(name, "timm") for name in models.timm_names()]


def _datasets() -> Rows:
    return [
        (
            name,
            f"{d.title}: {d.classes} classes, "
            f"{d.train_size:,} + {d.test_size:,} images of {d.image_size} pixels",
        )
        for name, d in DATASETS.items()
    ]


def _optimizers() -> Rows:
    rows = []
    for name, entry in OPTIMIZERS.items():
        settings = ", ".join(entry.settings.model_fields)
        rows.append((name, entry.description + (f" [{settings}]" if settings else "")))
    return rows


def _augmentations() -> Rows:
    return [(name, entry.description) for name, entry in AUGMENTATIONS.items()]


def _published() -> Rows:
    """Source, how many figures of which tables, citation; for `table --published`."""
    tables: dict[str, Counter[str]] = {}
    for figure in figures():
        tables.setdefault(figure.source, Counter())[figure.table] += 1
    return [
        (source, f"{found.total()} figures", ", ".join(found), known_sources()[source])
        for source, found in tables.items()
    ]


_ROWS: dict[Kind, Callable[[], Rows]] = {
    Kind.SUITES: _suites,
    Kind.MODELS: _models,
    Kind.DATASETS: _datasets,
    Kind.OPTIMIZERS: _optimizers,
    Kind.AUGMENTATIONS: _augmentations,
    Kind.PUBLISHED: _published,
}
