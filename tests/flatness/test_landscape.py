"""Slices against functions that can be written down, and directions that models compared share."""

import pytest
import torch
from known import given, network, network_surface
from torch.nn.functional import cross_entropy

from gam_bench.flatness.landscape import directions, line, plane
from gam_bench.flatness.scale import filter_norms
from gam_bench.flatness.surface import Surface


def test_slices_of_a_known_function():
    with given(lambda theta: theta[0] ** 2 + 3 * theta[1], torch.tensor([1.0, 2.0]).double()) as surface:
        first, second = torch.tensor([1.0, 0.0]).double(), torch.tensor([0.0, 2.0]).double()
        assert line(surface, first, [-1, 0, 2]) == pytest.approx([6, 7, 15])
        assert plane(surface, first, second, [0, 1])[1] == pytest.approx([10, 16])
        assert plane(surface, first, second, [0, 1])[0] == pytest.approx([7, 13])
        assert surface.loss() == pytest.approx(7)


def test_every_filter_is_as_long_as_the_models_and_vectors_stay():
    model, images, labels = network()
    with Surface(model, cross_entropy, images, labels) as surface:
        (found,) = directions(surface, 1, seed=3)
    parts = found.split([p.numel() for p in model.parameters()])
    for part, parameter in zip(parts, model.parameters(), strict=True):
        assert torch.allclose(filter_norms(part.view_as(parameter)), filter_norms(parameter.detach()))
        if parameter.ndim == 1:
            assert (part == 0).all()


def test_models_of_one_architecture_share_the_draws():
    with network_surface(0) as one, network_surface(1) as other:
        first, second = directions(one, 2, seed=5), directions(other, 2, seed=5)
        again = directions(one, 2, seed=5)
    assert torch.equal(first, again)
    assert torch.equal(first.sign(), second.sign())
    assert not torch.allclose(first, second)
    assert not torch.allclose(first[0], first[1])


def test_a_slice_does_not_change_when_weights_before_batchnorm_are_rescaled():
    found = []
    for times in (1.0, 3.0):
        model, images, labels = network()
        with torch.no_grad():
            model[0].weight *= times
            model[0].bias *= times
            model[1].running_mean *= times
            model[1].running_var.copy_((model[1].running_var + model[1].eps) * times**2 - model[1].eps)
        with Surface(model, cross_entropy, images, labels) as surface:
            found.append(line(surface, directions(surface, 1, seed=0)[0], [-0.5, 0, 0.5]))
    assert found[0] == pytest.approx(found[1], rel=1e-6)
