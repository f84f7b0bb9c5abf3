"""Learning rates, against torch's own schedulers."""

import pytest
import torch

from gam_bench.suite.spec import RunSpec
from gam_bench.train.schedule import learning_rate


def spec(tiny, **change):
    return RunSpec.resolve(tiny | {"lr": 0.1, "epochs": 10} | change)


def torchs(scheduler, ticks, **options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    made = scheduler(optimizer, **options)
    rates = []
    for _ in range(ticks):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        made.step()
    return rates


@pytest.mark.parametrize("min_lr", [0.0, 0.01])
def test_cosine_by_epoch_is_torchs_cosine_annealing(tiny, min_lr):
    run = spec(tiny, schedule="cosine", min_lr=min_lr)
    ours = [learning_rate(run, epoch, 3, 5) for epoch in range(10)]
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR
    assert ours == pytest.approx(torchs(scheduler, 10, T_max=10, eta_min=min_lr))


def test_cosine_by_step(tiny):
    run = spec(tiny, schedule="cosine", schedule_every="step")
    ours = [learning_rate(run, epoch, step, 5) for epoch in range(10) for step in range(5)]
    assert ours == pytest.approx(torchs(torch.optim.lr_scheduler.CosineAnnealingLR, 50, T_max=50))


def test_linear_by_step(tiny):
    run = spec(tiny, schedule="linear", schedule_every="step")
    ours = [learning_rate(run, epoch, step, 5) for epoch in range(10) for step in range(5)]
    linear = torch.optim.lr_scheduler.LinearLR
    assert ours == pytest.approx(torchs(linear, 50, start_factor=1.0, end_factor=0.0, total_iters=50))


@pytest.mark.parametrize("every", ["epoch", "step"])
@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_warm_up_grows_to_the_peak_and_decay_begins_there(tiny, schedule, every):
    run = spec(tiny, schedule=schedule, schedule_every=every, warmup_epochs=2.0)
    rates = [learning_rate(run, epoch, step, 5) for epoch in range(10) for step in range(5)]
    assert rates[:10] == sorted(rates[:10])
    assert rates[0] > 0
    assert rates[9] == pytest.approx(0.1)
    assert rates[10] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(0.1)
    assert (rates[-1] < 0.02) == (schedule != "constant")
