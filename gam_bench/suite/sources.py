"""The citation keys that settings and published figures refer to."""

import csv
from functools import cache

from gam_bench.files import shipped


@cache
def known_sources() -> dict[str, str]:
    """Key → citation, from `results/published/sources.csv`."""
    with shipped("results", "published", "sources.csv").open(encoding="utf-8", newline="") as file:
        return {row["source"]: row["citation"] for row in csv.DictReader(file)}
