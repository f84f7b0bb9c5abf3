"""What a step costs where no clock is needed: operations, and memory between steps."""

import json
import subprocess
import sys

import pytest
import torch

from gam_bench.bench.optim import (
    CASES,
    LEAST_ROUNDS,
    ROUNDS,
    counts,
    extra_operations,
    kept_tensors,
    parsed_case,
    ratios,
)
from gam_bench.optim import GAM, SAM, SAMGAM, ExactGAM, Plain

torch.set_num_threads(1)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("model", ["mlp", "test_resnet"])
def test_extra_operations_do_not_grow_with_the_number_of_tensors(model, fused):
    statistics = 4 if model == "test_resnet" else 0  # kept and put back, floats and counters
    block = 3 if model == "test_resnet" else 0  # large vectors of a step share one allocation
    extra = extra_operations(model, fused)
    assert extra["SGD"] == 4  # predictions and loss are detached, the gradient is looked at
    assert extra["SAM"] == 12 + statistics
    assert extra["GAM"] == 32 + statistics + block
    assert extra["SAM loop"] >= 4 * (6 if model == "mlp" else 47)


@pytest.mark.parametrize(("kind", "tensors"), [(Plain, 0), (SAM, 1), (GAM, 0), (SAMGAM, 0), (ExactGAM, 0)])
def test_parameter_sized_tensors_between_steps(kind, tensors):
    """SAM keeps the work buffer; where the final gradient is our own, the buffer is `.grad`."""
    generator_state = 0.04  # of these small models
    assert tensors <= kept_tensors(kind) < tensors + generator_state


def test_each_case_is_yielded_as_it_is_ready_and_progress_is_told():
    told = []
    found = ratios([("mlp", 8), ("mlp", 4)], seconds=0.01, budget=0.0, tell=lambda *how: told.append(how))
    first = next(found)
    assert first.name == "SGD, mlp, batch 8"
    assert first.rounds == LEAST_ROUNDS  # the budget is spent, and three rounds are the least
    assert told == [("mlp, batch 8", ROUNDS, n) for n in range(LEAST_ROUNDS + 1)]
    rest = [first, *found]
    kinds = ["SGD", "SAM", "GAM", "SAM", "GAM", "ExactGAM"]
    assert [r.name.split(",")[0] for r in rest] == kinds * 2
    assert all(0 < r.low <= r.median <= r.high for r in rest)


def test_with_time_left_all_rounds_are_made():
    assert next(ratios([("mlp", 2)], seconds=0.001, budget=60.0)).rounds == ROUNDS


def test_counts_are_told_in_words():
    lines = list(counts([("mlp", 8)]))
    assert lines[0] == "mlp, 6 tensors: operations beyond the floor's: " + ", ".join(
        f"{way} {count}" for way, count in extra_operations("mlp").items()
    )
    assert lines[1].startswith("kept between steps, in sizes of the parameters: Plain 0.0")


def test_dear_cases_are_not_among_the_usual_ones():
    assert not any(name.startswith("resnet18") for name, _ in CASES)
    assert parsed_case("resnet18_cifar:128") == ("resnet18_cifar", 128)


def bench(*arguments, cwd):
    command = [sys.executable, "-m", "gam_bench", "bench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_the_command_prints_a_case_and_names_its_record_by_the_device_used(tmp_path):
    done = bench("optim", "--case", "mlp:2", "--save", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mlp, batch 2: round 0 of 15" in done.stderr
    assert "GAM, mlp, batch 2" in done.stdout
    kept = json.loads((tmp_path / "optim-cpu.json").read_text())
    assert kept["command"] == "gam-bench bench optim --case mlp:2"
    assert kept["device"] == "cpu"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["optim", "--case", "mlp"], "--case must be MODEL:BATCH, as in mlp:128, got 'mlp'"),
        (["optim", "--case", "mlpp:8"], "unknown model 'mlpp'; did you mean"),
        (["data", "--case", "mlp:8"], "--case and --device are for the stage optim"),
    ],
)
def test_bad_input_is_one_line(arguments, message, tmp_path):
    done = bench(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
