"""Corners of the step: tiny gradients, global perturbation of one process, pieces that do not fit."""

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import nn

import gam_bench.optim as optim
from gam_bench.optim import GAM, ExactGAM, Plain
from gam_bench.optim.catalog import BASES, OPTIMIZERS
from gam_bench.optim.replay import Randomness

torch.set_num_threads(1)


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()


def batch(count=12):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(count, 4, generator=generator).double(), torch.arange(count) % 3


def gradient(kind, scale=1.0, smoothing=0.0, **settings):
    """What the base optimizer gets in one step on `scale` times the loss."""
    model = small()
    optimizer = kind(model.parameters(), torch.optim.SGD(model.parameters(), lr=1.0), model=model, **settings)

    def loss(predictions, labels):
        return scale * F.cross_entropy(predictions, labels, label_smoothing=smoothing)

    optimizer.set_closure(loss, *batch())
    optimizer.step()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


@pytest.mark.parametrize("kind", [GAM, ExactGAM])
def test_a_smaller_loss_has_the_same_direction(kind):
    """Radii do not depend on the loss's size, so its gradient scales with it, until ξ counts."""
    settings = {"gamma": 1.0} if kind is GAM else {}
    one, small = gradient(kind, **settings), gradient(kind, scale=1e-7, **settings)
    assert (small / 1e-7 - one).norm() < 1e-3 * one.norm()


def test_global_perturbation_of_one_process_is_its_own():
    assert torch.equal(gradient(ExactGAM, perturbation="global"), gradient(ExactGAM))


def test_exact_gam_differentiates_the_loss_with_all_its_options():
    """Where ρ and α are 0 it is the gradient, of a loss with keywords, too."""
    plain = gradient(Plain, smoothing=0.3)
    assert torch.allclose(gradient(ExactGAM, smoothing=0.3, rho=0.0, alpha=0.0), plain)
    assert not torch.allclose(gradient(Plain), plain)


def test_inputs_and_targets_of_another_number_of_pieces_are_refused():
    """Else the images of the last piece would be left out in silence."""
    model = small()
    base = torch.optim.SGD(model.parameters(), lr=1.0)
    optimizer = Plain(model.parameters(), base, model=model, micro_batch=4)
    inputs, targets = batch(12)
    with pytest.raises(ValueError, match="zip"):
        optimizer.set_closure(F.cross_entropy, inputs, targets[:8])


class Generators:
    """A device's random numbers, where there is no such device."""

    def __init__(self):
        self.states = {}

    def get_rng_state(self, device):
        return self.states[device]

    def set_rng_state(self, state, device):
        self.states[device] = state


def test_each_devices_random_numbers_are_wound_back(monkeypatch):
    first, second = torch.device("xpu", 0), torch.device("xpu", 1)
    generators = Generators()
    monkeypatch.setattr(torch, "get_device_module", {first: generators, second: generators}.__getitem__)
    randomness = Randomness([first, torch.device("cpu"), second, first])
    generators.states = {first: "a", second: "b"}
    randomness.keep()
    drawn = torch.rand(3)
    generators.states = {first: "c", second: "d"}
    randomness.replay()
    assert generators.states == {first: "a", second: "b"}
    assert torch.equal(torch.rand(3), drawn)


def test_all_that_is_offered_is_there():
    assert {name: getattr(optim, name).__name__ for name in optim.__all__} == {n: n for n in optim.__all__}
    assert set(optim.__all__) == set(optim._HOMES)
    with pytest.raises(AttributeError, match="SGD"):
        optim.SGD  # noqa: B018


@pytest.mark.parametrize("entry", [*OPTIMIZERS.values(), *BASES.values()], ids=lambda entry: entry.name)
def test_an_entrys_defaults_are_within_its_own_bounds_and_stay(entry):
    defaults = entry.settings()
    assert entry.settings.model_validate(defaults.model_dump(), strict=True) == defaults
    for name, value in defaults:
        with pytest.raises(ValidationError):
            setattr(defaults, name, value)
        with pytest.raises(ValidationError):
            entry.settings(**{name: float("nan")})


@pytest.mark.parametrize("name", list(BASES))
def test_a_base_alone_costs_the_one_gradient_of_plain(name):
    """The other entries are built and counted in test_optimizer."""
    assert OPTIMIZERS[name].build is None
    assert OPTIMIZERS[name].passes({}) == 1
