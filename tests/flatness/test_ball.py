"""R⁰ρ and R¹ρ against closed forms and brute force, and what leaves them as they are."""

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from known import given, network, quadratic
from torch.nn.functional import cross_entropy

from gam_bench.errors import UserError
from gam_bench.flatness.ball import ball
from gam_bench.flatness.scale import scale
from gam_bench.flatness.surface import Surface


def starts(size: int, count: int = 4, seed: int = 0) -> list[torch.Tensor]:
    return list(torch.randn(count, size, generator=torch.Generator().manual_seed(seed)).double())


@pytest.mark.parametrize("rho", [0.05, 0.5])
def test_at_the_minimum_of_a_quadratic(rho):
    """R⁰ = ρ²λ1/2 and R¹ = ρ²·max|λ|, whichever sign the largest has."""
    surface, _ = quadratic([5, 2, 1, 0.1, -7], torch.zeros(5).double())
    with surface:
        zeroth = ball(surface, 0, rho, starts(5, 3), steps=20)
        first = ball(surface, 1, rho, starts(5, 3), steps=20)
    assert zeroth.value == pytest.approx(rho**2 * 5 / 2, rel=1e-4)
    assert first.value == pytest.approx(rho**2 * 7, rel=1e-4)
    assert len(zeroth.climbs) == len(first.climbs) == 3


def wavy(theta):
    return torch.sin(3 * theta[0]) + theta[0] * theta[1] ** 2 + 0.5 * torch.cos(4 * theta[1] + theta[0])


def bowl(theta):
    return (theta**2).sum() + torch.sin(2 * theta[0] + theta[1]) * theta[2] + torch.exp(theta[2])


def grid(size: int, count: int = 61):
    """Points that fill the unit ball, its surface included."""
    axes = [np.linspace(-1, 1, count)] * size
    points = np.stack(np.meshgrid(*axes), -1).reshape(-1, size)
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    return torch.as_tensor(
        np.concatenate([points[norms[:, 0] <= 1], points[norms[:, 0] > 0] / norms[norms > 0][:, None]])
    )


@pytest.mark.parametrize("kind", ["plain", "element"])
@pytest.mark.parametrize("function", [wavy, bowl])
@pytest.mark.parametrize("rho", [0.1, 0.7])
def test_brute_force_in_two_and_three_dimensions(function, rho, kind):
    centre = torch.tensor([0.4, -0.8, 0.3][: 2 if function is wavy else 3]).double()
    stretch = torch.ones_like(centre) if kind == "plain" else centre.abs()
    points = centre + rho * grid(len(centre), 81 if function is wavy else 27) * stretch
    values = torch.func.vmap(function)(points)
    slopes = (torch.func.vmap(torch.func.grad(function))(points) * stretch).norm(dim=1)
    with given(function, centre) as surface:
        found = [
            ball(surface, k, rho, starts(len(centre), 4), scale(surface, kind), 25).value for k in (0, 1)
        ]
        here = surface.loss()
    assert found[0] == pytest.approx(float(values.max()) - here, rel=5e-3, abs=1e-6)
    assert found[1] == pytest.approx(rho * float(slopes.max()), rel=5e-3)


def test_a_maximum_inside_the_ball_is_found():
    """At the foot of a hill that is narrower than the ball."""
    hill = lambda theta: torch.exp(-4 * ((theta - 0.3) ** 2).sum())  # noqa: E731
    with given(hill, torch.zeros(2).double()) as surface:
        found = ball(surface, 0, 1.0, [torch.tensor([1.0, 0.5]).double()], steps=60)
        assert found.value == pytest.approx(1 - surface.loss(), rel=1e-4)


def test_the_centre_counts_and_no_start_is_none():
    with given(lambda theta: -(theta**2).sum(), torch.zeros(2).double()) as surface:
        assert ball(surface, 0, 0.5, starts(2)).value == 0
        assert ball(surface, 0, 0.5, [torch.zeros(2).double()]).climbs == ()
    with given(lambda theta: theta.sum(), torch.zeros(2).double()) as surface:
        assert ball(surface, 1, 0.5, starts(2)).value == pytest.approx(0.5 * 2**0.5)


def test_lower_bounds_grow_with_the_radius_and_the_starts():
    model, images, labels = network()
    with Surface(model, cross_entropy, images, labels) as surface:
        small, large = (ball(surface, 0, rho, starts(surface.size)) for rho in (0.05, 0.2))
        few = ball(surface, 0, 0.2, starts(surface.size)[:2])
    assert 0 < small.value < large.value
    assert few.climbs == large.climbs[:2]
    assert few.value <= large.value == max(large.climbs)


@settings(max_examples=6, deadline=None)
@drawn(factor=st.floats(0.2, 5), order=st.sampled_from([0, 1]), kind=st.sampled_from(["element", "filter"]))
def test_rescaling_before_batchnorm_changes_plain_but_not_normalised_flatness(factor, order, kind):
    """The same function of the images, its first convolution `factor` times as large."""
    found = []
    for times in (1.0, factor):
        model, images, labels = network()
        convolution, norm = model[0], model[1]
        with torch.no_grad():
            convolution.weight *= times
            convolution.bias *= times
            norm.running_mean *= times
            norm.running_var.copy_((norm.running_var + norm.eps) * times**2 - norm.eps)
        with Surface(model, cross_entropy, images, labels) as surface:
            lengths = scale(surface, kind)
            found.append(
                [ball(surface, order, 0.1, starts(surface.size, 2), s, 6).value for s in (lengths, None)]
            )
    (first, plain), (second, other) = found
    assert second == pytest.approx(first, rel=1e-6)
    if not 0.9 < factor < 1.1:
        assert abs(other / plain - 1) > 1e-4


def test_scales():
    model, images, labels = network()
    with Surface(model, cross_entropy, images, labels) as surface:
        assert torch.equal(scale(surface, "element"), surface.theta.abs())
        lengths = scale(surface, "filter")
        with pytest.raises(UserError, match="did you mean 'filter'"):
            scale(surface, "filters")
    norms = model[0].weight.detach().flatten(1).norm(dim=1)
    assert torch.allclose(lengths[:27].view(3, 9), norms[:, None].expand(3, 9))
    assert (lengths[27:36] == 0).all()  # biases and BatchNorm
