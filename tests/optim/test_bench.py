"""What a step costs where no clock is needed: operations, and memory between steps."""

import subprocess
import sys

import pytest
import torch

from gam_bench.bench.optim import extra_operations, kept_tensors, ratios, render
from gam_bench.optim import GAM, SAM, SAMGAM, ExactGAM, Plain

torch.set_num_threads(1)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("model", ["mlp", "test_resnet"])
def test_extra_operations_do_not_grow_with_the_number_of_tensors(model, fused):
    statistics = 4 if model == "test_resnet" else 0  # kept and put back, floats and counters
    extra = extra_operations(model, fused)
    assert extra["SGD"] == 6  # predictions and loss are detached, the gradient is looked at
    assert extra["SAM"] == 14 + statistics
    assert extra["GAM"] == 35 + statistics
    assert extra["SAM loop"] >= 4 * (6 if model == "mlp" else 47)


@pytest.mark.parametrize(("kind", "tensors"), [(Plain, 0), (SAM, 1), (GAM, 0), (SAMGAM, 0), (ExactGAM, 0)])
def test_parameter_sized_tensors_between_steps(kind, tensors):
    """SAM keeps the work buffer; where the final gradient is our own, the buffer is `.grad`."""
    generator_state = 0.04  # of these small models
    assert tensors <= kept_tensors(kind) < tensors + generator_state


def test_ratios_of_one_small_case():
    found = ratios(rounds=3, cases=[("mlp", 8)], seconds=0.01)
    assert [r.name.split(",")[0] for r in found] == ["SGD", "SAM", "GAM", "SAM", "GAM", "ExactGAM"]
    assert all(0.1 < r.low <= r.median <= r.high < 50 for r in found)
    shown = render(found, ["mlp"])
    assert "| GAM, mlp, batch 8 | GAM floor |" in shown
    assert "| mlp | 6 | 6 | 14 | 35 |" in shown


def test_the_command_explains_itself():
    run = subprocess.run(
        [sys.executable, "-m", "gam_bench.bench.optim", "--help"], capture_output=True, text=True, check=True
    )
    assert "--case" in run.stdout
    assert "floor" in run.stdout
