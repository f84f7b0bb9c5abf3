"""Runs into jobs into arrays, and which of them are left out: decisions without a cluster."""

from pathlib import Path
from typing import Any

import pytest

from gam_bench.launch.forecast import Forecast
from gam_bench.launch.slurm import squeue, status, submit
from gam_bench.launch.slurm.ledger import Entry, Ledger, not_queued
from gam_bench.launch.slurm.profile import Profile
from gam_bench.launch.slurm.squeue import Job, _seconds
from gam_bench.store.folder import RunFolder, State
from gam_bench.store.scan import Standing
from gam_bench.suite.spec import RunSpec
from gam_bench.suite.suite import Run

UNKNOWN = Forecast({})


def standing(tiny: dict[str, Any], results: Path, state: State = State.MISSING, **settings: Any) -> Standing:
    spec = RunSpec.resolve(tiny | settings)
    return Standing(Run(spec, spec.uid, {}), RunFolder.of(results, spec.uid), state, 0, None)


def seeds(tiny: dict[str, Any], results: Path, number: int, **settings: Any) -> list[Standing]:
    return [standing(tiny, results, seed=seed, **settings) for seed in range(number)]


def test_each_run_is_in_one_job_and_no_array_is_too_long(tiny, tmp_path):
    todo = seeds(tiny, tmp_path, 40)
    arrays = submit.arrays(todo, Profile(runs_per_job=3), UNKNOWN, largest=5)
    jobs = [job for array in arrays for job in array.jobs]
    assert [len(array.jobs) for array in arrays] == [5, 5, 4]
    assert sorted(len(job) for job in jobs) == [2, 2] + [3] * 12
    assert sorted(s.run.uid for job in jobs for s in job) == sorted(s.run.uid for s in todo)


def test_jobs_that_share_an_array_have_like_needs(tiny, tmp_path):
    todo = seeds(tiny, tmp_path, 3) + seeds(tiny, tmp_path, 2, processes=2)
    arrays = submit.arrays(todo, Profile(runs_per_job=2), UNKNOWN, largest=100)
    assert [(a.processes, len(a.jobs)) for a in arrays] == [(1, 2), (2, 2)]
    assert all(s.run.spec.processes == a.processes for a in arrays for job in a.jobs for s in job)


def test_each_job_gets_some_of_the_long_runs(tiny, tmp_path):
    todo = seeds(tiny, tmp_path, 4, epochs=1) + seeds(tiny, tmp_path, 2, epochs=100)
    (array,) = submit.arrays(todo, Profile(runs_per_job=3), UNKNOWN, largest=100)
    assert [sum(s.run.spec.epochs for s in job) for job in array.jobs] == [102, 102]


@pytest.mark.parametrize(("seconds", "minutes"), [(10, 15), (149, 15), (160, 30), (3600, 240), (86400, 3840)])
def test_the_limit_is_ten_minutes_and_twice_the_forecast_in_steps(seconds, minutes, tiny, tmp_path):
    one = standing(tiny, tmp_path)
    done = Standing(one.run, one.folder, State.DONE, 2, {"total_seconds": seconds})
    (array,) = submit.arrays([one], Profile(), Forecast.from_records([done], tmp_path), largest=100)
    assert array.minutes == minutes
    assert minutes == 15 or minutes * 60 / 2 < 600 + 2 * seconds <= minutes * 60


def test_the_profile_sets_the_limit_if_it_says_one(tiny, tmp_path):
    (array,) = submit.arrays([standing(tiny, tmp_path)], Profile(hours=1.5), UNKNOWN, largest=100)
    assert array.minutes == 90


def test_arrays_divide_the_number_of_jobs_at_once(tiny, tmp_path):
    profile = Profile(jobs_at_once=5)
    arrays = submit.arrays(seeds(tiny, tmp_path, 6), profile, UNKNOWN, largest=3)
    assert [submit.parameters(array, profile, share=2)["array_parallelism"] for array in arrays] == [2, 2]


def test_a_run_in_a_live_job_is_left_out_unless_the_job_is_through_with_it(tiny, tmp_path):
    queued, failed, gone, never = seeds(tiny, tmp_path, 4)
    failed = standing(tiny, tmp_path, State.FAILED, seed=1)
    entries = [
        Entry("7_0", (queued.run.uid, failed.run.uid), "s", "me", "x"),
        Entry("6", (gone.run.uid,), "s", "me", "x"),
    ]
    assert not_queued([queued, failed, gone, never], entries, {"7_0"}) == [failed, gone, never]


