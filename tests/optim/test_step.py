"""The hard places of a step with several passes: what each pass sees, and what is left afterwards."""

import copy
import warnings
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gam_bench.errors import UserError
from gam_bench.optim import GAM, SAM, SAMGAM, ExactGAM, Plain

torch.set_num_threads(1)
ALL = [Plain, SAM, GAM, SAMGAM, ExactGAM]
SHARP = [SAM, GAM, SAMGAM, ExactGAM]
PASSES = {Plain: 1, SAM: 2, GAM: 4, SAMGAM: 8, ExactGAM: 2}  # calls of the closure


def sgd(model, **more):
    return torch.optim.SGD(model.parameters(), **({"lr": 0.1, "momentum": 0.9} | more))


def around(kind, model, lr=0.1, **more):
    return kind(model.parameters(), sgd(model, lr=lr), model=model, **more)


def small(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))


def with_norm(**norm):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8, **norm), nn.ReLU(), nn.Linear(8, 3))


def batch(n=16, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 6, generator=generator), torch.arange(n) % 3


def closure_of(model, inputs, targets):
    def closure():
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        return loss

    return closure


def weights(model):
    return [p.detach().clone() for p in model.parameters()]


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


# --- weights come back ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
def test_weights_come_back_bit_for_bit(kind):
    model = small()
    optimizer, before = around(kind, model, lr=0.0), weights(model)
    for step in range(50):
        optimizer.step(closure_of(model, *batch(seed=step)))
    assert same(weights(model), before)


@pytest.mark.parametrize("kind", ALL)
def test_an_exception_in_any_pass_leaves_weights_and_statistics(kind):
    for failing in range(PASSES[kind]):
        model = with_norm()
        optimizer, before = around(kind, model), weights(model)
        plain = closure_of(model, *batch())
        calls = []

        def closure(plain=plain, calls=calls, failing=failing):
            loss = plain()
            calls.append(loss)
            if len(calls) == failing + 1:
                raise RuntimeError("the disk is full")
            return loss

        with pytest.raises(RuntimeError, match="the disk is full"):
            optimizer.step(closure)
        assert same(weights(model), before)
        assert model[1].num_batches_tracked == 1
        assert model[1].momentum == 0.1
        optimizer.step(plain)  # and the next step is whole
        assert model[1].num_batches_tracked == 2
        assert not same(weights(model), before)


@pytest.mark.parametrize("kind", ALL)
def test_a_non_finite_gradient_in_any_pass_leaves_weights(kind):
    """The base optimizer is one that refuses such gradients; what it leaves must be the weights before."""
    for failing in range(PASSES[kind]):
        model = small()
        before, calls = weights(model), []
        base = sgd(model)

        def refuse(base, *_, model=model):
            if not all(p.grad.isfinite().all() for p in model.parameters()):
                raise FloatingPointError

        base.register_step_pre_hook(refuse)
        optimizer = kind(model.parameters(), base, model=model, skip_nonfinite=False)
        inputs, targets = batch()

        def closure(model=model, inputs=inputs, targets=targets, calls=calls, failing=failing):
            loss = F.cross_entropy(model(inputs), targets)
            (loss * (float("nan") if len(calls) == failing else 1.0)).backward()
            calls.append(loss)

        with pytest.raises(FloatingPointError):
            optimizer.step(closure)
        assert len(calls) == PASSES[kind]
        assert same(weights(model), before)


# --- gradients that are missing ---------------------------------------------------------------------------


class Branches(nn.Module):
    """Calls `second` only in the passes it is told to."""

    def __init__(self, passes):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(6, 3), nn.Linear(6, 3)
        self.passes, self.calls = passes, 0

    def forward(self, x):
        used = self.calls in self.passes
        self.calls += 1
        return self.first(x) + self.second(x) if used else self.first(x)


@pytest.mark.parametrize("kind", SHARP)
@pytest.mark.parametrize("present", [{0}, {1}, {0, 1}, set()], ids=str)
def test_a_parameter_without_gradient_in_some_passes_is_restored(kind, present):
    model = Branches(present)
    optimizer, before = around(kind, model, lr=0.0), weights(model)
    for _ in range(3):
        model.calls = 0
        optimizer.step(closure_of(model, *batch()))
    assert same(weights(model), before)


