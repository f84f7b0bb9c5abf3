"""Loss, gradient and Hessian products against dense ones and curvlinops, and the model left as it was."""

import pytest
import torch
from curvlinops import HessianLinearOperator
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from known import dense_hessian, given, network, network_surface
from torch import nn
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from gam_bench.errors import UserError
from gam_bench.flatness import surface as module
from gam_bench.flatness.surface import Surface


def test_products_are_the_dense_hessians():
    model, images, labels = network()
    whole = dense_hessian(model, images, labels)
    vectors = torch.randn(3, len(whole)).double()
    with network_surface() as surface:
        assert torch.allclose(surface.products(vectors), vectors @ whole, atol=1e-12)
        assert torch.allclose(surface.product(vectors[0]), whole @ vectors[0], atol=1e-12)


def test_products_are_curvlinops():
    torch.manual_seed(0)
    model, images, labels = network()
    model.eval()
    operator = HessianLinearOperator(
        model, nn.CrossEntropyLoss(), list(model.parameters()), [(images, labels)], check_deterministic=False
    )
    vector = torch.randn(operator.shape[0]).double()
    with Surface(model, cross_entropy, images, labels) as surface:
        assert torch.allclose(surface.product(vector), operator @ vector, atol=1e-12)


@settings(max_examples=15, deadline=None)
@drawn(chunk=st.integers(1, 45), seed=st.integers(0, 9))
def test_the_chunk_size_does_not_matter(chunk, seed):
    with network_surface(seed) as whole, network_surface(seed, chunk=chunk) as parts:
        vector = whole.random(torch.Generator().manual_seed(seed))
        assert parts.loss() == pytest.approx(whole.loss(), abs=1e-12)
        assert torch.allclose(parts.gradient()[1], whole.gradient()[1], atol=1e-10, rtol=0)
        assert torch.allclose(parts.product(vector), whole.product(vector), atol=1e-10, rtol=0)


@settings(max_examples=10, deadline=None)
@drawn(seed=st.integers(0, 99), factor=st.floats(0.1, 10))
def test_order_of_the_examples_and_scale_of_the_loss(seed, factor):
    model, images, labels = network(1)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    scaled = Surface(model, lambda p, t: factor * cross_entropy(p, t), images[order], labels[order], chunk=7)
    with network_surface(1) as plain, scaled:
        vector = plain.random(torch.Generator().manual_seed(seed))
        assert torch.allclose(scaled.product(vector), factor * plain.product(vector), atol=1e-10)
        assert torch.allclose(scaled.gradient()[1], factor * plain.gradient()[1], atol=1e-10)


def test_elsewhere_and_back():
    with given(lambda theta: theta[0] ** 3 + 2 * theta[1] ** 2, torch.tensor([1.0, 2.0])) as surface:
        here = surface.product(torch.tensor([1.0, 1.0]))
        with surface.at(torch.tensor([1.0, -1.0])):
            assert surface.loss() == pytest.approx(10)
            loss, gradient = surface.gradient(keep_graph=True)
            assert loss == pytest.approx(10)
            assert gradient.tolist() == pytest.approx([12, 4])
            assert surface.product(torch.tensor([1.0, 1.0])).tolist() == pytest.approx([12, 4])
        assert here.tolist() == pytest.approx([6, 4])
        assert torch.equal(surface.product(torch.tensor([1.0, 1.0])), here)


def test_a_loss_linear_in_the_weights_has_no_curvature():
    with given(lambda theta: theta.sum(), torch.ones(3)) as surface:
        assert surface.product(torch.ones(3)).tolist() == [0, 0, 0]


def test_frozen_and_unreached_weights():
    model, images, labels = network()
    model[0].weight.requires_grad_(False)
    model.register_parameter("unused", nn.Parameter(torch.ones(2).double()))
    model[-1].bias.grad = torch.ones(3).double()
    with Surface(model, cross_entropy, images, labels) as surface:
        assert surface.size == 103 - 27 + 2
        assert (surface.product(torch.ones(surface.size).double()) == 0).sum() == 2
    assert torch.equal(model[-1].bias.grad, torch.ones(3).double())


class Broken(Exception):
    pass


def break_off(surface):
    with surface, surface.at(torch.full((surface.size,), 0.3).double()):
        assert not surface.model.training
        surface.gradient()
        raise Broken


def test_the_model_is_left_as_it_was_by_an_exception_too():
    model, images, labels = network()
    model.train()
    model[1].eval()  # frozen statistics inside a model in training
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(Broken):
        break_off(Surface(model, cross_entropy, images, labels))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.training
    assert model[0].training
    assert not model[1].training
    assert all(p.grad is None for p in model.parameters())


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(8, 24)

    def forward(self, x):
        query, key, value = self.mix(x).unflatten(-1, (3, 1, 8)).permute(2, 0, 3, 1, 4)
        return scaled_dot_product_attention(query, key, value).mean((1, 2))


def test_attention_has_a_second_derivative():
    torch.manual_seed(0)
    model, images, labels = Attention(), torch.randn(4, 6, 8), torch.randint(8, (4,))
    whole = dense_hessian_by_kernel(model, images, labels)
    with Surface(model, cross_entropy, images, labels) as surface:
        vector = surface.random(torch.Generator().manual_seed(0))
        assert torch.allclose(surface.product(vector), whole @ vector, atol=1e-5)


def dense_hessian_by_kernel(model, images, labels):
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        return dense_hessian(model, images, labels)


def test_the_chunk_is_what_fits(monkeypatch):
    model, images, labels = network()
    sizes = []
    model.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    monkeypatch.setattr(module, "GRAPH_BYTES", 20_000)  # one example keeps about 1.5 kB
    with Surface(model, cross_entropy, images, labels) as surface:
        few = surface.chunk
        surface.product(torch.ones(surface.size).double())
    assert 4 <= few < 30
    assert max(sizes) == few
    assert sum(sizes) == 1 + len(labels)  # the first to judge by
    monkeypatch.setattr(module, "GRAPH_BYTES", 10)
    with Surface(model, cross_entropy, images, labels) as surface:
        assert surface.chunk == 1


def test_what_was_spent():
    passes = []
    with network_surface(on_pass=lambda: passes.append(1)) as surface:
        surface.gradient(keep_graph=True)
        assert surface.cost == 40
        surface.gradient(keep_graph=True)
        assert surface.cost == 40
        surface.product(surface.theta)
        assert surface.cost == pytest.approx(40 * (1 + module.PRODUCT_COST))
    assert len(passes) == 3


def test_what_cannot_be_measured():
    model, images, labels = network()
    with pytest.raises(UserError, match="needs examples"):
        Surface(model, cross_entropy, images[:0], labels[:0])
    with pytest.raises(UserError, match="got 40 and 39"):
        Surface(model, cross_entropy, images, labels[:39])
    with pytest.raises(UserError, match="trainable parameters"):
        Surface(model.requires_grad_(False), cross_entropy, images, labels)
