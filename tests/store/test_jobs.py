"""Whose claim it is inside a SLURM job and beside it, and how often a holder says that it lives."""

import json
import os
import time

import pytest

from gam_bench.store import claim
from gam_bench.store.claim import BEAT_SECONDS, SILENT_SECONDS, Claim


def left_behind(folder, **holder):
    (folder / "claim-1").write_text(json.dumps(claim._holder() | {"machine": {"host": "lost"}} | holder))


def test_a_process_does_not_follow_itself(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    assert Claim.take(tmp_path) is not None
    assert Claim.take(tmp_path) is None


def test_another_process_of_the_same_job_on_this_machine_is_followed(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    left_behind(tmp_path, machine=claim.this_machine(), pid=os.getppid())
    assert Claim.take(tmp_path) is not None


def test_outside_slurm_no_two_processes_are_one_job(tmp_path, monkeypatch):
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    left_behind(tmp_path)
    assert Claim.take(tmp_path) is None


@pytest.mark.parametrize(("task", "followed"), [("3", True), ("4", False)])
def test_of_an_array_the_same_task_follows(tmp_path, monkeypatch, task, followed):
    """The job id of an array's element changes when it is requeued; array and task do not."""
    monkeypatch.setenv("SLURM_JOB_ID", "99")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "7")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    left_behind(tmp_path)
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
    monkeypatch.setenv("SLURM_JOB_ID", "100")
    assert (Claim.take(tmp_path) is not None) == followed


def test_a_holder_beats_several_times_before_it_would_count_as_silent(tmp_path, monkeypatch):
    assert 0 < 3 * BEAT_SECONDS <= SILENT_SECONDS
    monkeypatch.setattr(claim, "BEAT_SECONDS", 0.01)
    held = Claim.take(tmp_path)
    os.utime(held.path, (0, 0))
    deadline = time.monotonic() + 30
    while held.path.stat().st_mtime == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert held.path.stat().st_mtime > 0
    held.release()