@pytest.mark.parametrize("kind", ALL)
def test_a_parameter_without_any_gradient_is_left_to_rest(kind):
    """As in torch: no weight decay, no momentum for it."""
    model = Branches(set())
    optimizer = kind(model.parameters(), sgd(model, weight_decay=0.1), model=model)
    before = model.second.weight.detach().clone()
    optimizer.step(closure_of(model, *batch()))
    assert torch.equal(model.second.weight, before)
    assert model.second.weight not in optimizer.state
    assert model.second.weight.grad is None


@pytest.mark.parametrize("kind", ALL)
def test_an_old_perturbation_does_not_move_a_parameter_that_now_has_no_gradient(kind):
    model = Branches({0, 1, 2, 3, 4, 5, 6, 7})
    optimizer, before = around(kind, model, lr=0.0), weights(model)
    optimizer.step(closure_of(model, *batch()))
    model.passes = set()
    for _ in range(5):
        optimizer.step(closure_of(model, *batch()))
    assert same(weights(model), before)


@pytest.mark.parametrize("kind", ALL)
def test_no_gradients_at_all_is_a_step_that_does_nothing(kind):
    model = small()
    for p in model.parameters():
        p.requires_grad_(False)
    optimizer, before = around(kind, model), weights(model)

    def closure():
        return F.cross_entropy(model(batch()[0]), batch()[1])

    assert optimizer.step(closure) > 0
    assert same(weights(model), before)


@pytest.mark.parametrize("kind", ALL)
def test_frozen_parameters_stay_and_do_not_count_in_norms(kind):
    ends = []
    for given_all in (True, False):
        model = small()
        model[0].requires_grad_(False)
        frozen = weights(model[0])
        params = [p for p in model.parameters() if given_all or p.requires_grad]
        optimizer = kind(params, torch.optim.SGD(params, lr=0.1, weight_decay=0.1), model=model)
        optimizer.step(closure_of(model, *batch()))
        assert same(weights(model[0]), frozen)
        ends.append(weights(model))
    assert all(torch.allclose(a, b, rtol=1e-6) for a, b in zip(*ends, strict=True))


@pytest.mark.parametrize("kind", SHARP)
def test_a_shared_parameter_is_perturbed_once(kind):
    ends = []
    for shared in (True, False):
        torch.manual_seed(0)
        layer, out = nn.Linear(6, 6).double(), nn.Linear(6, 3).double()
        model = nn.Sequential(layer, nn.Tanh(), layer, nn.Tanh(), out) if shared else None
        params = list(layer.parameters()) + list(out.parameters())
        optimizer = kind(params, torch.optim.SGD(params, lr=0.1), model=model)
        inputs, targets = batch()

        def closure(model=model, layer=layer, out=out, inputs=inputs, targets=targets):
            x = inputs.double()
            logits = model(x) if model else out(layer(layer(x).tanh()).tanh())
            loss = F.cross_entropy(logits, targets)
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)
        ends.append([p.detach().clone() for p in params])
    assert same(*ends)


# --- running statistics -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("norm", [{}, {"momentum": None}, {"track_running_stats": False}], ids=str)
def test_batch_norm_statistics_move_once_a_step_by_the_unperturbed_batch(kind, norm):
    model, reference = with_norm(**norm), with_norm(**norm)
    optimizer = around(kind, model, lr=0.0)
    for step in range(4):
        optimizer.step(closure_of(model, *batch(seed=step)))
        reference(batch(seed=step)[0])
    assert same(model.buffers(), reference.buffers())


def test_batch_norm_in_eval_mode_does_not_move():
    model = with_norm().eval()
    before = [b.clone() for b in model.buffers()]
    around(GAM, model).step(closure_of(model, *batch()))
    assert same(model.buffers(), before)


@pytest.mark.parametrize("kind", SHARP)
def test_any_other_running_statistic_moves_once_too(kind):
    class Average(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.zeros(6))
            self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
            self.register_buffer("absent", None)

        def forward(self, x):
            self.seen += 1
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)  # a new tensor, not written in place
            return x

    def build():
        torch.manual_seed(0)
        spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(6, 8))
        instance = nn.InstanceNorm1d(2, track_running_stats=True)
        shape = nn.Unflatten(1, (2, 4))
        return nn.Sequential(Average(), spectral, shape, instance, nn.Flatten(), nn.Linear(8, 3))

    model, reference = build(), build()
    optimizer = around(kind, model, lr=0.0)
    for step in range(3):
        optimizer.step(closure_of(model, *batch(seed=step)))
        reference(batch(seed=step)[0])
    assert model[0].seen == 3
    for (name, ours), expected in zip(model.named_buffers(), reference.buffers(), strict=True):
        assert torch.equal(ours, expected), name


