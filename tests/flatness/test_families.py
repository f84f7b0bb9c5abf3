"""A model of every family in the shipped suites has its second derivative, fused attention or not."""

import warnings

import pytest
import torch
from torch.nn.functional import cross_entropy

from gam_bench import models
from gam_bench.flatness import Surface


@pytest.mark.parametrize(
    ("name", "size", "smaller"),
    [
        ("cnn20k", 8, {}),
        ("mlp", 8, {}),
        ("resnet18_cifar", 8, {"blocks": (1, 1)}),
        ("resnet101_cifar", 8, {"blocks": (1, 1)}),
        ("resnet32_cifar", 8, {"depth": 8}),
        ("wrn28_2", 8, {"depth": 10}),
        ("pyramidnet272_a200_bottleneck", 8, {"depth": 20, "alpha": 12}),
        ("test_resnet", 32, {}),  # timm's smallest of each kind
        ("test_vit", 32, {}),
        ("test_efficientnet", 32, {}),
    ],
)
def test_products_are_differences_of_gradients(name, size, smaller):
    """H v against (g(θ+εv) − g(θ−εv))/2ε, in float64."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # timm's, at its import
        model = models.create(name, num_classes=5, image_size=size, **smaller).double()
    with torch.no_grad():  # away from kinks: timm's last scale of a block is 0, and its sum at one of ReLU's
        for parameter in model.parameters():
            parameter += 0.01 * torch.randn_like(parameter)
    images, labels = torch.randn(1, 3, size, size).double(), torch.tensor([3])
    with Surface(model, cross_entropy, images, labels) as surface:
        vector = surface.random(torch.Generator().manual_seed(0))
        vector /= vector.norm()
        found, sides = surface.product(vector), []
        for sign in (1, -1):
            with surface.at(sign * 1e-6 * vector):
                sides.append(surface.gradient()[1])
    assert found.norm() > 1e-4
    assert (found - (sides[0] - sides[1]) / 2e-6).norm() < 1e-3 * found.norm()
