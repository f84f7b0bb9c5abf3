"""Where prepared data sets lie, and which of them are there."""

import os
from collections.abc import Iterable
from pathlib import Path

from gam_bench.data.catalog import DATASETS
from gam_bench.errors import UserError


def data_root(root: str | Path | None = None) -> Path:
    """`root` if given, else $GAM_BENCH_DATA, else gam-bench in the user's data folder."""
    chosen = root or os.environ.get("GAM_BENCH_DATA")
    if chosen:
        return Path(chosen).expanduser()
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "gam-bench"


def ready(name: str, root: str | Path | None = None) -> bool:
    """Whether a data set has been prepared (or needs no preparing); `check` looks into it."""
    return DATASETS[name].bundled or (data_root(root) / name).is_dir()


def require(names: Iterable[str], root: str | Path | None = None) -> None:
    """Raise UserError with the command to type for each data set that is not prepared."""
    missing = [name for name in dict.fromkeys(names) if not ready(name, root)]
    if missing:
        place = data_root(root)
        raise UserError(
            "\n".join(
                f"{name} is not prepared in {place}: run `gam-bench data prepare {name}`" for name in missing
            )
        )