# --- randomness -------------------------------------------------------------------------------------------


class Masks(nn.Module):
    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        mask = (torch.rand_like(x) > 0.5).to(x.dtype)
        self.seen.append(mask)
        return x * mask


@pytest.mark.parametrize("kind", SHARP)
def test_all_passes_of_a_step_see_the_same_randomness(kind):
    torch.manual_seed(0)
    masks = Masks()
    model = nn.Sequential(nn.Linear(6, 8), masks, nn.Linear(8, 3))
    optimizer = around(kind, model)
    for _ in range(2):
        optimizer.step(closure_of(model, *batch()))
    one, two = masks.seen[: PASSES[kind]], masks.seen[PASSES[kind] :]
    assert all(torch.equal(mask, one[0]) for mask in one)
    assert all(torch.equal(mask, two[0]) for mask in two)
    assert not torch.equal(one[0], two[0])


def test_replay_can_be_switched_off():
    masks = Masks()
    model = nn.Sequential(nn.Linear(6, 8), masks, nn.Linear(8, 3))
    around(SAM, model, replay_randomness=False).step(closure_of(model, *batch()))
    assert not torch.equal(*masks.seen)


@pytest.mark.parametrize("kind", ALL)
def test_a_step_draws_as_many_random_numbers_as_one_pass(kind):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3))
    torch.manual_seed(5)
    model(batch()[0])
    expected = torch.rand(3)
    torch.manual_seed(5)
    around(kind, model).step(closure_of(model, *batch()))
    assert torch.equal(torch.rand(3), expected)


def test_with_one_mask_h0_is_curvature_and_with_four_it_is_noise():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Dropout(0.5), nn.Linear(64, 3))
    ratio = {}
    for replay in (True, False):
        gradients = []
        optimizer = around(GAM, model, lr=0.0, replay_randomness=replay)
        inner = closure_of(model, *batch())

        def closure(inner=inner, gradients=gradients):
            inner()
            gradients.append(torch.cat([p.grad.reshape(-1).clone() for p in model.parameters()]))

        torch.manual_seed(1)
        optimizer.step(closure)
        g0, g1 = gradients[:2]
        ratio[replay] = (g1 - g0).norm() / g0.norm()
    assert ratio[True] < 0.1 < ratio[False]


# --- what the closure may do ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
def test_the_value_is_the_closures_first_and_each_pass_starts_without_gradients(kind):
    model = small()
    optimizer = around(kind, model)
    inner, losses = closure_of(model, *batch()), []

    def closure():
        assert all(p.grad is None for p in model.parameters())
        losses.append(inner())
        return {"loss": losses[-1], "pass": len(losses)}

    expected = F.cross_entropy(model(batch()[0]), batch()[1])
    value = optimizer.step(closure)
    assert value["pass"] == 1
    assert torch.equal(value["loss"], expected)
    assert len(losses) == PASSES[kind]


@pytest.mark.parametrize("kind", ALL)
def test_both_protocols_take_the_same_step(kind):
    one, other = with_norm(), with_norm()
    first, second = around(kind, one), around(kind, other)
    expected = one(batch()[0]).detach()
    other(batch()[0])
    for _ in range(3):
        loss = first.step(closure_of(one, *batch()))
        second.set_closure(F.cross_entropy, *batch())
        predictions, other_loss = second.step()
        if expected is not None:
            assert torch.equal(predictions, expected)
        expected = None
        assert torch.equal(loss, other_loss)
        assert not predictions.requires_grad
        assert not other_loss.requires_grad
    assert same(weights(one), weights(other))


@pytest.mark.parametrize("zero", [True, False, None])
def test_a_closure_may_zero_gradients_as_it_likes(zero):
    ends = []
    for how in (True, zero):
        model = small()
        optimizer = around(GAM, model)
        inner = closure_of(model, *batch())

        def closure(how=how, optimizer=optimizer, inner=inner):
            if how is not None:
                optimizer.zero_grad(set_to_none=how)
            return inner()

        for _ in range(3):
            optimizer.step(closure)
        ends.append(weights(model))
    assert same(*ends)


