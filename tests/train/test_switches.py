"""What of the switches applies to a run: asked of a GPU's device, which needs no GPU to be there."""

import pytest
import torch
from torch import nn

from gam_bench.errors import UserError
from gam_bench.suite.spec import RunSpec
from gam_bench.train.step import draws_random_numbers, require_capturable

GPU, CPU = torch.device("cuda"), torch.device("cpu")


def test_nothing_stands_against_the_graph_of_a_plain_run_on_a_gpu(tiny):
    require_capturable(RunSpec.resolve(tiny), nn.Linear(1, 1), GPU)


@pytest.mark.parametrize(
    ("change", "model", "device", "reason"),
    [
        ({}, nn.Linear(1, 1), CPU, "the device is no GPU"),
        ({"processes": 2}, nn.Linear(1, 1), GPU, "it has several processes"),
        ({"micro_batch": 10}, nn.Linear(1, 1), GPU, "it uses micro-batches"),
        ({}, nn.Sequential(nn.Dropout(0.1)), GPU, "its model draws random numbers (dropout)"),
        (
            {"optimizer": "sam", "rho_schedule": "proportion"},
            nn.Linear(1, 1),
            GPU,
            "ρ follows the learning rate",
        ),
    ],
)
def test_each_obstacle_is_told_alone(tiny, change, model, device, reason):
    spec = RunSpec.resolve(tiny | change)
    with pytest.raises(UserError) as error:
        require_capturable(spec, model, device)
    assert str(error.value) == f"--cuda-graph cannot capture the step of {spec.uid}: {reason}"


def test_a_model_draws_with_a_rate_above_zero():
    class DropPath(nn.Module):
        drop_prob = 0.1

    assert draws_random_numbers(nn.Sequential(nn.ReLU(), nn.Dropout(0.5)))
    assert draws_random_numbers(nn.Sequential(DropPath()))
    assert not draws_random_numbers(nn.Sequential(nn.Dropout(0.0), nn.ReLU()))
