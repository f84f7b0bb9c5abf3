"""Flatness is a function of its generator alone, and in proportion to the loss."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from gam_bench.train.flatness import flatness


def found(seed, scale=1.0):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)).double()
    images, labels = torch.randn(40, 5).double(), torch.randint(3, (40,))
    torch.manual_seed(seed)  # the global generator has no say
    generator = torch.Generator().manual_seed(1)
    return flatness(model, lambda p, y: scale * cross_entropy(p, y), images, labels, generator)


def test_the_draws_are_the_generators():
    one, two = found(1), found(2)
    assert (one.lambda_max, one.trace, one.trace_error) == (two.lambda_max, two.trace, two.trace_error)


@pytest.mark.parametrize("scale", [1e-3, 1e3, -1.0])
def test_it_scales_with_the_loss(scale):
    one, scaled = found(1), found(1, scale)
    assert scaled.lambda_max == pytest.approx(scale * one.lambda_max)
    assert scaled.trace == pytest.approx(scale * one.trace)
    assert scaled.trace_error == pytest.approx(abs(scale) * one.trace_error)