def test_the_newest_job_of_a_run_counts(tiny, tmp_path):
    one = standing(tiny, tmp_path)
    entries = [Entry("6", (one.run.uid,), "s", "me", "x"), Entry("7", (one.run.uid,), "s", "me", "x")]
    assert not_queued([one], entries, {"7"}) == []
    assert not_queued([one], entries, {"6"}) == [one]


def test_the_ledger_keeps_all_but_a_line_that_was_cut_off(tmp_path):
    ledger = Ledger(tmp_path)
    first, second = Entry("1_0", ("a", "b"), "s", "me", "x"), Entry("2", ("c",), "s", "you", "y")
    with ledger.locked():
        ledger.add([first])
    with (tmp_path / "jobs" / "jobs.jsonl").open("a") as file:
        file.write('{"job": "1_1", "uids": ["d"')
    with ledger.locked():
        ledger.add([second])
    assert ledger.entries() == [first, second]
    assert ledger.users() == {"me", "you"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1-02:03:04", 93784), ("2:03:04", 7384), ("03:04", 184), ("UNLIMITED", None), ("INVALID", None)],
)
def test_time_left_as_squeue_writes_it(text, seconds):
    assert _seconds(text) == seconds


def test_status_joins_folder_queue_and_accounting(tiny, tmp_path):
    running = {"7_0": Job("7_0", "RUNNING", "n1", 60, "")}
    waiting = {"7_0": Job("7_0", "PENDING", "", None, "Priority")}

    def row(state: State, jobs: dict[str, Job], ended: dict[str, str] | None = None) -> tuple[object, ...]:
        one = standing(tiny, tmp_path, state)
        entries = [Entry("7_0", (one.run.uid,), "s", "me", "x")]
        (found,) = status.rows([one], entries, jobs, ended or {})
        return found.state, found.job, found.node, found.seconds_left, found.note

    assert row(State.RUNNING, running) == (State.RUNNING, "7_0", "n1", 60, "")
    assert row(State.MISSING, running) == (status.QUEUED, "7_0", None, None, "waits its turn in its job")
    assert row(State.STALE, waiting) == (status.QUEUED, "7_0", None, None, "Priority")
    assert row(State.STALE, {}) == (State.STALE, "7_0", None, None, "its job has ended")
    out_of_memory = (State.STALE, "7_0", None, None, "its job ended: out of memory")
    assert row(State.STALE, {}, {"7_0": "OUT_OF_MEMORY"}) == out_of_memory


def test_accounting_is_asked_of_jobs_that_are_gone_and_left_runs_open(tiny, tmp_path):
    states = [State.STALE, State.MISSING, State.DONE, State.FAILED, State.STALE, State.MISSING]
    found = [standing(tiny, tmp_path, state, seed=seed) for seed, state in enumerate(states)]
    entries = [Entry(str(seed), (one.run.uid,), "s", "me", "x") for seed, one in enumerate(found[:5])]
    assert status.left_runs(found, entries, {"4": None}) == {"0", "1"}
    assert status.left_runs(found, [*entries, Entry("9", entries[0].uids, "s", "me", "x")], {}) == {
        *("1", "4", "9")
    }


def test_the_join_asks_nobody(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(squeue, "_ask", lambda *_, **__: pytest.fail("SLURM was asked"))
    one = standing(tiny, tmp_path, State.STALE)
    entries = [Entry("7_0", (one.run.uid,), "s", "me", "x")]
    assert status.rows([one], entries, {}, {})[0].note == "its job has ended"


@pytest.mark.parametrize(
    ("states", "code"),
    [
        (["done"], 0),
        (["done", "failed", "running"], 1),
        (["diverged"], 1),
        (["running", "missing"], 3),
        (["queued", "done"], 3),
        (["done", "stale"], 4),
        (["missing"], 4),
    ],
)
def test_exit_codes(states, code):
    rows = [status.Row("u", state, 0, 1, None, None, None, None, "") for state in states]
    assert status.exit_code(rows) == code
