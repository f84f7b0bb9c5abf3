"""Results as data: run folders and exported files as one tidy DataFrame, and the published figures beside it.

    from gam_bench.results import load
    frame = load("results")              # run folders, or an exported runs.jsonl / runs.csv

Imports are late, so that a command line pays only for what it uses.
"""

from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from gam_bench.results.files import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
