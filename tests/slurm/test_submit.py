"""What submit sends, and what it does not send twice, on a real SLURM."""

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gam_bench
from gam_bench.commit import commit

pytestmark = pytest.mark.slurm
HELD = {"sbatch": {"hold": True}}


def test_forty_runs_partly_local_give_one_table(cluster):
    """Packed into jobs, in arrays as long as the cluster allows; what was run locally is not sent."""
    suite = cluster.suite("forty", seeds=40)
    cluster.gam_bench("run", suite, "--seeds", "0-3")
    entries = cluster.submit(suite, runs_per_job=8, jobs_at_once=2)
    arrays = [entry["job"].partition("_")[0] for entry in entries]
    assert [arrays.count(array) for array in dict.fromkeys(arrays)] == [4, 1]  # MaxArraySize is 4
    sent = [uid for entry in entries for uid in entry["uids"]]
    assert len(sent) == len(set(sent)) == 36
    cluster.finished(40, 240)
    assert cluster.states(suite) == ["done"] * 40
    cluster.gam_bench("status", suite, code=0)

    calm = cluster.beside()
    calm.gam_bench("run", suite, "--seeds", "8-9")
    assert len(calm.figures()) == 2
    disturbed = cluster.figures()
    assert calm.figures() == {uid: disturbed[uid] for uid in calm.figures()}


