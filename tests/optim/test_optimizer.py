"""What torch users expect of an Optimizer: groups, hooks, state, schedulers, copies, clear refusals."""

import copy
import io
import pickle
import subprocess
import sys
from importlib import import_module

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, StepLR

from gam_bench.errors import UserError
from gam_bench.optim import GAM, SAM, SAMGAM, ExactGAM
from gam_bench.optim.catalog import OPTIMIZERS, Optimizer

torch.set_num_threads(1)
SHARP = [SAM, GAM, SAMGAM, ExactGAM]


def small(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def closure_of(model, step=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(step)
    inputs, targets = torch.randn(12, 6, generator=generator).to(dtype), torch.arange(12) % 3

    def closure():
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        return loss

    return closure


def sgd(params, **more):
    return torch.optim.SGD(params, **({"lr": 0.1, "momentum": 0.9} | more))


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# --- groups -----------------------------------------------------------------------------------------------


def test_groups_and_state_are_the_base_optimizers():
    model = small()
    base = sgd(model.parameters())
    optimizer = GAM(model.parameters(), base, rho=0.3)
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert optimizer.param_groups is base.param_groups
    assert optimizer.param_groups[0]["rho"] == 0.3
    assert optimizer.param_groups[0]["lr"] == 0.1
    optimizer.step(closure_of(model))
    assert optimizer.state is base.state
    assert all("momentum_buffer" in optimizer.state[p] for p in model.parameters())


@pytest.mark.parametrize("names", ["given to both", "given to the base"])
def test_named_parameters(names):
    model = small()
    base = sgd(model.named_parameters())
    given = model.named_parameters() if names == "given to both" else model.parameters()
    optimizer = SAM(given, base)
    optimizer.step(closure_of(model))
    assert optimizer.param_groups[0]["param_names"][0] == "0.weight"


def test_a_groups_own_radius_from_either_side():
    ends = []
    for ours in (True, False):
        model = small()
        first, last = list(model[0].parameters()), [*model[1].parameters(), *model[3].parameters()]
        own = [{"params": first, "rho": 0.5}, {"params": last}]
        bare = [{"params": first}, {"params": last}]
        base = sgd(bare if ours else own)
        optimizer = GAM(own if ours else model.parameters(), base)
        assert [group["rho"] for group in optimizer.param_groups] == [0.5, 0.2]
        for step in range(3):
            optimizer.step(closure_of(model, step))
        ends.append(weights(model))
    assert same(*ends)


@pytest.mark.parametrize("kind", SHARP)
def test_one_group_or_two_with_equal_settings_are_the_same(kind):
    ends = []
    for split in (True, False):
        model = small()
        groups = [{"params": model[:2].parameters()}, {"params": model[2:].parameters()}]
        base = sgd(groups if split else model.parameters())
        optimizer = kind(model.parameters(), base, model=model)
        optimizer.step(closure_of(model))
        ends.append(weights(model))
    assert same(*ends)


def test_add_param_group():
    model = small()
    base = sgd(model[0].parameters())
    optimizer = GAM(model[0].parameters(), base, rho=0.3)
    optimizer.step(closure_of(model))
    optimizer.add_param_group({"params": model[3].parameters(), "rho_prime": 0.1, "lr": 0.01})
    assert len(base.param_groups) == 2
    added = optimizer.param_groups[1]
    assert (added["rho"], added["rho_prime"], added["lr"], added["momentum"]) == (0.3, 0.1, 0.01, 0.9)
    before = weights(model[3])
    optimizer.step(closure_of(model))
    assert not same(weights(model[3]), before)
    with pytest.raises(UserError, match=r"^rho must be ≥ 0, got -1"):
        optimizer.add_param_group({"params": model[1].parameters(), "rho": -1})
    assert len(base.param_groups) == 2


# --- hooks, schedulers, repr ------------------------------------------------------------------------------


def test_hooks_run_once_a_step_and_the_bases_hook_sees_the_final_gradient():
    model = small()
    optimizer = SAM(model.parameters(), sgd(model.parameters(), lr=0.0), rho=0.1)
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    optimizer.base_optimizer.register_step_pre_hook(lambda *_: seen.append(weights(model)))
    before = weights(model)
    optimizer.step(closure_of(model))
    assert seen[0] == "before"
    assert same(seen[1], before)
    assert seen[2:] == ["after"]


@pytest.mark.parametrize("on_base", [True, False])
def test_learning_rate_schedulers_work_on_either_optimizer(on_base):
    model = small()
    optimizer = GAM(model.parameters(), sgd(model.parameters()))
    scheduler = StepLR(optimizer.base_optimizer if on_base else optimizer, step_size=1, gamma=0.0)
    optimizer.step(closure_of(model))
    scheduler.step()
    before = weights(model)
    optimizer.step(closure_of(model))
    assert same(weights(model), before)


def test_repr_names_both_optimizers_and_the_settings():
    model = small()
    shown = repr(GAM(model.parameters(), sgd(model.parameters())))
    assert shown.startswith("GAM around SGD (")
    assert "rho_prime: 0.02" in shown
    assert "momentum: 0.9" in shown


# --- state ------------------------------------------------------------------------------------------------


def bases():
    return {
        "sgd": sgd,
        "fused sgd": lambda p: sgd(p, fused=True),
        "adam": lambda p: torch.optim.Adam(p, lr=0.01),
        "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, fused=True),
    }


@pytest.mark.parametrize("kind", SHARP)
@pytest.mark.parametrize("base", bases())
def test_a_restored_optimizer_continues_identically(kind, base):
    def build_run():
        model = small()
        optimizer = kind(model.parameters(), bases()[base](model.parameters()), model=model, rho=0.1)
        return model, optimizer, CosineAnnealingLR(optimizer, 10)

    def advance(run, steps):
        model, optimizer, scheduler = run
        for step in steps:
            optimizer.step(closure_of(model, step))
            scheduler.step()

    straight, broken, resumed = build_run(), build_run(), build_run()
    advance(straight, range(6))
    advance(broken, range(3))
    file = io.BytesIO()
    torch.save([part.state_dict() for part in broken], file)
    file.seek(0)
    for part, state in zip(resumed, torch.load(file, weights_only=True), strict=True):
        part.load_state_dict(state)
    assert resumed[1].param_groups is resumed[1].base_optimizer.param_groups
    advance(resumed, range(3, 6))
    assert same(weights(resumed[0]), weights(straight[0]))
    assert resumed[1].param_groups[0]["lr"] == straight[1].param_groups[0]["lr"]


def test_after_loading_the_scheduler_still_moves_the_real_learning_rate():
    model = small()
    optimizer = GAM(model.parameters(), sgd(model.parameters()))
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.param_groups[0]["lr"] = 0.0
    before = weights(model)
    optimizer.step(closure_of(model))
    assert same(weights(model), before)


def test_settings_travel_in_the_state_dict_and_a_bases_own_state_can_be_loaded():
    model = small()
    one = SAM(model.parameters(), sgd(model.parameters()), rho=0.7)
    one.step(closure_of(model))
    other = SAM(model.parameters(), sgd(model.parameters()), rho=0.1)
    other.load_state_dict(one.state_dict())
    assert other.param_groups[0]["rho"] == 0.7
    bare = sgd(model.parameters())
    closure_of(model)()
    bare.step()
    other.load_state_dict(bare.state_dict())
    assert other.param_groups[0]["rho"] == 0.1
    assert torch.equal(
        other.state[model[0].weight]["momentum_buffer"], bare.state[model[0].weight]["momentum_buffer"]
    )
    other.step(closure_of(model))


def test_load_hooks_run():
    model = small()
    optimizer = SAM(model.parameters(), sgd(model.parameters()))
    seen = []
    optimizer.register_load_state_dict_post_hook(seen.append)
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == [optimizer]


@pytest.mark.parametrize("kind", SHARP)
@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
def test_copies_are_whole(kind, how):
    model = small()
    optimizer = kind(model.parameters(), sgd(model.parameters()), model=model, clip_norm=0.5)
    LambdaLR(optimizer, lambda _: 1.0)  # patches `step` on the instance
    optimizer.step(closure_of(model))
    if how == "deepcopy":
        other_model, other = copy.deepcopy((model, optimizer))
    else:
        other_model, other = pickle.loads(pickle.dumps((model, optimizer)))  # noqa: S301
    assert other.param_groups is other.base_optimizer.param_groups
    assert other.clip_norm == 0.5
    for step in range(3):
        optimizer.step(closure_of(model, step))
        other.step(closure_of(other_model, step))
    assert same(weights(model), weights(other_model))
    assert other.gradient_evaluations == optimizer.gradient_evaluations


# --- the proportion schedule ------------------------------------------------------------------------------


def test_radii_follow_the_learning_rate_of_their_group():
    model = small()
    groups = [{"params": model[0].parameters()}, {"params": model[3].parameters(), "lr": 0.4, "rho": 0.5}]
    base = sgd(groups, lr=0.2)
    params = [*model[0].parameters(), *model[3].parameters()]
    optimizer = GAM(params, base, rho=0.3, rho_prime=0.06, rho_schedule="proportion", rho_min=0.1, min_lr=0.1)
    scheduler = LambdaLR(optimizer, lambda step: [1.0, 0.75, 0.5][step])
    radii = []
    for step in range(3):
        optimizer.step(closure_of(model, step))
        radii.append([(g["rho"], g["rho_prime"]) for g in optimizer.param_groups])
        if step < 2:
            scheduler.step()
    # (ρ−ρmin)/(ρmax−ρmin) = (lr−lrmin)/(lrmax−lrmin): lr 0.2, 0.15, 0.1 and 0.4, 0.3, 0.2
    fractions = [(1.0, 1.0), (0.5, 2 / 3), (0.0, 1 / 3)]
    for (one, two), (a, b) in zip(radii, fractions, strict=True):
        assert one == pytest.approx((0.1 + 0.2 * a, 0.06 * a))
        assert two == pytest.approx((0.1 + 0.4 * b, 0.06 * b))


def test_the_schedule_starts_with_the_first_step_and_survives_a_restart():
    def build_run():
        model = small()
        optimizer = SAM(model.parameters(), sgd(model.parameters()), rho=0.2, rho_schedule="proportion")
        return model, optimizer, CosineAnnealingLR(optimizer, 8)

    straight, resumed = build_run(), build_run()
    for step in range(4):
        straight[1].step(closure_of(straight[0], step))
        straight[2].step()
    for part, source in zip(resumed, straight, strict=True):
        part.load_state_dict(copy.deepcopy(source.state_dict()))
    for run in (straight, resumed):
        run[1].step(closure_of(run[0], 9))
    assert straight[1].param_groups[0]["rho"] == pytest.approx(0.1)  # the cosine is half way down
    assert same(weights(straight[0]), weights(resumed[0]))


def test_rho_is_never_negative_in_a_warm_up_from_below_min_lr():
    model = small()
    optimizer = SAM(
        model.parameters(), sgd(model.parameters()), rho=0.2, rho_schedule="proportion", min_lr=0.05
    )
    LambdaLR(optimizer, lambda _: 0.01)
    optimizer.step(closure_of(model))
    assert optimizer.param_groups[0]["rho"] == 0.0


def test_constant_radii_stay():
    model = small()
    optimizer = SAM(model.parameters(), sgd(model.parameters()), rho=0.2)
    StepLR(optimizer, 1, 0.1)
    optimizer.param_groups[0]["lr"] = 0.001
    optimizer.step(closure_of(model))
    assert optimizer.param_groups[0]["rho"] == 0.2


def top_of_one_cycle(optimizer, peak=1.0):
    return OneCycleLR(optimizer, max_lr=peak, total_steps=20, cycle_momentum=False)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("lr", [0.001, 0.1, 5.0])
def test_radii_stay_within_their_bounds_under_one_cycle(before, lr):
    """The rate begins at a 25th of the peak, whatever the base was made with."""
    model = small()
    base = sgd(model.parameters(), lr=lr)
    if before:
        scheduler = top_of_one_cycle(base)
    optimizer = GAM(model.parameters(), base, rho=0.2, rho_schedule="proportion", rho_min=0.05)
    if not before:
        scheduler = top_of_one_cycle(optimizer)
    for step in range(19):
        optimizer.step(closure_of(model, step))
        group = optimizer.param_groups[0]
        assert group["rho"] == pytest.approx(0.05 + 0.15 * group["lr"])
        scheduler.step()


def test_rho_never_exceeds_its_own_value():
    model = small()
    optimizer = SAM(model.parameters(), sgd(model.parameters()), rho=0.2, rho_schedule="proportion")
    optimizer.param_groups[0]["lr"] = 3.0
    optimizer.step(closure_of(model))
    assert optimizer.param_groups[0]["rho"] == 0.2
    own = SAM(model.parameters(), sgd(model.parameters()), rho=0.2, rho_schedule="proportion", max_lr=0.4)
    own.step(closure_of(model))
    assert own.param_groups[0]["rho"] == pytest.approx(0.05)


def test_a_learning_rate_that_is_a_tensor_moves_rho_too_and_survives_a_restart():
    def build():
        model = small()
        base = sgd(model.parameters(), lr=torch.tensor(0.1))
        return model, GAM(model.parameters(), base, rho=0.2, rho_schedule="proportion")

    (model, optimizer), (other_model, other) = build(), build()
    plain_model = small()
    plain = GAM(plain_model.parameters(), sgd(plain_model.parameters()), rho=0.2, rho_schedule="proportion")
    for step, rate in enumerate([0.1, 0.05]):
        optimizer.param_groups[0]["lr"].fill_(rate)
        plain.param_groups[0]["lr"] = rate
        optimizer.step(closure_of(model, step))
        plain.step(closure_of(plain_model, step))
        assert float(optimizer.param_groups[0]["rho"]) == pytest.approx(2 * rate)
    for a, b in zip(weights(model), weights(plain_model), strict=True):
        torch.testing.assert_close(a, b)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    other_model.load_state_dict(model.state_dict())
    for one in (optimizer, other):
        one.param_groups[0]["lr"].fill_(0.025)
    optimizer.step(closure_of(model, 5))
    other.step(closure_of(other_model, 5))
    assert float(other.param_groups[0]["rho"]) == pytest.approx(0.05)
    assert same(weights(model), weights(other_model))


def test_a_radius_set_by_hand_is_not_overwritten_in_silence():
    model = small()
    optimizer = GAM(model.parameters(), sgd(model.parameters()), rho=0.2, rho_schedule="proportion")
    optimizer.step(closure_of(model))
    group = optimizer.param_groups[0]
    group["rho"] = 0.5
    with pytest.raises(
        UserError, match=r"rho was set to 0.5 by hand, but rho_schedule='proportion'.*rho_max"
    ):
        optimizer.step(closure_of(model))
    group["rho"], group["rho_max"], group["lr"] = group["rho_scheduled"], 0.5, 0.05
    optimizer.step(closure_of(model))
    assert group["rho"] == pytest.approx(0.25)


# --- any optimizer and scheduler of torch -----------------------------------------------------------------

BASES = {
    name: kind
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type)
    and issubclass(kind, torch.optim.Optimizer)
    and kind is not torch.optim.Optimizer
}
REFUSED = {
    "LBFGS": "LBFGS calls a closure in its own step",
    "SparseAdam": "SparseAdam takes sparse gradients",
}


def matrices():
    """A network without vectors, which Muon does not take."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8, bias=False), nn.Tanh(), nn.Linear(8, 3, bias=False))


@pytest.mark.parametrize("kind", SHARP)
@pytest.mark.parametrize("name", [name for name in BASES if name not in REFUSED])
def test_any_optimizer_of_torch_can_be_the_base(kind, name):
    """With radii of zero GAM's direction is the gradient, so the base must step as it does alone."""
    ends = []
    for alone in (True, False):
        model = matrices().double()
        base = BASES[name](model.parameters(), lr=0.01)
        still = {"rho": 0.0} | ({"alpha": 0.0} if kind is ExactGAM else {})
        still |= {"rho_prime": 0.0, "gamma": 0.0} if issubclass(kind, GAM) else {}
        still |= {"sam_rho": 0.0} if kind is SAMGAM else {}
        optimizer = base if alone else kind(model.parameters(), base, model=model, **still)
        assert all(optimizer.defaults[key] == value for key, value in base.defaults.items())
        for step in range(3):
            inner = closure_of(model, step, torch.float64)
            if alone:
                base.zero_grad()
                inner()
                base.step()
            else:
                optimizer.step(inner)
        if not alone:
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            optimizer.step(closure_of(model, 3, torch.float64))
            continue
        ends.append(weights(model))
        base.zero_grad()
        closure_of(model, 3, torch.float64)()
        base.step()
        ends.append(weights(model))
    for a, b in zip(ends[1], weights(model), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
    assert not same(ends[1], weights(matrices().double()))


@pytest.mark.parametrize("name", REFUSED)
def test_optimizers_that_cannot_be_the_base_are_refused_when_made(name):
    model = matrices()
    with pytest.raises(UserError, match=REFUSED[name]):
        SAM(model.parameters(), BASES[name](model.parameters(), lr=0.1))


def test_an_optimizer_of_ours_is_no_base():
    model = small()
    inner = SAM(model.parameters(), sgd(model.parameters()))
    with pytest.raises(UserError, match="SAM has a base optimizer itself; give that one"):
        GAM(model.parameters(), inner)


@pytest.mark.parametrize(
    ("base", "key"),
    [(torch.optim.RMSprop, "alpha"), (torch.optim.ASGD, "alpha"), (torch.optim.Adadelta, "rho")],
)
def test_a_setting_that_the_base_has_too_gets_a_name_of_its_own(base, key):
    model = small()
    made = base(model.parameters(), lr=0.01)
    theirs = made.defaults[key]
    optimizer = GAM([{"params": model.parameters(), key: 0.125}], made, rho_schedule="proportion")
    group = optimizer.param_groups[0]
    assert (group[key], group[f"gam_{key}"]) == (theirs, 0.125)
    optimizer.step(closure_of(model))
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert optimizer.param_groups[0][f"gam_{key}"] == 0.125
    group = optimizer.param_groups[0]
    group["lr"] = 0.005
    optimizer.step(closure_of(model))
    assert group[key] == theirs
    assert group["gam_rho" if key == "rho" else "rho"] == pytest.approx(0.0625 if key == "rho" else 0.1)


SCHEDULERS = {
    "LambdaLR": lambda o: LambdaLR(o, lambda step: 0.5**step),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, lambda _: 0.5),
    "StepLR": lambda o: StepLR(o, 2),
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, [1, 3]),
    "ConstantLR": lambda o: lr_scheduler.ConstantLR(o, total_iters=2),
    "LinearLR": lambda o: lr_scheduler.LinearLR(o, total_iters=3),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.5),
    "PolynomialLR": lambda o: lr_scheduler.PolynomialLR(o, 4),
    "CosineAnnealingLR": lambda o: CosineAnnealingLR(o, 4),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.2, step_size_up=2),
    "OneCycleLR": lambda o: OneCycleLR(o, 0.2, total_steps=6),
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0),
    "SequentialLR": lambda o: lr_scheduler.SequentialLR(o, [StepLR(o, 1), StepLR(o, 2)], [2]),
    "ChainedScheduler": lambda o: lr_scheduler.ChainedScheduler([StepLR(o, 1), StepLR(o, 2)]),
}


