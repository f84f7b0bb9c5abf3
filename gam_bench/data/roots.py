"""Where prepared data sets lie."""

import os
from pathlib import Path


def data_root(root: str | Path | None = None) -> Path:
    """`root` if given, else $GAM_BENCH_DATA, else gam-bench in the user's data folder."""
    chosen = root or os.environ.get("GAM_BENCH_DATA")
    if chosen:
        return Path(chosen).expanduser()
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "gam-bench"
