"""What is submitted, in which order, and by which machine's records it is forecast."""

import json

import pytest

from gam_bench.launch.forecast import Forecast, kind
from gam_bench.launch.slurm.ledger import Entry, not_queued
from gam_bench.launch.slurm.profile import Profile
from gam_bench.launch.slurm.submit import arrays
from gam_bench.store.folder import RunFolder, State
from gam_bench.store.scan import Standing
from gam_bench.suite.spec import RunSpec
from gam_bench.suite.suite import Run


def standing(tiny, results, state=State.MISSING, result=None, **settings):
    spec = RunSpec.resolve(tiny | settings)
    return Standing(Run(spec, spec.uid, {}), RunFolder.of(results, spec.uid), state, 0, result)


def epochs_of(array):
    return [tuple(s.run.spec.epochs for s in job) for job in array.jobs]


@pytest.mark.parametrize("order", [(1, 2, 3, 4, 5), (5, 4, 3, 2, 1), (3, 5, 1, 4, 2)])
def test_jobs_begin_with_the_longest_runs_and_share_the_short_ones(tiny, tmp_path, order):
    todo = [standing(tiny, tmp_path, epochs=epochs) for epochs in order]
    (array,) = arrays(todo, Profile(runs_per_job=2), Forecast({}), largest=10)
    assert epochs_of(array) == [(5, 2), (4, 1), (3,)]


def test_the_longest_arrays_and_the_runs_of_one_process_come_first(tiny, tmp_path):
    """With forecasts: 10 minutes and twice 50 s an epoch, in steps of 15, 30, 60 … minutes."""
    todo = [standing(tiny, tmp_path, epochs=epochs) for epochs in (1, 13, 2, 14)]
    todo.insert(1, standing(tiny, tmp_path, epochs=20, processes=2))
    forecast = Forecast({kind(todo[0].run.spec): 0.05})
    made = arrays(todo, Profile(), forecast, largest=10)
    assert [(a.processes, a.minutes, epochs_of(a)) for a in made] == [
        (1, 60, [(14,), (13,)]),
        (1, 15, [(2,), (1,)]),
        (2, 60, [(20,)]),
    ]


@pytest.mark.parametrize("state", [State.DONE, State.FAILED, State.DIVERGED])
def test_a_live_job_is_through_with_a_run_that_has_ended(tiny, tmp_path, state):
    """Such a run is in `todo` because the user wants it anew: its old job must not hold it back."""
    ended, waiting = standing(tiny, tmp_path, state), standing(tiny, tmp_path, seed=1)
    entries = [Entry("7", (ended.run.uid, waiting.run.uid), "s", "me", "x")]
    assert not_queued([ended, waiting], entries, {"7"}) == [ended]


def test_a_forecast_rests_on_the_named_hardware_alone(tiny, tmp_path):
    records = [
        standing(tiny, tmp_path, State.DONE, {"total_seconds": seconds, "device_name": name}, seed=seed)
        for seed, (seconds, name) in enumerate(
            [(10.0, "slow"), (10.0, "slow"), (10.0, "slow"), (2.0, "fast")]
        )
    ]
    todo = standing(tiny, tmp_path, seed=9)
    assert Forecast.from_records(records, tmp_path, "fast").seconds(todo) == pytest.approx(2.0)
    assert Forecast.from_records(records, tmp_path, "slow").seconds(todo) == pytest.approx(10.0)
    assert Forecast.from_records(records, tmp_path, "another").seconds(todo) is None
    assert Forecast.from_records(records, tmp_path).seconds(todo) == pytest.approx(10.0)  # the median


def test_a_calibration_of_other_hardware_is_no_forecast_and_the_newest_counts(tiny, tmp_path):
    todo = standing(tiny, tmp_path)
    lines = [{"kind": kind(todo.run.spec), "rate": rate, "device_name": "slow"} for rate in (0.5, 0.25)]
    (tmp_path / "calibrations.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"ki')
    assert Forecast.from_records([], tmp_path, "fast").seconds(todo) is None
    assert Forecast.from_records([], tmp_path, "slow").seconds(todo) == 0.25 * 1000 * tiny["epochs"]
