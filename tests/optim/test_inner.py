"""The base optimizer's step inside ours: torch's wrapper is left out only where nobody would notice."""

import functools

import pytest
import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from gam_bench.optim.inner import step_inside

torch.set_num_threads(1)


class Counted(torch.optim.SGD):
    calls = 0

    def step(self, closure=None):
        self.calls += 1
        return super().step(closure)


def made(kind=Counted):
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    base = kind(model.parameters(), lr=0.1)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    return model, base


def moved(model):
    torch.manual_seed(0)
    pairs = zip(model.parameters(), nn.Linear(3, 2).parameters(), strict=True)
    return all(torch.allclose(now + 0.1, before) for now, before in pairs)


@pytest.mark.parametrize("kind", [torch.optim.SGD, Counted])
def test_the_step_is_taken_once(kind):
    model, base = made(kind)
    step_inside(base)
    assert moved(model)
    assert getattr(base, "calls", 1) == 1


def test_hooks_of_the_base_and_of_all_optimizers_run():
    seen = []
    for register in (
        lambda base, hook: base.register_step_pre_hook(hook),
        lambda base, hook: base.register_step_post_hook(hook),
        lambda _, hook: register_optimizer_step_pre_hook(hook),
        lambda _, hook: register_optimizer_step_post_hook(hook),
    ):
        model, base = made(torch.optim.SGD)
        handle = register(base, lambda optimizer, *_: seen.append(optimizer))
        try:
            step_inside(base)
        finally:
            handle.remove()
        assert seen == [base]
        assert moved(model)
        seen.clear()
        step_inside(base)
        assert not seen


def test_a_step_put_over_an_instance_or_a_class_is_called(monkeypatch):
    seen = []

    def over(step):
        @functools.wraps(step)
        def wrapper(*arguments):
            seen.append("called")
            return step(*arguments)

        return wrapper

    model, base = made()
    base.step = over(base.step)
    step_inside(base)
    assert seen == ["called"]
    assert moved(model)
    model, base = made()
    monkeypatch.setattr(Counted, "step", over(Counted.step))
    step_inside(base)
    assert seen == ["called"] * 2
    assert moved(model)


def test_a_scheduler_of_the_base_sees_its_steps(recwarn):
    _, base = made()
    scheduler = torch.optim.lr_scheduler.StepLR(base, 1)
    step_inside(base)
    scheduler.step()
    assert not [str(w.message) for w in recwarn if "lr_scheduler.step" in str(w.message)]


def test_a_profile_names_the_bases_step():
    _, base = made(torch.optim.SGD)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step_inside(base)
    assert "Optimizer.step#SGD.step" in {event.key for event in profile.key_averages()}
