"""Claims: one holder at a time, whatever the launchers do."""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gam_bench.store import claim
from gam_bench.store.claim import Claim, ClaimLost, alive


def _try(folder: Path, barrier, winners) -> None:
    barrier.wait()
    taken = Claim.take(folder)
    winners.put(taken is not None)
    time.sleep(1.0)  # hold it while the others try


def test_of_many_launchers_one_wins(tmp_path):
    context = multiprocessing.get_context("fork")
    barrier, winners = context.Barrier(8), context.Queue()
    processes = [context.Process(target=_try, args=(tmp_path, barrier, winners)) for _ in range(8)]
    for process in processes:
        process.start()
    outcomes = [winners.get(timeout=30) for _ in processes]
    for process in processes:
        process.join()
    assert sum(outcomes) == 1


def test_a_live_holder_keeps_its_claim(tmp_path):
    first = Claim.take(tmp_path)
    assert first is not None
    assert Claim.take(tmp_path) is None
    first.release()
    second = Claim.take(tmp_path)
    assert second is not None
    assert second.number == 2
    second.finish()
    assert not list(tmp_path.iterdir())


def test_a_killed_holder_is_followed_at_once(tmp_path):
    code = (
        "import sys,time; from pathlib import Path; from gam_bench.store.claim import Claim;"
        "Claim.take(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    assert Claim.take(tmp_path) is None
    holder.kill()
    holder.wait()
    taken = Claim.take(tmp_path)
    assert taken is not None
    assert taken.number == 2


def test_a_process_number_used_again_is_not_the_holder(tmp_path):
    path = tmp_path / "claim-1"
    holder = claim._holder() | {"started": claim._holder()["started"] - 1000}
    path.write_text(json.dumps(holder))
    assert not alive(path)


def test_on_another_machine_the_heartbeat_decides(tmp_path):
    path = tmp_path / "claim-1"
    path.write_text(json.dumps(claim._holder() | {"machine": {"host": "elsewhere"}, "pid": 1}))
    assert alive(path)
    old = time.time() - claim.SILENT_SECONDS - 1
    os.utime(path, (old, old))
    assert not alive(path)


def test_a_claim_that_was_just_created_and_not_written_is_alive(tmp_path):
    path = tmp_path / "claim-1"
    path.touch()
    assert alive(path)
    assert Claim.take(tmp_path) is None


def test_a_holder_that_was_followed_finds_out(tmp_path):
    first = Claim.take(tmp_path)
    first.held()
    (tmp_path / "claim-2").touch()
    with pytest.raises(ClaimLost):
        first.held()


def test_a_requeued_job_follows_itself_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    first = claim._holder() | {"machine": {"host": "lost-node"}, "pid": 1}
    (tmp_path / "claim-1").write_text(json.dumps(first))
    taken = Claim.take(tmp_path)
    assert taken is not None
    assert taken.number == 2
    monkeypatch.setenv("SLURM_JOB_ID", "43")
    assert Claim.take(tmp_path) is None
