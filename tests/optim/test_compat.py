"""Scripts written for the released GAM code or for davda54's SAM, with their imports changed."""

import copy
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gam_bench import optim
from gam_bench.errors import UserError
from gam_bench.optim import compat

sys.path.insert(0, str(Path(__file__).parent))
from released import CASES, batch, network, trajectory

torch.set_num_threads(1)
RECORDED = json.loads(Path(__file__).with_name("released_gam.json").read_text())


def flat(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


@pytest.mark.parametrize("name", CASES)
def test_the_released_codes_trajectory(name):
    found, expected = trajectory(compat, CASES[name]), RECORDED[name]
    for what in ("losses", "radii", "weights"):
        ours, theirs = (torch.tensor(t[what], dtype=torch.float64) for t in (found, expected))
        assert (ours - theirs).abs().max() < 1e-13, what
    assert expected["losses"][-1] != pytest.approx(expected["losses"][0], rel=0.01)


def test_the_cases_are_not_one():
    ends = [tuple(RECORDED[name]["weights"]) for name in CASES]
    assert len(set(ends)) == len(CASES)


def test_the_seeds_script_runs_with_its_imports_changed():
    script = Path(__file__).with_name("seed_script.txt").read_text()
    names: dict = {}
    exec(compile(script, "the seed's script", "exec"), names)  # noqa: S102
    losses = names["losses"]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
    assert names["gam"].grad_rho == 0.05


def steps(optimizer, count=20):
    for step in range(count):
        optimizer.set_closure(F.cross_entropy, *batch(step))
        optimizer.step()


@pytest.mark.parametrize("args", [None, SimpleNamespace(grad_rho=0.05, grad_norm_rho=0.1, grad_beta_0=0.3)])
def test_without_schedulers_it_is_our_gam_in_the_released_codes_variant(args):
    ends = []
    for ours in (True, False):
        model = network()
        base = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        if ours:
            given = {"rho": 0.1, "rho_prime": 0.05, "beta": 0.3} if args else {}
            optimizer = optim.GAM(model.parameters(), base, model=model, variant="official-code", **given)
        else:
            optimizer = compat.GAM(model.parameters(), base, model, args=args)
        steps(optimizer)
        ends.append(flat(model))
    torch.testing.assert_close(*ends, rtol=0, atol=1e-13)


def test_each_pass_draws_its_own_mask_unless_told():
    for replay, same in ((None, False), (True, True)):
        model, masks = network(dropout=0.5), []
        model[2].register_forward_hook(lambda _, __, out, masks=masks: masks.append(out == 0))
        base = torch.optim.SGD(model.parameters(), lr=0.0)
        more = {} if replay is None else {"replay_randomness": replay}
        more["args"] = SimpleNamespace(grad_rho=0.0, grad_norm_rho=0.0)  # all passes at the same weights
        steps(compat.GAM(model.parameters(), base, model, **more), 1)
        assert torch.equal(masks[0], masks[1]) == same


def test_arguments_of_the_loss_and_copies():
    model = network()
    gam = compat.GAM(model.parameters(), torch.optim.SGD(model.parameters(), lr=0.1), model, perturb_eps=0.5)
    gam.set_closure(F.cross_entropy, *batch(0), reduction="sum")
    summed = gam.step()[1]
    assert summed > 2 * F.cross_entropy(model(batch(0)[0]), batch(0)[1])
    other_model, other = copy.deepcopy((model, gam))
    steps(gam, 2)
    steps(other, 2)
    assert torch.equal(flat(model), flat(other_model))
    assert other.tiny == 0.5


def test_schedulers_hold_their_end_and_refuse_what_cannot_be():
    cosine = compat.CosineScheduler(T_max=4, max_value=0.2, min_value=0.1)
    values = [cosine.step() for _ in range(8)]
    assert values[0] == 0.2
    assert values[4:] == pytest.approx([0.1] * 4)
    model = network()
    base = torch.optim.SGD(model.parameters(), lr=0.1)
    rising = compat.LinearScheduler(10, 1.0, optimizer=base)
    assert [rising.step() for _ in range(3)] == pytest.approx([1.0, 0.9, 0.8])
    assert base.param_groups[0]["lr"] == rising.lr() == pytest.approx(0.8)
    with pytest.raises(
        UserError, match=r"a value from 0.2 to 0.1 cannot follow a learning rate from 0 to 0.1"
    ):
        compat.ProportionScheduler(torch.optim.lr_scheduler.StepLR(base, 1), 0.1, 0.0, 0.1, 0.2)
    with pytest.raises(UserError, match=r"poly_order must be ≤ 0, got 0.5"):
        compat.PolyScheduler(0.5, 10, 1.0)
    with pytest.raises(UserError, match="grad_reduce must be 'mean' or 'sum', got 'max'"):
        compat.GAM(model.parameters(), base, model, grad_reduce="max")


def test_the_divergence_is_each_examples():
    logits, targets = batch(0)[0], torch.arange(8) % 10
    found = compat.smooth_crossentropy(logits, targets, 0.1)
    wanted = torch.full((8, 10), 0.1 / 9, dtype=torch.float64)
    wanted[torch.arange(8), targets] = 0.9
    expected = (wanted * (wanted.log() - logits.log_softmax(1))).sum(1)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    assert math.isfinite(compat.smooth_crossentropy(logits, targets, 0.0).sum())


# --- davda54's two steps ----------------------------------------------------------------------------------


@pytest.mark.parametrize("adaptive", [False, True])
def test_first_and_second_step_are_sams_step(adaptive):
    ends = []
    for two in (True, False):
        model = network()
        if two:
            kind = torch.optim.SGD
            optimizer = compat.SAM(model.parameters(), kind, rho=0.2, adaptive=adaptive, lr=0.1, momentum=0.9)
        else:
            base = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
            optimizer = optim.SAM(model.parameters(), base, rho=0.2, adaptive=adaptive, model=model)
        for step in range(5):
            inputs, targets = batch(step)
            if two:
                F.cross_entropy(model(inputs), targets).backward()
                optimizer.first_step(zero_grad=True)
                F.cross_entropy(model(inputs), targets).backward()
                optimizer.second_step(zero_grad=True)
            else:
                optimizer.set_closure(F.cross_entropy, inputs, targets)
                optimizer.step()
        ends.append(flat(model))
    assert torch.equal(*ends)


def test_a_second_step_needs_a_first():
    model = nn.Linear(2, 2)
    optimizer = compat.SAM(model.parameters(), torch.optim.SGD, lr=0.1)
    with pytest.raises(UserError, match="second_step\\(\\) comes after first_step\\(\\)"):
        optimizer.second_step()
    before = flat(model)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.first_step()
    assert not torch.equal(flat(model), before)
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.second_step()
    assert torch.equal(flat(model), before)