def test_every_scheduler_of_torch_is_tried():
    kinds = [kind for kind in vars(lr_scheduler).values() if isinstance(kind, type)]
    schedulers = {kind.__name__ for kind in kinds if issubclass(kind, lr_scheduler.LRScheduler)}
    assert schedulers - {"LRScheduler", "_LRScheduler"} == set(SCHEDULERS)


@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("base", [sgd, lambda p: torch.optim.AdamW(p, lr=0.1)], ids=["SGD", "AdamW"])
def test_a_scheduler_on_gam_moves_what_it_moves_on_the_base(name, base):
    paths = []
    for on_base in (True, False):
        model = small()
        inner = base(model.parameters())
        optimizer = GAM(model.parameters(), inner, model=model, rho_schedule="proportion")
        scheduler = SCHEDULERS[name](inner if on_base else optimizer)
        path = []
        for step in range(5):
            optimizer.step(closure_of(model, step))
            group = inner.param_groups[0]
            path.append(
                [group[key] for key in ("lr", "momentum", "betas", "rho", "rho_prime") if key in group]
            )
            scheduler.step(*[1.0] if name == "ReduceLROnPlateau" else [])
        paths.append((path, weights(model)))
    assert paths[0][0] == paths[1][0]
    assert len({tuple(map(str, point)) for point in path}) > 1
    assert same(paths[0][1], paths[1][1])


