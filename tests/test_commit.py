"""Which commit the code is, asked of a repository made for it."""

import json
import subprocess

import pytest

from gam_bench import commit as module


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A checkout of a project with a package; what is known of it is asked anew each time."""
    (tmp_path / "gam_bench").mkdir()
    (tmp_path / "gam_bench" / "code.py").write_text("1")
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "gam_bench")
    return tmp_path


def git(folder, *arguments):
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def asked():
    module.commit.cache_clear()
    try:
        return module.commit()
    finally:
        module.commit.cache_clear()


def test_a_checkout_knows_its_commit_and_whether_it_differs(project):
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    head = git(project, "rev-parse", "HEAD")
    assert asked() == {"git_commit": head, "git_dirty": False}
    (project / "results").mkdir()
    (project / "results" / "new").write_text("results do not make the code another one")
    assert asked() == {"git_commit": head, "git_dirty": False}
    (project / "gam_bench" / "code.py").write_text("2")
    assert asked() == {"git_commit": head, "git_dirty": True}


@pytest.mark.parametrize("place", ["commit.json", "gam_bench/shipped/commit.json"])
def test_a_copy_is_told(project, place):
    told = {"git_commit": "abc", "git_dirty": True}
    (project / place).parent.mkdir(exist_ok=True)
    (project / place).write_text(json.dumps(told))
    assert asked() == told


def test_where_nobody_knows_nothing_is_claimed(project, monkeypatch):
    assert asked() == {"git_commit": None, "git_dirty": None}
    (project / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert asked() == {"git_commit": None, "git_dirty": None}