@pytest.mark.parametrize("kind", ALL)
def test_gradient_accumulation_is_the_whole_batch(kind):
    whole, parts = small().double(), small().double()
    inputs, targets = batch()
    inputs = inputs.double()
    around(kind, whole).step(closure_of(whole, inputs, targets))

    def closure():
        for x, y in zip(inputs.split(4), targets.split(4), strict=True):
            (F.cross_entropy(parts(x), y) / 4).backward()

    around(kind, parts).step(closure)
    for a, b in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", ALL)
def test_micro_batches_are_perturbed_each_by_itself_and_averaged_by_size(kind):
    inputs, targets = batch(10)
    inputs = inputs.double()
    expected = []
    for x, y in zip(inputs.split(4), targets.split(4), strict=True):
        model = small().double()
        before = weights(model)
        optimizer = kind(model.parameters(), torch.optim.SGD(model.parameters(), lr=1.0), model=model)
        optimizer.step(closure_of(model, x, y))
        expected.append([len(y) / 10 * (b - p) for b, p in zip(before, weights(model), strict=True)])
    model = small().double()
    before = weights(model)
    base = torch.optim.SGD(model.parameters(), lr=1.0)
    optimizer = kind(model.parameters(), base, model=model, micro_batch=4)
    optimizer.set_closure(F.cross_entropy, inputs, targets)
    reference = small().double()(inputs)
    predictions, loss = optimizer.step()
    torch.testing.assert_close(predictions, reference)
    torch.testing.assert_close(loss, F.cross_entropy(reference, targets))
    for b, p, *moves in zip(before, weights(model), *expected, strict=True):
        torch.testing.assert_close(b - p, sum(moves), rtol=1e-10, atol=1e-13)
    assert optimizer.gradient_evaluations == (6 if kind is ExactGAM else PASSES[kind])


def test_a_list_of_closures_is_micro_batches_of_equal_weight():
    inputs, targets = batch(8)
    ends = []
    for listed in (True, False):
        model = small().double()
        optimizer = around(GAM, model, micro_batch=None if listed else 4)
        if listed:
            closures = [
                closure_of(model, x.double(), y)
                for x, y in zip(inputs.split(4), targets.split(4), strict=True)
            ]
            assert len(optimizer.step(closures)) == 2
        else:
            optimizer.set_closure(F.cross_entropy, inputs.double(), targets)
            optimizer.step()
        ends.append(weights(model))
    assert same(*ends)


def test_m_sharpness_is_not_the_whole_batch():
    ends = []
    for micro_batch in (None, 4):
        model = small()
        optimizer = around(SAM, model, micro_batch=micro_batch, rho=1.0)
        optimizer.set_closure(F.cross_entropy, *batch())
        optimizer.step()
        ends.append(weights(model))
    assert not all(torch.allclose(a, b, atol=1e-4) for a, b in zip(*ends, strict=True))


# --- clipping, weight decay -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("clip", [0.05, 1e3])
def test_clipping_bounds_the_final_gradient_only(kind, clip):
    moves = []
    for limit in (None, clip):
        model = small().double()
        before = weights(model)
        optimizer = kind(model.parameters(), torch.optim.SGD(model.parameters(), lr=1.0), clip_norm=limit)
        optimizer.step(closure_of(model, batch()[0].double(), batch()[1]))
        moves.append(torch.cat([(b - p).view(-1) for b, p in zip(before, weights(model), strict=True)]))
    free, clipped = moves
    torch.testing.assert_close(clipped, free * min(1.0, clip / (float(free.norm()) + 1e-6)))


@pytest.mark.parametrize("kind", ALL)
def test_weight_decay_acts_at_the_unperturbed_weights_and_outside_the_norms(kind):
    moves = []
    for decay in (0.0, 0.1):
        model = small().double()
        before = weights(model)
        optimizer = kind(model.parameters(), torch.optim.SGD(model.parameters(), lr=1.0, weight_decay=decay))
        optimizer.step(closure_of(model, batch()[0].double(), batch()[1]))
        moves.append([b - p for b, p in zip(before, weights(model), strict=True)])
    for start, without, with_decay in zip(before, *moves, strict=True):
        torch.testing.assert_close(with_decay, without + 0.1 * start)


