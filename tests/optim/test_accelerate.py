"""Under HF Accelerate's `prepare`."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import StepLR

from gam_bench.optim import GAM

accelerate = pytest.importorskip("accelerate")


def test_an_optimizer_that_accelerate_prepared_steps_as_it_does_alone():
    accelerator = accelerate.Accelerator(cpu=True)
    ends = []
    for prepared in (True, False):
        torch.manual_seed(0)
        model = nn.Linear(6, 3)
        base = torch.optim.SGD(model.parameters(), lr=0.1)
        optimizer = GAM(model.parameters(), base, model=model)
        scheduler = StepLR(optimizer, 1, 0.5)
        if prepared:
            model, optimizer, scheduler = accelerator.prepare(model, optimizer, scheduler)
        for _ in range(3):
            optimizer.set_closure(F.cross_entropy, torch.ones(4, 6), torch.arange(4) % 3)
            predictions, loss = optimizer.step()
            assert predictions.shape == (4, 3)
            assert loss > 0
            scheduler.step()
        assert base.param_groups[0]["lr"] == pytest.approx(0.1 / 8)
        ends.append(model.weight.detach().clone())
    assert torch.equal(*ends)
