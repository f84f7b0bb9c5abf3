"""Cost: relative to the base on equal hardware, Pareto fronts, epochs to a target, hours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import record, runs

from gam_bench.compare import cost
from gam_bench.report import notes
from gam_bench.results.frame import frame

points = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


@given(points)
def test_the_front_is_what_nothing_beats(found):
    best = cost.pareto(*zip(*found, strict=True))
    for (price, gain), kept in zip(found, best, strict=True):
        beaten = any(p <= price and g >= gain and (p < price or g > gain) for p, g in found)
        assert kept != beaten


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.floats(0, 1))
def test_the_first_epoch_at_the_target(curve, target):
    epoch = cost.epochs_to(curve, target)
    if epoch is None:
        assert max(curve) < target
    else:
        assert curve[epoch - 1] >= target
        assert all(value < target for value in curve[: epoch - 1])


def test_relative_to_the_mean_of_the_base_on_the_same_hardware():
    made = frame(
        [record("sgd", s, 0.8, train_seconds=t) for s, t in enumerate((9.0, 11.0))]
        + [record("gam", 0, 0.8, train_seconds=42.0), record("gam", 1, 0.8, train_seconds=42.0, threads=2)]
    )
    found = cost.add_relative(made)["relative_seconds"]
    assert list(found[:3]) == pytest.approx([0.9, 1.1, 4.2])
    assert np.isnan(found[3])


def test_unfinished_runs_are_no_reference():
    made = runs({"sgd": [0.8, 0.8], "sam": [0.8]})
    made.loc[made["optimizer"] == "sgd", "state"] = "failed"
    assert cost.add_relative(made)["relative_passes"].isna().all()


def test_hours_by_device():
    made = frame(
        [
            record("sgd", 0, 0.8, total_seconds=3600, device="cuda"),
            record("sgd", 1, 0.8, total_seconds=1800, device="cuda"),
            record("sgd", 2, 0.8, total_seconds=900),
            record("sgd", 3, 0.8, total_seconds=900, state="failed"),
        ]
    )
    assert cost.hours(made) == {"cpu": 0.25, "cuda": 1.5}
    assert notes.spent(made) == "15.0 min of CPU worker time, 1.5 h of GPU time"


def test_hardware_most_runs_first():
    made = frame([record("sgd", s, 0.8, device_name="B" if s else "A", threads=4) for s in range(3)])
    assert notes.machines(made) == ["B, 4 threads (2 runs)", "A, 4 threads (1 run)"]


def reaching(number, curves):
    """Three seeds, of which so many reach 0.8 in the third epoch."""
    ends = [0.9 if seed < number else 0.7 for seed in range(3)]
    return frame(
        record("sgd", seed, 0.8, curve_test_accuracy=(0.5, 0.6, end), **curves)
        for seed, end in enumerate(ends)
    )


def test_what_the_target_cost():
    curves = {"curve_passes": (10.0, 10.0, 10.0), "curve_train_seconds": (1.0, 2.0, 3.0)}
    made = frame(
        [record("sgd", 0, 0.8, curve_test_accuracy=(0.5, 0.8, 0.9), **curves),
         record("sgd", 1, 0.8, curve_test_accuracy=(0.5, 0.6, 0.8), **curves),
         record("gam", 0, 0.8, curve_test_accuracy=(0.5, 0.6, 0.7), **curves)]
    )  # fmt: skip
    sgd, gam = cost.to_target(made, 0.8)
    assert (sgd.reached, sgd.seeds, sgd.epochs, sgd.passes, sgd.seconds) == (2, 2, 3, 30, 6)
    assert (gam.reached, gam.seeds, gam.epochs) == (0, 1, None)
    mostly, hardly = (cost.to_target(reaching(number, curves), 0.8)[0] for number in (2, 1))
    assert (mostly.reached, mostly.epochs) == (2, 3)  # who never reaches it is behind all others
    assert (hardly.reached, hardly.epochs, hardly.seconds) == (1, None, None)
    made.loc[made["optimizer"] == "gam", "device_name"] = "another"
    assert [found.seconds for found in cost.to_target(made, 0.8)] == [None, None]


def test_processor_time_is_relative_too_and_tells_of_load():
    made = frame(
        [record("sgd", s, 0.8, train_seconds=20.0, process_seconds=10.0) for s in range(2)]
        + [record("gam", s, 0.8, train_seconds=40.0, process_seconds=40.0) for s in range(2)]
    )
    found = cost.add_relative(made)
    assert set(found.loc[2:, "relative_seconds"]) == {2.0}
    assert set(found.loc[2:, "relative_process_seconds"]) == {4.0}
    assert cost.starved(made) == 2
    assert any(note.startswith("More load than cores: 2 of 4 runs") for note in notes.hardware(made))


def test_what_a_process_on_a_cpu_had_resident_is_no_figure_of_a_run():
    made = frame([record("sgd", 0, 0.8, peak_memory_bytes=1e9),
                  record("sgd", 1, 0.8, peak_memory_bytes=1e9, device="cuda")])  # fmt: skip
    assert list(cost.add_relative(made)["peak_memory_bytes"].isna()) == [True, False]
