"""Runs survive what a cluster does to them, with the figures of a calm run, and stop when told to."""

import shutil
import signal
import time

import pytest

pytestmark = pytest.mark.slurm
LONG = {"epochs": 150, "batch_size": 50}


def test_a_storm_leaves_the_table_of_a_calm_day(cluster):
    """Of three jobs one is requeued and one's run is killed; all are preempted; and a node is lost."""
    suite = cluster.suite("storm", seeds=3, **LONG)
    entries = cluster.submit(suite, memory_gb=30)  # two fit on a node
    run_of = {entry["job"]: entry["uids"][0] for entry in entries}
    requeued, killed, lost = run_of
    cluster.wait(lambda: all(cluster.epoch(uid) > 0 for uid in run_of.values()))
    cluster.kill_process_of(run_of[killed])
    cluster.wait(lambda: "failed" in cluster.states(suite))
    cluster.slurm("scontrol", "requeue", requeued)
    cluster.slurm("sbatch", "-p", "high", "-N", "2", "--exclusive", "--wrap", "true", "-o", "/dev/null")
    cluster.wait(lambda: cluster.state(lost) == "PENDING")
    seen = cluster.epoch(run_of[lost])
    cluster.wait(lambda: cluster.epoch(run_of[lost]) > seen)
    node = cluster.node(lost)
    cluster.crash(node)
    cluster.wait(lambda: cluster.node(lost) != node)
    cluster.up()
    cluster.finished(2, 600)
    assert cluster.states(suite) == ["done", "done", "failed"]
    cluster.gam_bench("retry", suite)
    cluster.finished(3)

    assert cluster.log(requeued).count("runs to do") >= 2  # begun, and begun again
    assert cluster.log(lost).count("runs to do") == 3
    assert "Caught signal SIGUSR2" in cluster.log(lost)
    calm = cluster.beside()
    calm.gam_bench("run", suite)
    assert calm.figures() == cluster.figures()


def test_a_run_longer_than_its_time_limit_comes_to_its_end(cluster):
    """A minute is the shortest limit. SLURM looks every half minute, and signals up to a minute early."""
    suite = cluster.suite("limit", epochs=150, batch_size=25)
    (entry,) = cluster.submit(suite, hours=1 / 60)
    cluster.finished(1, 300)
    log = cluster.log(entry["job"])
    assert "Job has timed out" in log
    assert "1 of 1 runs to do" in log.partition("Requeued job")[2]
    assert cluster.states(suite) == ["done"]


def test_a_limit_too_short_for_an_epoch_is_an_error_and_no_loop(cluster):
    suite = cluster.suite("short", model="resnet18_cifar", image_size=32, optimizer="gam")
    (entry,) = cluster.submit(suite, hours=1 / 60)
    cluster.wait(lambda: cluster.states(suite) == ["failed"], 150)
    (row,) = cluster.status(suite).values()
    assert row["note"] == "a job of 1 min is too short for one epoch: set the profile's hours"
    cluster.wait(lambda: cluster.state(entry["job"]) == "")


def test_a_preemption_that_only_terminates_goes_back_to_the_queue_too(cluster):
    """Clusters without preempt_send_user_signal send SIGTERM and kill after a time of grace."""
    suite = cluster.suite("grace", **LONG)
    (entry,) = cluster.submit(suite)
    (uid,) = entry["uids"]
    cluster.wait(lambda: cluster.epoch(uid) > 0)
    cluster.slurm("scancel", "--signal=TERM", entry["job"])
    cluster.wait(lambda: cluster.state(entry["job"]) == "PENDING")
    seen = cluster.epoch(uid)
    cluster.wait(lambda: cluster.epoch(uid) > seen)
    assert "stopped by SLURM (RUNNING)" in cluster.log(entry["job"])
    assert f"{uid}: starts after epoch {seen}" in cluster.log(entry["job"])


