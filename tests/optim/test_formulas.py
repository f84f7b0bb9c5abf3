"""The steps against a second implementation, in float64, written from the formulas on flat vectors."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gam_bench.optim import GAM, SAM, SAMGAM, ExactGAM, Plain

XI = 1e-12
torch.set_num_threads(1)


# --- the oracle -------------------------------------------------------------------------------------------


def loss_at(theta, inputs, targets):
    """Mean cross-entropy of a 4-5-3 tanh network; theta lies as its parameters do."""
    w1, b1, w2, b2 = theta[:20].view(5, 4), theta[20:25], theta[25:40].view(3, 5), theta[40:43]
    logits = torch.tanh(inputs @ w1.T + b1) @ w2.T + b2
    return (torch.logsumexp(logits, 1) - logits[torch.arange(len(targets)), targets]).mean()


def gradient_at(theta, batch):
    theta = theta.detach().requires_grad_()
    return torch.autograd.grad(loss_at(theta, *batch), theta)[0]


def hessian_at(theta, batch):
    return torch.autograd.functional.hessian(lambda t: loss_at(t, *batch), theta)


def unit(v):
    return v / (v.norm() + XI)


def climb(v, radius, w, adaptive):
    return radius * w * w * v / ((w.abs() * v).norm() + XI) if adaptive else radius * unit(v)


def sam_gradient(g, theta, rho, adaptive):
    return g(theta + climb(g(theta), rho, theta, adaptive))


def gam_gradient(g, theta, rho, rho_prime, alpha, beta, gamma, adaptive, variant):
    g0 = g(theta)
    g1 = g(theta + climb(g0, rho_prime, theta, adaptive))
    theta2 = theta + climb(g1 - g0, rho, theta, adaptive)
    g2 = g(theta2)
    g3 = g(theta2 + climb(g2, rho_prime, theta2, adaptive))
    plus = alpha * g1 + (1 - alpha) * g3
    minus = beta * g0 + (1 - beta) * g2 if variant == "paper" else g0 + abs(1 - beta) * g2
    across = minus - (minus @ plus) / (plus @ plus) * plus
    return plus - gamma * across


def exact_gam_gradient(theta, batch, rho, alpha):
    g = gradient_at(theta, batch)
    f = hessian_at(theta, batch) @ unit(g)
    there = theta + rho * unit(f)
    return g + alpha * rho * (hessian_at(there, batch) @ unit(gradient_at(there, batch)))


class Base:
    """SGD with momentum, Adam and AdamW, from their papers."""

    def __init__(self, kind, lr, weight_decay):
        self.kind, self.lr, self.decay, self.t = kind, lr, weight_decay, 0
        self.m = self.v = 0.0

    def step(self, theta, g):
        self.t += 1
        if self.kind == "adamw":
            theta = theta * (1 - self.lr * self.decay)
        else:
            g = g + self.decay * theta
        if self.kind == "sgd":
            self.m = g if self.t == 1 else 0.9 * self.m + g
            return theta - self.lr * self.m
        self.m = 0.9 * self.m + 0.1 * g
        self.v = 0.999 * self.v + 0.001 * g * g
        root = (self.v / (1 - 0.999**self.t)).sqrt() + 1e-8
        return theta - self.lr * (self.m / (1 - 0.9**self.t)) / root


# --- the network under test -------------------------------------------------------------------------------


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def batches(n, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(8, 4, generator=generator, dtype=torch.float64), torch.arange(8) % 3) for _ in range(n)
    ]


def flat(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def base_of(kind, params, lr=0.05, weight_decay=0.01, **more):
    if kind == "sgd":
        return torch.optim.SGD(params, lr=lr, weight_decay=weight_decay, momentum=0.9, **more)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[kind](
        params, lr=lr, weight_decay=weight_decay, **more
    )


def train(optimizer, model, data):
    for inputs, targets in data:

        def closure(inputs=inputs, targets=targets):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            return loss

        optimizer.step(closure)
    return flat(model)


def oracle(kind, direction, data, lr=0.05, weight_decay=0.01):
    theta, base = flat(network()), Base(kind, lr, weight_decay)
    for batch in data:
        theta = base.step(theta, direction(theta, batch))
    return theta


def assert_near(ours, expected, tolerance=1e-12):
    assert (ours - expected).norm() <= tolerance * expected.norm()


GAM_SETTINGS = {"rho": 0.2, "rho_prime": 0.03, "alpha": 0.6, "beta": 0.3, "gamma": 0.05}


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
class TestTwentySteps:
    def test_base_alone(self, kind, fused):
        model, data = network(), batches(20)
        ours = train(Plain(model.parameters(), base_of(kind, model.parameters(), fused=fused)), model, data)
        assert_near(ours, oracle(kind, gradient_at, data))

    @pytest.mark.parametrize("adaptive", [False, True])
    def test_sam(self, kind, fused, adaptive):
        model, data = network(), batches(20)
        base = base_of(kind, model.parameters(), fused=fused)
        ours = train(SAM(model.parameters(), base, rho=0.1, adaptive=adaptive), model, data)

        def direction(theta, batch):
            return sam_gradient(lambda t: gradient_at(t, batch), theta, 0.1, adaptive)

        assert_near(ours, oracle(kind, direction, data))

    @pytest.mark.parametrize("adaptive", [False, True])
    @pytest.mark.parametrize("variant", ["paper", "official-code"])
    def test_gam(self, kind, fused, variant, adaptive):
        model, data = network(), batches(20)
        chosen = GAM_SETTINGS | {"adaptive": adaptive, "variant": variant}
        base = base_of(kind, model.parameters(), fused=fused)
        ours = train(GAM(model.parameters(), base, **chosen), model, data)

        def direction(theta, batch):
            return gam_gradient(lambda t: gradient_at(t, batch), theta, **chosen)

        assert_near(ours, oracle(kind, direction, data))

    @pytest.mark.parametrize("adaptive", [False, True])
    @pytest.mark.parametrize("variant", ["paper", "official-code"])
    def test_sam_gam(self, kind, fused, variant, adaptive):
        model, data = network(), batches(20)
        chosen = GAM_SETTINGS | {"adaptive": adaptive, "variant": variant}
        base = base_of(kind, model.parameters(), fused=fused)
        ours = train(SAMGAM(model.parameters(), base, sam_rho=0.07, **chosen), model, data)

        def direction(theta, batch):
            def g(t):
                return sam_gradient(lambda u: gradient_at(u, batch), t, 0.07, adaptive)

            return gam_gradient(g, theta, **chosen)

        assert_near(ours, oracle(kind, direction, data))

    def test_exact_gam(self, kind, fused):
        model, data = network(), batches(20)
        base = base_of(kind, model.parameters(), fused=fused)
        ours = train(ExactGAM(model.parameters(), base, rho=0.1, alpha=0.7), model, data)
        assert_near(ours, oracle(kind, lambda t, b: exact_gam_gradient(t, b, 0.1, 0.7), data))


def test_the_released_code_differs_from_the_paper():
    ends = []
    for variant in ("paper", "official-code"):
        model = network()
        base = base_of("sgd", model.parameters())
        ends.append(train(GAM(model.parameters(), base, variant=variant), model, batches(1)))
    assert (ends[0] - ends[1]).norm() > 1e-6 * ends[0].norm()


# --- identities -------------------------------------------------------------------------------------------


def end_of(kind, model=None, **chosen):
    model = network()
    return train(kind(model.parameters(), base_of("sgd", model.parameters()), **chosen), model, batches(5))


def test_no_radius_is_the_base_optimizer():
    model = network()
    base = base_of("sgd", model.parameters())
    expected = train(base, model, batches(5))
    for ours in (
        end_of(Plain),
        end_of(SAM, rho=0.0),
        end_of(SAM, rho=0.0, adaptive=True),
        end_of(GAM, rho=0.0, rho_prime=0.0, gamma=0.0),
        end_of(SAMGAM, rho=0.0, rho_prime=0.0, sam_rho=0.0, gamma=0.0),
        end_of(ExactGAM, rho=0.0),
    ):
        assert torch.equal(ours, expected)


def test_gam_of_the_first_ascent_alone_is_sam():
    assert_near(end_of(GAM, alpha=1.0, gamma=0.0, rho_prime=0.07), end_of(SAM, rho=0.07), 1e-15)


def test_sam_gam_without_sams_radius_is_gam():
    assert torch.equal(end_of(SAMGAM, sam_rho=0.0), end_of(GAM))


# --- closed forms -----------------------------------------------------------------------------------------


def on_quadratic(kind, hessian, theta, **chosen):
    """The direction taken at theta on ½θᵀHθ, from one step of SGD with lr 1."""
    parameter = nn.Parameter(theta.clone())
    optimizer = kind([parameter], torch.optim.SGD([parameter], lr=1.0), **chosen)

    def closure():
        loss = 0.5 * parameter @ hessian @ parameter
        loss.backward()
        return loss

    optimizer.step(closure)
    return theta - parameter.detach()


symmetric = torch.tensor([[3.0, 0.5, 0.0], [0.5, 2.0, -0.3], [0.0, -0.3, 0.5]], dtype=torch.float64)
point = torch.tensor([1.0, -2.0, 0.7], dtype=torch.float64)


def test_sam_on_a_quadratic():
    g = symmetric @ point
    expected = g + 0.1 * symmetric @ g / g.norm()
    assert_near(on_quadratic(SAM, symmetric, point, rho=0.1), expected)


def test_gam_on_a_quadratic():
    h = symmetric
    g0 = h @ point
    g1 = g0 + 0.02 * h @ g0 / g0.norm()
    hg = h @ g0
    g2 = g0 + 0.2 * h @ hg / hg.norm()
    g3 = g2 + 0.02 * h @ g2 / g2.norm()
    plus, minus = 0.6 * g1 + 0.4 * g3, 0.5 * g0 + 0.5 * g2
    expected = plus - 0.03 * (minus - (minus @ plus) / (plus @ plus) * plus)
    assert_near(on_quadratic(GAM, h, point), expected)


def test_exact_gam_on_a_quadratic():
    h = symmetric
    g = h @ point
    f = h @ g / g.norm()
    there = h @ (point + 0.1 * f / f.norm())
    expected = g + 0.3 * 0.1 * h @ there / there.norm()
    assert_near(on_quadratic(ExactGAM, h, point, rho=0.1), expected)


@pytest.mark.parametrize("kind", [SAM, GAM, SAMGAM, ExactGAM])
def test_at_a_minimum_nothing_moves(kind):
    zero = torch.zeros(3, dtype=torch.float64)
    assert torch.equal(on_quadratic(kind, symmetric, zero), zero)


@given(
    diagonal=st.lists(st.floats(0.01, 100), min_size=1, max_size=6),
    rho=st.floats(0, 10),
    rho_prime=st.floats(0, 10),
    alpha=st.floats(0, 1),
    beta=st.floats(0, 1),
    gamma=st.floats(0, 5),
    variant=st.sampled_from(["paper", "official-code"]),
    adaptive=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_gam_for_any_coefficients(diagonal, variant, adaptive, **numbers):
    hessian = torch.diag(torch.tensor(diagonal, dtype=torch.float64))
    theta = torch.linspace(0.5, 2.0, len(diagonal), dtype=torch.float64)
    expected = gam_gradient(lambda t: hessian @ t, theta, **numbers, adaptive=adaptive, variant=variant)
    ours = on_quadratic(GAM, hessian, theta, **numbers, adaptive=adaptive, variant=variant)
    assert_near(ours, expected, 1e-9)


# --- groups, shapes, precision ----------------------------------------------------------------------------


@given(
    shapes=st.lists(st.lists(st.integers(1, 4), min_size=0, max_size=4).map(tuple), min_size=1, max_size=5),
    radii=st.lists(st.floats(0, 2), min_size=5, max_size=5),
)
@settings(max_examples=40, deadline=None)
def test_norms_run_over_all_groups_and_radii_are_the_groups_own(shapes, radii):
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(shape, dtype=torch.float64)) for shape in shapes]
    start = [p.detach().clone() for p in parameters]
    groups = [{"params": [p], "rho": r} for p, r in zip(parameters, radii, strict=False)]
    optimizer = SAM(groups, torch.optim.SGD([{"params": [p]} for p in parameters], lr=1.0))

    def closure():
        loss = sum((p**4).sum() / 4 for p in parameters)
        loss.backward()
        return loss

    optimizer.step(closure)
    norm = math.sqrt(sum(float((t**6).sum()) for t in start))
    for p, t, radius in zip(parameters, start, radii, strict=False):
        expected = t - (t + radius * t**3 / (norm + XI)) ** 3
        torch.testing.assert_close(p.detach(), expected, rtol=1e-9, atol=1e-9)


def test_hessian_vector_products_against_differences_of_gradients():
    model, (batch,) = network(), batches(1)
    theta, step = flat(model), 1e-5
    g = gradient_at(theta, batch)
    difference = gradient_at(theta + step * unit(g), batch) - gradient_at(theta - step * unit(g), batch)
    expected = theta + 0.1 * unit(difference / (2 * step))
    visited = []
    base = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer = ExactGAM(model.parameters(), base, rho=0.1, alpha=0.3)

    def closure():
        visited.append(flat(model))
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        return loss

    optimizer.step(closure)
    assert_near(visited[1], expected, 1e-7)


@pytest.mark.parametrize("kind", [SAM, GAM, SAMGAM, ExactGAM])
def test_channels_last_takes_the_same_step(kind):
    ends = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 5, 2), nn.Flatten(), nn.Linear(45, 3)
        )
        model = model.double().to(memory_format=layout)
        inputs = torch.randn(6, 3, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        data = [(inputs.contiguous(memory_format=layout), torch.arange(6) % 3)] * 3
        optimizer = kind(model.parameters(), base_of("sgd", model.parameters()))
        train(optimizer, model, data)
        ends.append(torch.cat([p.detach().contiguous().view(-1) for p in model.parameters()]))
    assert_near(ends[1], ends[0])


def test_float32_agrees_with_float64_over_one_step():
    for kind in (SAM, GAM, SAMGAM, ExactGAM):
        ends = []
        for dtype in (torch.float32, torch.float64):
            model = network().to(dtype)
            data = [(inputs.to(dtype), targets) for inputs, targets in batches(1)]
            ends.append(train(kind(model.parameters(), base_of("sgd", model.parameters())), model, data))
        assert_near(ends[0].double(), ends[1], 1e-6)


@pytest.mark.parametrize("kind", [SAM, GAM])
def test_complex_parameters_step_as_pairs_of_real_ones(kind):
    start = torch.tensor([1.0 + 2.0j, -0.5 + 0.3j, 0.2 - 1.0j], dtype=torch.complex128)
    factor = torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64)
    ends = []
    for parameter in (nn.Parameter(start.clone()), nn.Parameter(torch.view_as_real(start).clone())):
        optimizer = kind([parameter], torch.optim.SGD([parameter], lr=0.1))

        def closure(parameter=parameter):
            pairs = torch.view_as_real(parameter) if parameter.is_complex() else parameter
            loss = (factor * (pairs**4).sum(1)).sum()
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)
        ends.append(parameter.detach())
    torch.testing.assert_close(torch.view_as_real(ends[0]), ends[1], rtol=1e-12, atol=0)


def test_half_precision_gradients_have_a_norm():
    """The released code sums squares in the parameters' type: 1e-4 squared is zero in float16."""
    parameter = nn.Parameter(torch.ones(4, dtype=torch.float16))
    optimizer = SAM([parameter], torch.optim.SGD([parameter], lr=0.0), rho=1.0)
    visited = []

    def closure():
        visited.append(parameter.detach().clone())
        parameter.grad = torch.full_like(parameter, 1e-4)

    optimizer.step(closure)
    torch.testing.assert_close(visited[1], torch.full((4,), 1.5, dtype=torch.float16))
    assert torch.equal(parameter.detach(), visited[0])
