"""The citation keys that settings and published figures refer to: `results/published/sources.csv`."""

import csv
from functools import cache

from gam_bench.files import shipped


@cache
def known_sources() -> dict[str, str]:
    """Key → citation."""
    return {row["source"]: row["citation"] for row in _rows()}


@cache
def papers() -> dict[str, str]:
    """A code's key → the key of the paper whose code it is."""
    return {row["source"]: row["of"] for row in _rows() if row["of"]}


@cache
def _rows() -> tuple[dict[str, str], ...]:
    with shipped("results", "published", "sources.csv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))
