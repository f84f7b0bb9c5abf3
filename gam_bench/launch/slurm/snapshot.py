"""Code pinning: a queued job runs the code that was submitted, whatever the checkout has become since."""

import json
import shutil
from pathlib import Path

import gam_bench
from gam_bench.commit import commit


def take(folder: Path) -> Path:
    """Copy this package into `folder` and return `folder`, which jobs put first on their PYTHONPATH.

    The copy is of the files as they are, committed or not; about a megabyte. Beside it, `commit.json` says
    which commit they are, and whether they differ from it.
    """
    package = Path(gam_bench.__file__).parent
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    (folder / "commit.json").write_text(json.dumps(commit()))
    return folder