def test_two_submits_at_once_queue_each_run_once(cluster):
    suite, profile = cluster.suite("twice", seeds=6), cluster.profile(**HELD)
    command = [sys.executable, "-m", "gam_bench", "submit", suite, "--cluster", profile]
    command += ["--results", str(cluster.results)]
    both = [
        subprocess.Popen(command, env=cluster.environment, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = sorted(process.communicate()[1] for process in both)
    uids = [uid for entry in cluster.ledger() for uid in entry["uids"]]
    assert len(uids) == len(set(uids)) == 6
    assert sum("nothing to submit" in text for text in said) == 1
    assert len(cluster.slurm("squeue", "-h", "-r").splitlines()) == 6


def test_variables_of_a_surrounding_job_do_not_leak_into_sbatch(cluster):
    suite = cluster.suite("inside")
    leaks = {
        "SLURM_NTASKS": "7",
        "SLURM_ARRAY_JOB_ID": "1",
        "SLURM_MEM_PER_CPU": "9",
        "SBATCH_PARTITION": "no",
    }
    cluster.gam_bench("submit", suite, "--cluster", cluster.profile(), **leaks)
    cluster.finished(1)


def test_jobs_run_the_code_that_was_submitted(cluster):
    """Submitted from a checkout that is broken before the job starts."""
    checkout = cluster.folder / "checkout"
    project = Path(gam_bench.__file__).parents[1]
    for part in ("gam_bench", "results/published"):
        shutil.copytree(project / part, checkout / part)
    suite = cluster.suite("pinned")
    cluster.folder = checkout  # where -m finds it first
    ours = cluster.submit(suite, **HELD)[0]["job"]
    (checkout / "gam_bench" / "train" / "run.py").write_text(
        "raise RuntimeError('edited after the submit')\n"
    )
    (checkout / "gam_bench" / "launch" / "slurm" / "job.py").unlink()
    cluster.slurm("scontrol", "release", ours)
    cluster.finished(1)


def test_a_job_whose_run_is_done_meanwhile_ends_in_a_second(cluster):
    suite = cluster.suite("overtaken")
    job = cluster.submit(suite, **HELD)[0]["job"]
    cluster.gam_bench("run", suite)
    cluster.slurm("scontrol", "release", job)
    cluster.wait(lambda: cluster.slurm("squeue", "-h", "-j", job) == "")
    seconds = cluster.slurm("sacct", "-nX", "-j", job, "-o", "ElapsedRaw,State").split()
    assert "0 of 1 runs to do" in cluster.log(job)
    assert int(seconds[0]) <= 2, seconds


def test_setup_and_environment_reach_the_job(cluster):
    suite = cluster.suite("setup")
    setup = ["cd /", 'export WORD="$GREETING world"', 'echo "$WORD" > "$TARGET"']
    environment = {"GREETING": "it's a", "TARGET": str(cluster.folder / "said")}
    (entry,) = cluster.submit(suite, setup=setup, environment=environment)
    cluster.finished(1)
    assert (cluster.folder / "said").read_text() == "it's a world\n"
    (path,) = cluster.results.glob("runs/*/environment.json")
    tells = json.loads(path.read_text())
    assert tells["git_commit"] == commit()["git_commit"]
    assert tells["slurm_job_id"] == entry["job"]


def test_a_failing_setup_ends_the_job_and_says_so(cluster):
    suite = cluster.suite("badsetup")
    (entry,) = cluster.submit(suite, setup=["module load nonsense"])
    cluster.wait(lambda: cluster.states(suite) == ["missing"])
    assert "the profile's setup failed: module load nonsense" in cluster.log(entry["job"])
    (row,) = cluster.wait(
        lambda: [r for r in cluster.status(suite).values() if r["note"] == "its job ended: failed"]
    )
    assert row["job"] == entry["job"]


def test_a_gpu_job_without_a_gpu_does_not_compute_on_the_cpu(cluster):
    """The local SLURM grants pretended GPUs, which no CUDA program sees."""
    suite = cluster.suite("gpus")
    (entry,) = cluster.submit(suite, gpus=1)
    cluster.wait(lambda: cluster.states(suite) == ["missing"])
    assert "the profile asks for a GPU, and n" in cluster.log(entry["job"])


def test_sbatch_s_refusal_is_one_line(cluster):
    suite = cluster.suite("refused")
    said = cluster.gam_bench("submit", suite, "--cluster", cluster.profile(partition="nope"), code=2)
    assert "error: sbatch refused: Batch job submission failed: Invalid partition name specified" in said
    assert cluster.ledger() == []


def test_data_that_the_jobs_would_not_find_are_refused(cluster):
    suite = cluster.suite("imagenet", runs=[{"dataset": "imagenet"}])
    here = cluster.profile(environment={"GAM_BENCH_DATA": str(cluster.folder)}, **HELD)
    said = cluster.gam_bench("submit", suite, "--cluster", here, code=2)
    assert "run `gam-bench data prepare imagenet`" in said
    (cluster.folder / "imagenet").mkdir()
    cluster.gam_bench("submit", suite, "--cluster", here)


def test_a_dry_run_needs_no_slurm_and_writes_nothing(cluster):
    suite = cluster.suite("dry", seeds=3)
    profile = cluster.profile(runs_per_job=2, partition="p", hours=2.0)
    said = cluster.gam_bench("submit", suite, "--cluster", profile, "--dry-run", PATH="")
    assert "2 jobs" in said
    assert "partition=p" in said
    assert "time=120" in said
    assert len(set(re.findall(r"sgd-cnn20k-digits-s\d-\w+", said))) == 3
    assert not cluster.results.exists()


def test_without_slurm_submit_says_what_to_do(cluster):
    said = cluster.gam_bench(
        "submit", cluster.suite("nowhere"), "--cluster", cluster.profile(), code=2, PATH=""
    )
    assert said == (
        "error: there is no scontrol here; go to a cluster's login node, or try slurm/local/slurm-up\n"
    )


def test_a_thousand_runs_take_seconds_and_few_questions(cluster, tmp_path: Path):
    """Counted at the door: each SLURM command becomes one that notes its name and runs the real one."""
    doors, notes = tmp_path / "doors", tmp_path / "asked"
    doors.mkdir()
    for name in ("squeue", "sacct", "scontrol", "sbatch", "scancel"):
        (doors / name).write_text(f'#!/bin/sh\necho {name} >>"{notes}"\nexec {shutil.which(name)} "$@"\n')
        (doors / name).chmod(0o755)
    cluster.environment["PATH"] = f"{doors}:{cluster.environment['PATH']}"
    suite = cluster.suite("thousand", seeds=1000)
    to_cluster = ["--cluster", cluster.profile(runs_per_job=100, **HELD)]

    def asks(verb: str, *arguments: str, code: int = 0) -> list[str]:
        notes.write_text("")
        began = time.monotonic()
        cluster.gam_bench(verb, suite, *arguments, code=code)
        took = time.monotonic() - began
        print(f"{verb} of 1,000 runs: {took:.1f} s")
        assert took < 20
        return sorted(notes.read_text().split())

    assert asks("plan") == []
    assert asks("submit", *to_cluster) == ["sbatch"] * 3 + ["scontrol"]  # 10 jobs, MaxArraySize is 4
    assert asks("status", code=3) == ["squeue"]
    assert asks("submit", *to_cluster) == ["scontrol", "squeue"]
    assert asks("cancel") == ["scancel", "squeue"]
    assert asks("status", code=4) == ["sacct", "squeue"]