# --- refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (SAM, {"rho": -1}, "rho must be ≥ 0, got -1"),
        (SAM, {"rho": float("nan")}, "rho must be a finite number, got nan"),
        (SAM, {"rho": "big"}, "rho must be a number, got the text 'big'"),
        (GAM, {"alpha": 1.5}, "alpha must be ≤ 1, got 1.5"),
        (GAM, {"variant": "mine"}, "variant must be 'paper' or 'official-code', got 'mine'"),
        (GAM, {"rho_primo": 0.1}, "unknown setting 'rho_primo'; did you mean 'rho_prime'"),
        (SAM, {"rho_schedule": "cosine"}, "rho_schedule must be 'constant' or 'proportion', got 'cosine'"),
        (SAM, {"rho_schedule": "proportion", "min_lr": 0.1}, "min_lr must be below the learning rate 0.1"),
        (SAM, {"perturbation": "both"}, "perturbation must be 'local' or 'global', got 'both'"),
        (SAM, {"micro_batch": 0}, "micro_batch must be ≥ 1, got 0"),
        (SAM, {"clip_norm": 0.0}, "clip_norm must be > 0, got 0.0"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_by_name(kind, arguments, message):
    model = small()
    with pytest.raises(UserError) as error:
        kind(model.parameters(), sgd(model.parameters()), **arguments)
    assert str(error.value).startswith(message)


def test_a_refused_optimizer_leaves_the_base_as_it_was():
    model = small()
    base = sgd(model.parameters())
    before = dict(base.param_groups[0])
    with pytest.raises(UserError):
        SAM(model.parameters(), base, rho=-1)
    with pytest.raises(UserError):
        SAM(small().parameters(), base)
    assert base.param_groups[0] == before


@pytest.mark.parametrize("given", ["fewer", "more", "others"])
def test_a_base_optimizer_on_other_parameters_is_noticed(given):
    model, other = small(), small()
    params = {
        "fewer": model[0].parameters(),
        "more": [*model.parameters(), *other.parameters()],
        "others": other.parameters(),
    }[given]
    with pytest.raises(UserError, match="the base optimizer holds other parameters than SAM was given"):
        SAM(params, sgd(model.parameters()))


def test_groups_must_be_the_bases_groups():
    model = small()
    groups = [{"params": model[0].parameters()}, {"params": model[3].parameters()}]
    with pytest.raises(UserError, match="SAM has 2 parameter groups, its base optimizer 1"):
        SAM(groups, sgd(model.parameters()))
    with pytest.raises(UserError, match="'lr' belongs in the base optimizer's parameter group"):
        SAM([{"params": model.parameters(), "lr": 0.5}], sgd(model.parameters()))


def test_settings_of_the_whole_vector_may_not_differ_between_groups():
    model = small()
    groups = [
        {"params": list(model[:2].parameters()), "gamma": 0.5},
        {"params": list(model[2:].parameters())},
    ]
    with pytest.raises(UserError, match="gamma must be the same in all parameter groups"):
        GAM(groups, sgd([{"params": group["params"]} for group in groups]))


def test_a_second_optimizer_takes_the_base_over_and_the_first_says_so():
    """As when a cell of a notebook is run again."""
    ends = []
    for again in (True, False):
        model = small()
        groups = [{"params": model[:2].parameters(), "rho": 0.4}, {"params": model[2:].parameters()}]
        base = sgd(groups)
        if again:
            first = GAM(model.parameters(), base, rho=0.05, gamma=0.5, rho_schedule="proportion")
            first.step(closure_of(model))
            model.load_state_dict(small().state_dict())
            base.state.clear()
        second = SAM(model.parameters(), base, rho=0.5)
        assert [group["rho"] for group in base.param_groups] == [0.4, 0.5]
        assert "gamma" not in base.param_groups[0]
        assert "lr_max" not in base.param_groups[0]
        second.step(closure_of(model))
        ends.append(weights(model))
        if again:
            with pytest.raises(UserError, match="this GAM's base optimizer serves another one now"):
                first.step(closure_of(model))
    assert same(*ends)


def test_an_optimizer_class_is_not_an_instance():
    with pytest.raises(UserError, match="base_optimizer must be a torch optimizer, got <class"):
        SAM(small().parameters(), torch.optim.SGD)


def test_step_without_a_batch_says_what_to_call():
    model = small()
    optimizer = SAM(model.parameters(), sgd(model.parameters()), model=model)
    with pytest.raises(UserError, match=r"call step\(closure\), or set_closure\(loss_fn, inputs, targets\)"):
        optimizer.step()
    optimizer.set_closure(F.cross_entropy, torch.randn(4, 6), torch.arange(4) % 3)
    optimizer.step()
    with pytest.raises(UserError, match="no batch"):
        optimizer.step()


def test_micro_batch_with_a_closure_says_what_to_do():
    model = small()
    optimizer = SAM(model.parameters(), sgd(model.parameters()), model=model, micro_batch=2)
    with pytest.raises(UserError, match="list of closures"):
        optimizer.step(closure_of(model))


# --- the catalogue ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [e for e in OPTIMIZERS.values() if e.build], ids=lambda e: e.name)
def test_an_entry_of_the_catalogue_builds_and_costs_what_it_says(entry):
    model = small()
    module, name = entry.build.split(":")
    kind = getattr(import_module(module), name)
    defaults = entry.settings().model_dump()
    optimizer = kind(model.parameters(), sgd(model.parameters()), model=model, **defaults)
    optimizer.step(closure_of(model))
    assert optimizer.gradient_evaluations == entry.passes(defaults)
    assert optimizer.settings is entry.settings


def test_what_a_step_costs_may_depend_on_the_settings():
    """A method that climbs in every k-th step only costs 1 + 1/k gradients."""

    class Settings(OPTIMIZERS["sam"].settings):
        every: int = 5

    entry = Optimizer("now and then", "", Settings, gradients=lambda settings: 1 + 1 / settings.every)
    assert entry.passes({}) == pytest.approx(1.2)
    assert entry.passes({"every": 2}) == pytest.approx(1.5)
    assert OPTIMIZERS["gam"].passes({"rho": 0.1}) == 4


def test_the_catalogue_imports_no_torch():
    code = "import sys, gam_bench.optim.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_sam_gam_is_assumed():
    assert [entry.name for entry in OPTIMIZERS.values() if entry.assumed] == ["sam+gam"]
