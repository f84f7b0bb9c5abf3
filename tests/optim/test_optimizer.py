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
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, StepLR

from gam_bench.errors import UserError
from gam_bench.optim import GAM, SAM, SAMGAM, ExactGAM
from gam_bench.optim.catalog import OPTIMIZERS

torch.set_num_threads(1)
SHARP = [SAM, GAM, SAMGAM, ExactGAM]


def small(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def closure_of(model, step=0):
    generator = torch.Generator().manual_seed(step)
    inputs, targets = torch.randn(12, 6, generator=generator), torch.arange(12) % 3

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


def test_a_base_optimizer_with_a_setting_of_the_same_name_is_refused():
    model = small()
    with pytest.raises(UserError, match="GAM and RMSprop both have a setting 'alpha'"):
        GAM(model.parameters(), torch.optim.RMSprop(model.parameters()))
    SAM(model.parameters(), torch.optim.RMSprop(model.parameters())).step(closure_of(model))


def test_a_base_optimizer_serves_one_optimizer():
    model = small()
    base = sgd(model.parameters())
    SAM(model.parameters(), base, rho=0.05)
    with pytest.raises(UserError, match="this SGD is another optimizer's base already"):
        SAM(model.parameters(), base, rho=0.5)


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
    assert optimizer.gradient_evaluations == entry.passes
    assert optimizer.settings is entry.settings


def test_the_catalogue_imports_no_torch():
    code = "import sys, gam_bench.optim.catalog; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_only_sam_gam_is_assumed():
    assert [entry.name for entry in OPTIMIZERS.values() if entry.assumed] == ["sam+gam"]
