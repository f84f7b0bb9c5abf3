"""Eigenvalues with their bounds, densities and traces, of operators whose spectrum is known."""

import numpy as np
import pytest
import torch
from curvlinops import HessianLinearOperator
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from known import dense_hessian, network, network_surface, quadratic
from scipy.sparse.linalg import eigsh
from torch import nn

from gam_bench.flatness.lanczos import density, extremes, lanczos, smoothed
from gam_bench.flatness.trace import trace


def start(size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)).double()


def signs(count: int, size: int, seed: int = 1) -> torch.Tensor:
    return torch.where(
        torch.randn(count, size, generator=torch.Generator().manual_seed(seed)) < 0, -1.0, 1.0
    ).double()


def test_a_small_network_against_its_dense_hessian():
    whole = torch.linalg.eigvalsh(dense_hessian(*network())).flip(0)
    with network_surface() as surface:
        found = extremes(surface.product, start(surface.size), 60, 1e-6, largest=3, smallest=True)
    for eigenvalue, expected in zip(found.largest(3), whole, strict=False):
        assert eigenvalue.value == pytest.approx(float(expected), rel=1e-6)
    assert found.smallest().value == pytest.approx(float(whole[-1]), abs=1e-5 * float(whole[0]))
    assert found.steps < 60


def test_a_small_network_against_eigsh_of_curvlinops():
    model, images, labels = network(3)
    model.eval()
    operator = HessianLinearOperator(
        model, nn.CrossEntropyLoss(), list(model.parameters()), [(images, labels)], check_deterministic=False
    )
    (expected,) = eigsh(operator.to_scipy(), k=1, which="LA", return_eigenvectors=False)
    with network_surface(3) as surface:
        (found,) = extremes(surface.product, start(surface.size), 60, 1e-3).largest()
    assert found.value == pytest.approx(float(expected), rel=1e-3)
    assert abs(found.value - expected) <= found.bound


PLATEAU = [10, 9.7, *np.linspace(0, 4, 60)]


def power_iteration(product, vector, iterations=20, tolerance=1e-2):
    """What was measured before: until two Rayleigh quotients agree to 1 %."""
    previous = np.inf
    for _ in range(iterations):
        vector = vector / vector.norm()
        image = product(vector)
        quotient = float(vector @ image)
        if abs(quotient - previous) <= tolerance * abs(quotient):
            break
        previous, vector = quotient, image
    return quotient


def test_a_plateau_that_stops_power_iteration_is_crossed():
    """λ2 near λ1, and a start that hardly has λ1's vector: a quotient rests near λ2 for many iterations."""
    values = [10, 8.3, *np.linspace(0, 1, 60)]
    surface, matrix = quadratic(values)
    vectors = torch.linalg.eigh(matrix).eigenvectors.flip(1)
    poor = start(62) - (0.99 * vectors[:, 0] @ start(62)) * vectors[:, 0]
    with surface:
        assert power_iteration(surface.product, poor) < 8.4  # 17 % low
        found = extremes(surface.product, poor, 20, 2e-3)
    assert found.largest()[0].value == pytest.approx(10, rel=2e-3)


def distance(seed: int, second: float, steps: int):
    """What Lanczos says of λ1 = 10, and how far it is from the nearest eigenvalue."""
    values = np.array([10, second, *np.linspace(-1, 4, 40)])
    _surface, matrix = quadratic(values, seed=seed)
    (found,) = lanczos(lambda v: matrix @ v, start(42, seed), steps).largest()
    return found, np.abs(values - found.value).min()


@settings(max_examples=40, deadline=None)
@drawn(seed=st.integers(0, 10_000), second=st.floats(9.0, 9.999), steps=st.integers(2, 30))
def test_the_bound_holds_on_plateaus(seed, second, steps):
    """Some eigenvalue is within the bound, whatever the number of steps and however close λ1 and λ2."""
    found, missed = distance(seed, second, steps)
    assert missed <= found.bound + 1e-9
    assert found.error <= found.bound
    assert found.value <= 10 + 1e-9


def test_the_estimated_error_is_one():
    """Of 240 runs the value is off λ1 by more than twice the estimate in one in twenty at most."""
    cases = [
        distance(s, second, steps)[0] for s in range(20) for second in (9, 9.7) for steps in range(8, 14)
    ]
    assert np.mean([10 - one.value <= 2 * one.error + 1e-9 for one in cases]) >= 0.95


