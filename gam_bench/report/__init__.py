"""From results to tables, verdicts, pages and figures. `load` gives the tidy DataFrame all of it is made of.

    from gam_bench.report import load
    frame = load("results")              # run folders, or an exported runs.jsonl / runs.csv

Imports are late, so that a command line pays only for what it uses.
"""

from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    if name == "load":
        from gam_bench.report.frame import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
