"""Code pinning: a queued job runs the code that was submitted, whatever the checkout has become since."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import gam_bench


def take(folder: Path) -> Path:
    """Copy this package into `folder` and return `folder`, which jobs put first on their PYTHONPATH.

    The copy is of the files as they are, committed or not; about a megabyte. Beside it, `commit.json` says
    which commit they are, and whether they differ from it.
    """
    package = Path(gam_bench.__file__).parent
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    (folder / "commit.json").write_text(json.dumps(_commit(package)))
    return folder


def _commit(package: Path) -> dict[str, Any]:
    """As `environment.json` has it; nothing of a package that is installed, or already a snapshot."""
    if not (package.parent / ".git").exists():
        return {}
    head = _git(package, "rev-parse", "HEAD")
    status = _git(package, "status", "--porcelain", "--", ".")
    return {"git_commit": head, "git_dirty": None if status is None else bool(status)}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
