"""λmax and trace, against the whole Hessian and against curvlinops."""

import numpy as np
import pytest
import torch
from curvlinops import HessianLinearOperator
from scipy.sparse.linalg import eigsh
from torch import nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from gam_bench.train.flatness import flatness


def small_problem(seed=0):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    return model, torch.randn(40, 5).double(), torch.randint(3, (40,))


def hessian(model, images, labels):
    """All of it, row by row."""
    parameters = list(model.parameters())
    loss = cross_entropy(model(images), labels)
    flat = torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters, create_graph=True)])
    rows = [torch.autograd.grad(entry, parameters, retain_graph=True) for entry in flat]
    return torch.stack([torch.cat([part.flatten() for part in row]) for row in rows])


def test_against_the_whole_hessian():
    model, images, labels = small_problem()
    found = flatness(model, cross_entropy, images, labels, torch.Generator().manual_seed(1))
    whole = hessian(model, images, labels)
    largest = torch.linalg.eigvalsh(whole).abs().max().item()
    assert found.lambda_max == pytest.approx(largest, rel=0.05)
    assert abs(found.trace - whole.trace().item()) < 4 * found.trace_error


def test_against_curvlinops_on_a_network_with_batch_statistics():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(144, 10))
    images, labels = torch.randn(64, 1, 8, 8), torch.randint(10, (64,))
    model(images)  # running statistics that are not the initial ones
    found = flatness(model, cross_entropy, images, labels, torch.Generator().manual_seed(1))
    model.eval()
    operator = HessianLinearOperator(
        model, nn.CrossEntropyLoss(), list(model.parameters()), [(images, labels)], check_deterministic=False
    )
    (expected,) = eigsh(operator.to_scipy(), k=1, return_eigenvectors=False)
    assert found.lambda_max == pytest.approx(float(np.asarray(expected)), rel=0.05)


def test_fused_attention_has_curvature_too():
    class Attention(nn.Module):
        def __init__(self, fused):
            super().__init__()
            torch.manual_seed(0)
            self.inner, self.outer, self.fused = nn.Linear(5, 24), nn.Linear(8, 3), fused

        def forward(self, x):
            q, k, v = self.inner(x.view(4, 1, -1, 5)).chunk(3, -1)
            by_hand = (q @ k.mT / 8**0.5).softmax(-1) @ v
            mixed = scaled_dot_product_attention(q, k, v) if self.fused else by_hand
            return self.outer(mixed).reshape(-1, 3)

    _, images, labels = small_problem()
    fused, written = (
        flatness(Attention(f).double(), cross_entropy, images, labels, torch.Generator().manual_seed(1))
        for f in (True, False)
    )
    assert fused.lambda_max == pytest.approx(written.lambda_max, rel=1e-6)


def test_it_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4), nn.Linear(4, 3)).train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    flatness(model, cross_entropy, torch.randn(8, 4), torch.randint(3, (8,)), torch.Generator())
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
