"""A wheel remembers the commit that it was built from, and whether the tree differed from it."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or not (Path(self.root) / ".git").exists():
            return  # a checkout is asked itself, and an unpacked archive knows nothing
        commit, changes = (
            self._git("rev-parse", "HEAD"),
            self._git("status", "--porcelain", "--", "gam_bench", "suites"),
        )
        if commit is None:
            return
        path = Path(tempfile.mkdtemp()) / "commit.json"
        path.write_text(json.dumps({"git_commit": commit, "git_dirty": bool(changes)}))
        build_data["force_include"][str(path)] = "gam_bench/shipped/commit.json"

    def _git(self, *arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", self.root, *arguments], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()
