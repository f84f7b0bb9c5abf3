"""`gam-bench merge`: results of several people or clusters in one file."""

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|DIR…", help="Exported runs.jsonl or runs.csv, or results folders."),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="The file to write, .jsonl or .csv.")
    ],
) -> None:
    """Join results; a run that two of them hold must be the same in both, or nothing is written.

    Example: `gam-bench merge alice/runs.jsonl bob/runs.jsonl -o results/cifar100/runs.jsonl`
    """
    from gam_bench.results import files

    merged = files.merge([(str(path), files.load(path, curves=True)) for path in sources])
    files.write(merged, output)
    print(f"wrote {len(merged)} runs to {output}", file=sys.stderr)
