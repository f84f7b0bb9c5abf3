"""Which commit this code is."""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent


@cache
def commit() -> dict[str, Any]:
    """`git_commit`, and `git_dirty`: whether the code differs from it; both None where nobody knows.

    A wheel and a job's snapshot say so in a `commit.json`; a checkout is asked itself.
    """
    for told in (PACKAGE.parent / "commit.json", PACKAGE / "shipped" / "commit.json"):
        if told.exists():
            found: dict[str, Any] = json.loads(told.read_text())
            return found
    if not (PACKAGE.parent / ".git").exists():
        return {"git_commit": None, "git_dirty": None}
    status = _git("status", "--porcelain", "--", "gam_bench", "suites")
    return {"git_commit": _git("rev-parse", "HEAD"), "git_dirty": None if status is None else bool(status)}


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(PACKAGE.parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
