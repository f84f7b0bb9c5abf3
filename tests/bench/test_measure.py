"""The stop-watch of the benchmarks, on clocks that are known."""

import json

import pytest

from gam_bench.bench.measure import Ratio, interleaved, ratio, record


def test_ratios_are_taken_round_by_round():
    """A machine that gets slower by the round changes no ratio, though it changes every time."""
    floor = [1.0, 2.0, 4.0, 8.0]
    found = ratio("ours", "floor", [2 * seconds for seconds in floor], floor)
    assert (found.low, found.median, found.high) == (2.0, 2.0, 2.0)
    assert found.seconds == 6.0
    assert found.rounds == 4


def test_ways_take_turns_and_the_first_round_does_not_count():
    order = []
    ways = {
        "a": lambda: order.append("a"),
        "floor": lambda: order.append("f"),
        "b": lambda: order.append("b"),
    }
    found = interleaved(ways, "floor", rounds=2)
    assert order == ["a", "f", "b"] * 3
    assert [one.name for one in found] == ["a", "b"]
    assert all(one.rounds == 2 for one in found)


def test_a_record_names_command_hardware_and_versions(tmp_path):
    path = record("epoch", "gam-bench bench epoch", [Ratio("a", "b", 1.1, 1.0, 1.2, 0.5, 7)], tmp_path)
    kept = json.loads(path.read_text())
    assert kept["command"] == "gam-bench bench epoch"
    assert kept["cpu"]
    assert kept["cores"] >= 1
    assert kept["versions"]["torch"]
    assert kept["ratios"][0]["median"] == pytest.approx(1.1)


def test_a_record_is_named_by_the_device_used_not_by_the_one_present(tmp_path, monkeypatch):
    monkeypatch.setattr("gam_bench.bench.measure.gpu_names", lambda: ("A GPU",))
    one = [Ratio("a", "b", 1.1, 1.0, 1.2, 0.5, 7)]
    assert record("epoch", "…", one, tmp_path).name == "epoch-cpu.json"
    path = record("optim", "…", one, tmp_path, "cuda")
    assert path.name == "optim-cuda.json"
    assert json.loads(path.read_text())["gpus"] == ["A GPU"]
    assert json.loads((tmp_path / "epoch-cpu.json").read_text())["gpus"] == []
