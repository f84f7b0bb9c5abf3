"""Where the vectors of a step lie."""

import pytest
import torch
from torch import nn

from gam_bench.optim import GAM, SAM, SAMGAM, Plain
from gam_bench.optim import passes as passes_module

torch.set_num_threads(1)


@pytest.mark.parametrize("kind", [SAM, GAM, SAMGAM])
@pytest.mark.parametrize("micro_batch", [None, 3])
def test_where_a_steps_vectors_lie_does_not_show(kind, micro_batch, monkeypatch):
    ends = []
    for large in (1, 1 << 40):
        monkeypatch.setattr(passes_module, "LARGE", large)
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3))
        base = torch.optim.SGD(model.parameters(), lr=0.1)
        optimizer = kind(model.parameters(), base, model=model, micro_batch=micro_batch)
        for _ in range(3):
            optimizer.set_closure(nn.functional.cross_entropy, torch.randn(8, 7), torch.arange(8) % 3)
            optimizer.step()
        ends.append([p.detach().clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


def test_large_vectors_of_a_step_are_one_allocation_which_is_given_back(monkeypatch):
    monkeypatch.setattr(passes_module, "LARGE", 1)
    places = []

    class Watched(GAM):
        def minus(self, g0, g2):
            places.append([v.untyped_storage().data_ptr() for v in (g0, g2)])
            return super().minus(g0, g2)

    model = nn.Linear(7, 5)
    optimizer = Watched(model.parameters(), torch.optim.SGD(model.parameters(), lr=0.1), model=model)
    for _ in range(2):
        optimizer.set_closure(nn.functional.cross_entropy, torch.randn(8, 7), torch.arange(8) % 3)
        optimizer.step()
    assert [len(set(pair)) for pair in places] == [2, 1]
    assert optimizer._flat.rooms == 5


def test_the_plain_optimizer_takes_no_room():
    model = nn.Linear(7, 5)
    optimizer = Plain(model.parameters(), torch.optim.SGD(model.parameters(), lr=0.1), model=model)
    optimizer.set_closure(nn.functional.cross_entropy, torch.randn(8, 7), torch.arange(8) % 3)
    optimizer.step()
    assert optimizer._flat.rooms == 0
