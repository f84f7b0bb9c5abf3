"""The plan is a pure decision from states."""

import pytest

from gam_bench.launch.forecast import Forecast, passes
from gam_bench.launch.plan import order, plan
from gam_bench.store.folder import RunFolder, State
from gam_bench.store.scan import Standing
from gam_bench.suite.spec import RunSpec
from gam_bench.suite.suite import Run


def standing(tmp_path, tiny, state, seed=0, epoch=0, result=None, **change):
    spec = RunSpec.resolve(tiny | {"seed": seed} | change)
    return Standing(Run(spec, spec.uid, {}), RunFolder.of(tmp_path, spec.uid), state, epoch, result)


@pytest.mark.parametrize(
    ("options", "launched"),
    [
        ({}, {State.MISSING, State.STALE}),
        ({"retry_failed": True}, {State.MISSING, State.STALE, State.FAILED, State.DIVERGED}),
        ({"force": True}, set(State) - {State.RUNNING}),
    ],
)
def test_what_is_launched(tmp_path, tiny, options, launched):
    standings = [standing(tmp_path, tiny, state, seed) for seed, state in enumerate(State)]
    made = plan(standings, **options)
    assert {s.state for s in made.todo} == launched
    assert made.counts() == dict.fromkeys(State, 1)
    assert made.summary().startswith("6 runs: 1 missing, 1 running, 1 done")


def test_passes_are_counted_by_the_optimizers_rule(tiny):
    sgd = passes(RunSpec.resolve(tiny))
    assert sgd == 2 * 1000
    assert passes(RunSpec.resolve(tiny | {"optimizer": "sam"})) == 2 * sgd
    assert passes(RunSpec.resolve(tiny | {"optimizer": "gam", "validation": 0.5})) == 4 * sgd / 2


def test_forecast_scales_records_by_passes_and_by_what_is_left(tmp_path, tiny):
    done = standing(tmp_path, tiny, State.DONE, result={"total_seconds": 10.0})
    gam = standing(tmp_path, tiny, State.STALE, optimizer="gam", epoch=1)
    other = standing(tmp_path, tiny, State.MISSING, model="mlp")
    forecast = Forecast.from_records([done, gam, other], tmp_path)
    assert forecast.seconds(gam) == pytest.approx(4 * 10.0 / 2)
    assert forecast.seconds(other) is None


def test_the_longest_task_is_first_and_all_optimizers_of_a_seed_come_together(tmp_path, tiny):
    todo = [
        standing(tmp_path, tiny, State.MISSING, seed, optimizer=optimizer, **task)
        for task in ({"epochs": 1, "label_noise": 0.4}, {"epochs": 3})
        for optimizer in ("sgd", "sam", "gam")
        for seed in (0, 1)
    ]
    found = order(todo, lambda s: passes(s.run.spec))
    assert [(s.run.spec.label_noise, s.run.spec.seed, s.run.spec.optimizer) for s in found] == [
        (noise, seed, optimizer)
        for noise in (0.0, 0.4)
        for seed in (0, 1)
        for optimizer in ("gam", "sam", "sgd")
    ]
