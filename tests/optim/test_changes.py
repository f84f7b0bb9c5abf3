"""A model that changes between two steps: the next step is a fresh optimizer's, bit for bit."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gam_bench.optim import GAM, SAM, SAMGAM, ExactGAM, Plain

torch.set_num_threads(1)
ALL = [Plain, SAM, GAM, SAMGAM, ExactGAM]


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(100, 3)
    )


def batch(model, seed):
    generator = torch.Generator().manual_seed(seed)
    weight = model[0].weight
    images = torch.randn(8, 2, 5, 5, generator=generator).to(weight.device, weight.dtype)
    return images, (torch.arange(8) % 3).to(weight.device)


def step(optimizer, model, seed):
    optimizer.set_closure(F.cross_entropy, *batch(model, seed))
    optimizer.step()


def around(kind, model, base=None, **more):
    base = base or torch.optim.SGD(model.parameters(), **({"lr": 0.1, "momentum": 0.9} | more))
    return kind(model.parameters(), base, model=model)


def there_and_back(change, back):
    def both(model):
        back(change(model))

    return both


def assign(model):
    model.load_state_dict(copy.deepcopy(model.state_dict()), assign=True)


def double_by_assignment(model):
    model.load_state_dict(
        {k: v.double() if v.is_floating_point() else v for k, v in model.state_dict().items()}, assign=True
    )


def freeze(model):
    model[0].weight.requires_grad_(False)


CHANGES = {
    "dtype": lambda m: m.double(),
    "dtype, there and back": there_and_back(lambda m: m.double(), lambda m: m.float()),
    "memory format": lambda m: m.to(memory_format=torch.channels_last),
    "memory format, there and back": there_and_back(
        lambda m: m.to(memory_format=torch.channels_last),
        lambda m: m.to(memory_format=torch.contiguous_format),
    ),
    "assign": assign,
    "assign another dtype": double_by_assignment,
    "freeze": freeze,
    "nothing": lambda m: m,
}


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("change", CHANGES)
def test_without_a_learning_rate_weights_stay_whatever_happens_to_the_model(kind, change):
    model = network()
    optimizer = around(kind, model, lr=0.0)
    step(optimizer, model, 0)
    CHANGES[change](model)
    before = copy.deepcopy(list(model.parameters()))
    step(optimizer, model, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("change", "momentum"),
    # torch leaves momentum in the old type, where a fresh base would convert it
    [
        (change, momentum)
        for change in CHANGES
        for momentum in (0.0, 0.9)
        if (change, momentum) != ("dtype", 0.9)
    ],
)
def test_the_step_after_a_change_is_a_fresh_optimizers(kind, change, momentum):
    model, other = network(), network()
    old = around(kind, model, momentum=momentum)
    source = around(kind, other, momentum=momentum)
    for seed in range(2):
        step(old, model, seed)
        step(source, other, seed)
    CHANGES[change](model)
    CHANGES[change](other)
    fresh = around(kind, other, momentum=momentum)
    fresh.load_state_dict(source.state_dict())
    for seed in range(2, 4):
        step(old, model, seed)
        step(fresh, other, seed)
    for (name, ours), expected in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(ours, expected), name
    assert not torch.equal(ours, network().state_dict()[name].to(ours))


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("how", ["the base's own method", "into a group's list", "our method"])
def test_a_parameter_added_from_either_side(kind, how):
    ends = []
    for changed in (True, False):
        model = network()
        first = [p for layer in model[:4] for p in layer.parameters()]
        last = list(model[4].parameters())
        grouped = [{"params": first}, {"params": last}] if how != "into a group's list" else [*first, *last]
        base = torch.optim.SGD(first if changed else grouped, lr=0.1)
        optimizer = kind(first if changed else [*first, *last], base, model=model)
        if changed:
            model[4].requires_grad_(False)
            step(optimizer, model, 0)
            model = network()  # the same weights as at first
            for ours, fresh in zip(optimizer.model.parameters(), model.parameters(), strict=True):
                ours.data.copy_(fresh.data)
            model = optimizer.model.requires_grad_(True)
            if how == "our method":
                optimizer.add_param_group({"params": last})
            elif how == "the base's own method":
                base.add_param_group({"params": last})
            else:
                base.param_groups[0]["params"].extend(last)
        step(optimizer, model, 1)
        ends.append([p.detach().clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


@pytest.mark.parametrize("kind", ALL)
def test_weights_assigned_before_the_first_step_are_followed(kind):
    ends = []
    for before in (True, False):
        model = network()
        optimizer = around(kind, model) if before else None
        assign(model)
        step(optimizer or around(kind, model), model, 0)
        ends.append([p.detach().clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))
    assert not torch.equal(ends[0][0], network()[0].weight)


@pytest.mark.parametrize("kind", ALL)
def test_loading_through_the_base_is_noticed(kind):
    model = network()
    optimizer = around(kind, model)
    step(optimizer, model, 0)
    base = optimizer.base_optimizer
    base.load_state_dict(base.state_dict())
    base.param_groups[0]["lr"] = 0.0
    before = copy.deepcopy(list(model.parameters()))
    step(optimizer, model, 1)
    assert optimizer.param_groups is base.param_groups
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("kind", ALL)
def test_a_batch_norm_added_after_the_first_step_moves_once_a_step(kind):
    model = network()
    optimizer = around(kind, model, lr=0.0)
    step(optimizer, model, 0)
    model[2] = nn.Sequential(nn.BatchNorm2d(4, affine=False), nn.ReLU())
    step(optimizer, model, 1)
    assert model[2][0].num_batches_tracked == 1
    assert model[1].num_batches_tracked == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.cuda
@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("back", [True, False])
def test_a_model_that_moves_to_the_gpu(kind, back):
    model = network()
    optimizer = around(kind, model, lr=0.0)
    step(optimizer, model, 0)
    model.cuda()
    if back:
        model.cpu()
    before = copy.deepcopy(list(model.parameters()))
    step(optimizer, model, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


@pytest.mark.parametrize("kind", ALL)
def test_gradients_that_were_pointed_elsewhere_do_not_reach_the_weights(kind):
    """What `Module._apply` does to `.grad`, by hand, and the worst case: the shape and type stay."""
    model = network()
    optimizer = around(kind, model, lr=0.0)
    step(optimizer, model, 0)
    before = copy.deepcopy(list(model.parameters()))
    for p in model.parameters():
        p.grad.data = torch.full_like(p, 7.0)
    step(optimizer, model, 1)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