# --- precision, compilation -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
def test_bf16_autocast_around_the_step_or_in_the_closure(kind):
    """Our own arithmetic stays in float32 either way."""
    ends = []
    for outside in (True, False):
        model = small()
        optimizer = around(kind, model)
        inputs, targets = batch()

        def closure(model=model, inputs=inputs, targets=targets):
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(model(inputs), targets)
            loss.backward()
            return loss

        for _ in range(3):
            with torch.autocast("cpu", torch.bfloat16, enabled=outside):
                optimizer.step(closure)
        ends.append(weights(model))
    assert all(torch.allclose(a, b, atol=1e-3) for a, b in zip(*ends, strict=True))
    assert all(w.dtype == torch.float32 for w in ends[0])


@pytest.mark.parametrize("kind", ALL)
def test_bfloat16_parameters_come_back_bit_for_bit(kind):
    model = small().bfloat16()
    optimizer, before = around(kind, model, lr=0.0), weights(model)
    optimizer.step(closure_of(model, batch()[0].bfloat16(), batch()[1]))
    assert same(weights(model), before)
    assert all(p.grad.dtype == torch.bfloat16 for p in model.parameters())


def scaled_training(kind, steps, scaler, overflow_at=None, clip=None, fused=False):
    """Train in float32 with a GradScaler; the overflow is in the given (step, pass)."""
    model = small()
    base = sgd(model, fused=fused)
    optimizer = kind(model.parameters(), base, model=model, scaler=scaler, clip_norm=clip)
    history = []
    for step in range(steps):
        calls = []
        inputs, targets = batch(seed=step)

        def closure(step=step, calls=calls, inputs=inputs, targets=targets):
            loss = F.cross_entropy(model(inputs), targets)
            factor = float("inf") if (step, len(calls)) == overflow_at else 1.0
            (loss * factor if scaler is None else scaler.scale(loss) * factor).backward()
            calls.append(loss)
            return loss

        optimizer.step(closure)
        if scaler is not None:
            scaler.update()
        history.append(weights(model))
    return history


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_a_grad_scaler_changes_nothing_but_rounding(kind, fused, clip):
    plain = scaled_training(kind, 3, None, clip=clip, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
    scaled = scaled_training(kind, 3, scaler, clip=clip, fused=fused)
    for a, b in zip(plain[-1], scaled[-1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("fused", [False, True])
def test_an_overflow_in_any_pass_skips_the_step_and_halves_the_scale(kind, fused):
    for failing in range(PASSES[kind]):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
        one, two, three = scaled_training(kind, 3, scaler, overflow_at=(1, failing), fused=fused)
        assert same(two, one)
        assert not same(three, two)
        assert scaler.get_scale() == 2.0**11


def test_set_closure_scales_the_loss_itself():
    model, scaler = small(), torch.amp.GradScaler("cpu", init_scale=2.0**12)
    optimizer = around(SAM, model, scaler=scaler)
    optimizer.set_closure(F.cross_entropy, *batch())
    _, loss = optimizer.step()
    scaler.update()
    torch.testing.assert_close(loss, F.cross_entropy(small()(batch()[0]), batch()[1]))


@pytest.mark.parametrize("kind", [SAM, GAM, SAMGAM])
def test_a_compiled_model_takes_the_same_step(kind):
    plain, inner = with_norm(), with_norm()
    compiled = torch.compile(inner, backend="aot_eager")
    one, other = around(kind, plain), around(kind, compiled)
    for step in range(2):
        one.set_closure(F.cross_entropy, *batch(seed=step))
        other.set_closure(F.cross_entropy, *batch(seed=step))
        one.step()
        other.step()
    for a, b in zip(plain.state_dict().values(), inner.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b)


def test_exact_gam_on_a_compiled_model_is_refused_by_torch_with_weights_whole():
    model = small()
    compiled = torch.compile(model, backend="aot_eager")
    optimizer, before = around(ExactGAM, compiled), weights(model)
    with pytest.raises(RuntimeError, match="double backward"):
        optimizer.step(closure_of(compiled, *batch()))
    assert same(weights(model), before)


class Attention(nn.Module):
    """A layer of a vision transformer, through torch's fused attention or written out."""

    def __init__(self, fused):
        super().__init__()
        torch.manual_seed(0)
        self.inner, self.outer, self.fused = nn.Linear(6, 24), nn.Linear(8, 3), fused

    def forward(self, x):
        q, k, v = self.inner(x.view(4, 1, -1, 6)).chunk(3, -1)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q @ k.mT / 8**0.5).softmax(-1) @ v
        return self.outer(mixed).reshape(-1, 3)


@pytest.mark.parametrize("kind", ALL)
def test_fused_attention(kind):
    ends = []
    for fused in (True, False):
        model = Attention(fused)
        optimizer = around(kind, model)
        for step in range(2):
            optimizer.step(closure_of(model, *batch(seed=step)))
        ends.append(weights(model))
    for ours, expected in zip(*ends, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


# --- cost -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
def test_addresses_are_the_same_in_every_step(kind):
    model = with_norm()
    optimizer = around(kind, model)

    def addresses():
        state = [t for entry in optimizer.state.values() for t in entry.values() if t is not None]
        kept = [] if kind in (Plain, SAM) else [p.grad for p in model.parameters()]
        return [t.data_ptr() for t in [*model.parameters(), *model.buffers(), *state, *kept]]

    optimizer.step(closure_of(model, *batch()))
    before = addresses()
    for step in range(3):
        optimizer.step(closure_of(model, *batch(seed=step)))
        assert addresses() == before


@pytest.mark.parametrize("kind", ALL)
def test_gradient_evaluations_are_counted(kind):
    model = small()
    optimizer = around(kind, model)
    for _ in range(3):
        optimizer.step(closure_of(model, *batch()))
    assert optimizer.gradient_evaluations == 3 * (6 if kind is ExactGAM else PASSES[kind])
    assert type(optimizer.gradient_evaluations) is int


@pytest.mark.parametrize("kind", ALL)
def test_no_graph_and_no_batch_is_held_after_a_step(kind):
    model = small()
    optimizer = around(kind, model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inputs, targets = batch()
        optimizer.set_closure(F.cross_entropy, inputs, targets)
        optimizer.step()
    batch_alive = weakref.ref(inputs)
    del inputs
    assert batch_alive() is None
    assert all(p.grad.grad_fn is None for p in model.parameters())


@pytest.mark.parametrize("kind", ALL)
def test_no_value_leaves_the_device_within_a_step(kind):
    """On the meta device there are no values: whatever asks for one raises."""
    model = with_norm().to("meta")
    # there are no generators either, and a base that is not fused would be told whether to step
    optimizer = around(kind, model, replay_randomness=False, skip_nonfinite=False)
    inputs, targets = (t.to("meta") for t in batch())
    optimizer.step(closure_of(model, inputs, targets))


def test_a_copy_of_model_and_optimizer_steps_on_its_own():
    model = small()
    optimizer = around(GAM, model)
    optimizer.step(closure_of(model, *batch()))
    other_model, other = copy.deepcopy((model, optimizer))
    before = weights(model)
    other.step(closure_of(other_model, *batch(seed=2)))
    assert same(weights(model), before)
    optimizer.step(closure_of(model, *batch(seed=2)))
    assert same(weights(model), weights(other_model))


def test_set_closure_without_a_model_says_so():
    model = small()
    with pytest.raises(UserError, match="model=model"):
        SAM(model.parameters(), sgd(model)).set_closure(F.cross_entropy, *batch())


# --- on a GPU ---------------------------------------------------------------------------------------------

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@needs_cuda
@pytest.mark.cuda
def test_parameters_on_two_devices():
    model = small()
    model[0].cuda()
    optimizer, before = around(GAM, model, lr=0.0), weights(model)
    inputs, targets = batch()

    def closure():
        loss = F.cross_entropy(model[2](F.relu(model[0](inputs.cuda())).cpu()), targets)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert same(weights(model), before)


@needs_cuda
@pytest.mark.cuda
@pytest.mark.parametrize("kind", [SAM, GAM])
def test_a_whole_step_in_a_cuda_graph(kind):
    model, eager = with_norm().cuda(), with_norm().cuda()
    inputs, targets = (t.cuda() for t in batch())
    ours = around(kind, model, replay_randomness=False)
    other = around(kind, eager, replay_randomness=False)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            ours.step(closure_of(model, inputs, targets))
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        ours.step(closure_of(model, inputs, targets))
    for _ in range(2):
        graph.replay()
    for _ in range(5):
        other.step(closure_of(eager, inputs, targets))
    for a, b in zip(weights(model), weights(eager), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@needs_cuda
@pytest.mark.cuda
def test_dropout_on_the_gpu_is_replayed():
    masks = Masks()
    model = nn.Sequential(nn.Linear(6, 8), masks, nn.Linear(8, 3)).cuda()
    around(GAM, model).step(closure_of(model, *(t.cuda() for t in batch())))
    assert all(torch.equal(mask, masks.seen[0]) for mask in masks.seen)