def test_it_stops_by_the_bound_and_by_the_steps():
    surface, _ = quadratic(PLATEAU)
    with surface:
        loose = extremes(surface.product, start(62), 40, 1e-1)
        tight = extremes(surface.product, start(62), 40, 1e-8)
        cut = extremes(surface.product, start(62), 7, 1e-8)
    assert loose.steps < tight.steps < 40
    assert tight.largest()[0].within(1e-8)
    assert cut.steps == 7
    assert not cut.largest()[0].within(1e-8)


def test_an_exhausted_space_is_exact():
    surface, _ = quadratic([3, 3, 3, -2, -2, 0.5])
    with surface:
        found = lanczos(surface.product, start(6), 6)
    assert found.steps == 3
    assert found.ritz_values == pytest.approx([-2, 0.5, 3])
    assert [one.bound for one in found.largest(5)] == pytest.approx([0, 0, 0], abs=1e-12)


def test_the_basis_stays_orthonormal_in_float32():
    values = np.concatenate([[1000], np.linspace(0, 1, 99)])
    _surface, matrix = quadratic(values)
    found = lanczos(lambda v: (matrix @ v.double()).float(), start(100).float(), 60)
    products = found.basis @ found.basis.T
    assert torch.allclose(products, torch.eye(found.steps), atol=1e-5)
    assert (found.ritz_values > 500).sum() == 1  # no ghost
    assert 1e-4 < found.largest()[0].bound < 1e-2  # λmax = 1000 to the digits that float32 has


def test_the_ritz_vector():
    _surface, matrix = quadratic([5, 1, 0.5, 0.2])
    vector = lanczos(lambda v: matrix @ v, start(4), 4).vector()
    assert torch.allclose(matrix @ vector, 5 * vector, atol=1e-8)


def test_the_density_of_a_known_spectrum():
    """A semicircle: its distribution function is within 0.03 of the quadrature's everywhere."""
    size = 400
    quantiles = np.linspace(-1, 1, 20_001)
    share = 0.5 + (quantiles * np.sqrt(1 - quantiles**2) + np.arcsin(quantiles)) / np.pi
    values = np.interp((np.arange(size) + 0.5) / size, share, quantiles)
    diagonal = torch.as_tensor(values)
    runs = [lanczos(lambda v: diagonal * v, signs(1, size, seed)[0], 40) for seed in range(6)]
    nodes, shares = density(runs)
    assert sum(shares) == pytest.approx(1)
    below = np.interp(quantiles, nodes, np.cumsum(shares))
    assert np.abs(below - share).max() < 0.03
    curve = smoothed(nodes, shares, np.linspace(-1.5, 1.5, 3001), 0.05)
    assert np.trapezoid(curve, dx=1e-3) == pytest.approx(1, abs=1e-3)


def test_two_bumps_have_their_shares():
    diagonal = torch.cat([torch.full((75,), 1.0), torch.full((25,), 8.0)]).double()
    nodes, shares = density([lanczos(lambda v: diagonal * v, signs(1, 100, 3)[0], 10)])
    assert nodes == pytest.approx([1, 8])
    assert shares == pytest.approx([0.75, 0.25])


def test_the_trace_is_unbiased_and_its_error_right():
    """Over 400 estimates the mean is the trace, and the standard error their spread."""
    _surface, matrix = quadratic(np.linspace(-1, 3, 30))
    found = [trace(lambda v: v @ matrix, signs(8, 30, seed)) for seed in range(400)]
    values = np.array([one.value for one in found])
    assert values.mean() == pytest.approx(30, abs=4 * values.std() / 20)
    assert np.sqrt(np.mean([one.error**2 for one in found])) == pytest.approx(values.std(), rel=0.15)


def test_what_lanczos_knows_leaves_little_to_guess():
    _surface, matrix = quadratic([50, 30, 20, *np.linspace(0, 0.1, 60)])
    known = lanczos(lambda v: matrix @ v, start(63), 8)
    plain = [trace(lambda v: v @ matrix, signs(4, 63, seed)) for seed in range(50)]
    better = [trace(lambda v: v @ matrix, signs(4, 63, seed), known) for seed in range(50)]
    assert np.mean([one.value for one in better]) == pytest.approx(103, abs=0.05)
    assert np.std([one.value for one in better]) < np.std([one.value for one in plain]) / 50
    assert np.mean([abs(one.value - 103) <= 4 * one.error for one in better]) > 0.9


def test_few_probes_do_not_feign_precision():
    """Of 300 traces from three probes, one in fifty at most is off by more than three standard errors."""
    _surface, matrix = quadratic([20, -9, 5, *np.linspace(-0.5, 1, 47)])
    found = [trace(lambda v: v @ matrix, signs(3, 50, seed)) for seed in range(300)]
    misses = np.array([abs(one.value - float(matrix.trace())) / one.error for one in found])
    assert (misses > 3).mean() <= 0.02