def test_a_cancelled_run_stops_at_once_and_goes_on_when_submitted_again(cluster):
    suite = cluster.suite("cancelled", **LONG)
    (entry,) = cluster.submit(suite)
    (uid,) = entry["uids"]
    cluster.wait(lambda: cluster.epoch(uid) > 2)
    (row,) = cluster.status(suite).values()
    assert (row["state"], row["job"], row["node"]) == ("running", entry["job"], cluster.node(entry["job"]))
    assert row["seconds_left"] > 3000
    assert row["accuracy"] > 0.1
    began = time.monotonic()
    assert f"cancelled job {entry['job']}: {uid}" in cluster.gam_bench("cancel", uid[:-2])
    cluster.wait(lambda: cluster.state(entry["job"]) == "")
    assert time.monotonic() - began < 10
    cluster.wait(lambda: cluster.status(suite)[uid]["note"] == "its job ended: cancelled")
    assert cluster.states(suite) == ["stale"]
    cluster.gam_bench("status", suite, code=4)
    before = cluster.epoch(uid)
    (again,) = cluster.submit(suite)
    cluster.wait(lambda: cluster.epoch(uid) > before)
    assert f"{uid}: starts after epoch {before}" in cluster.log(again["job"])
    cluster.gam_bench("cancel", suite)


def test_runs_that_fail_take_no_other_along(cluster):
    """Of four runs in one job one diverges, one has a model that cannot take its images, one is killed."""
    blocks = [{"lr": [1.0e30, 0.05]}, {"model": "test_vit"}, {"epochs": 500}]
    suite = cluster.suite("mates", runs=blocks, batch_size=50)
    (entry,) = cluster.submit(suite, runs_per_job=4, cpus=2, runs_at_once=2)
    rows = cluster.status(suite)
    (victim,) = [uid for uid in entry["uids"] if rows[uid]["epochs"] == 500]
    cluster.wait(lambda: cluster.epoch(victim) > 2)
    cluster.kill_process_of(victim)
    cluster.wait(lambda: cluster.states(suite) == ["diverged", "done", "failed", "failed"])
    cluster.gam_bench("status", suite, code=1)
    notes = {row["uid"]: row["note"] for row in cluster.status(suite).values()}
    assert notes[victim].startswith("its process was killed; out of memory")
    assert any("should be divisible by patch size" in note for note in notes.values())
    log = cluster.gam_bench("logs", victim)
    assert "its process was killed" in log
    cluster.wait(lambda: cluster.state(entry["job"]) == "")
    cluster.gam_bench("retry", suite, "--only", "epochs=500")
    cluster.wait(lambda: cluster.states(suite) == ["diverged", "done", "failed", "running"])
    cluster.gam_bench("cancel", suite)


def notes(cluster, suite: str, **environment: str) -> list[str]:
    return sorted(row["note"] for row in cluster.status(suite, **environment).values())


def test_status_is_right_without_sacct_and_with_a_stopped_accounting(cluster):
    suite = cluster.suite("accounting", seeds=3)
    cluster.submit(suite, "--seeds", "0,1", sbatch={"hold": True})
    cluster.gam_bench("cancel", suite)
    cluster.submit(suite, "--seeds", "2", sbatch={"hold": True})
    cluster.wait(lambda: notes(cluster, suite) == ["JobHeldUser"] + ["its job ended: cancelled"] * 2)
    cluster.signal_daemon("slurmdbd", signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert notes(cluster, suite) == ["JobHeldUser"] + ["its job has ended"] * 2
        assert time.monotonic() - began < 10
    finally:
        cluster.signal_daemon("slurmdbd", signal.SIGCONT)
    without = cluster.folder / "without sacct"
    without.mkdir()
    (without / "squeue").symlink_to(shutil.which("squeue"))
    assert notes(cluster, suite, PATH=str(without)) == ["JobHeldUser"] + ["its job has ended"] * 2
    said = cluster.gam_bench("status", suite, code=4, PATH="")
    assert "warning: what is queued is not known: there is no squeue here" in said
