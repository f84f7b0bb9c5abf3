"""Calibration: which steps are timed, of what size, and what is written."""

import io
import json

import pytest
import torch

from gam_bench.hardware import cpu_name
from gam_bench.suite.spec import RunSpec
from gam_bench.train import calibrate


class Clock:
    """A clock by which the steps take these seconds, one after another."""

    def __init__(self, *steps):
        self.steps = steps
        self.calls = 0

    def __call__(self, device):
        self.calls += 1
        return sum(self.steps[: self.calls // 2])


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((0.9, 0.1, 0.2, 0.3, 0.4, 0.5), 0.3),  # five steps, the first one not counted
        ((0.5, 1.0, 2.0), 1.5),  # or three seconds
        ((9.0, 1.0), 1.0),  # one at least
    ],
)
def test_the_rate_is_the_median_step_after_one_that_warms_up(tiny, monkeypatch, steps, expected):
    clock = Clock(*steps)
    monkeypatch.setattr(calibrate, "synchronised", clock)
    found = calibrate.image_pass_seconds(RunSpec.resolve(tiny), torch.device("cpu"))
    assert found == pytest.approx(expected / tiny["batch_size"])
    assert clock.calls == 2 * len(steps)


@pytest.mark.parametrize("change", [{}, {"image_size": 12, "batch_size": 30, "precision": "bf16"}])
def test_the_steps_are_those_of_the_run(tiny, monkeypatch, change):
    """Images of its size and number, labels of all its classes, and a model of its precision."""
    spec = RunSpec.resolve(tiny | change)
    seen = []

    def loss(predictions, labels):
        seen.append((predictions.dtype, labels))
        return torch.nn.functional.cross_entropy(predictions, labels)

    shapes = []
    create = calibrate.models.create

    def watched(*arguments):
        model = create(*arguments)
        model.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
        return model

    monkeypatch.setattr(calibrate.models, "create", watched)
    monkeypatch.setattr(calibrate, "cross_entropy", loss)
    monkeypatch.setattr(calibrate, "SECONDS", 0.0)
    calibrate.image_pass_seconds(spec, torch.device("cpu"))
    size = change.get("image_size", 8)
    assert set(shapes) == {(spec.batch_size, 1, size, size)}
    dtype, labels = seen[-1]
    assert dtype == (torch.bfloat16 if change else torch.float32)
    assert labels.shape == (spec.batch_size,)
    assert labels.max() == 9


def test_a_line_for_each_run(tiny, monkeypatch, capsys):
    specs = [RunSpec.resolve(tiny | change) for change in ({}, {"model": "mlp"})]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(s.model_dump_json() + "\n" for s in specs)))
    rates = {"cnn20k": 0.5, "mlp": 0.25}
    monkeypatch.setattr(calibrate, "image_pass_seconds", lambda spec, device: rates[spec.model])
    threads = torch.get_num_threads()
    try:
        calibrate.main("cpu", "2")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [{"rate": rate, "device_name": cpu_name()} for rate in (0.5, 0.25)]
