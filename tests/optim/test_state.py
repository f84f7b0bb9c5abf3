"""Methods that keep something from step to step, and steps that are not taken."""

import copy
import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gam_bench.errors import UserError
from gam_bench.optim import GAM, SAM, SAMGAM, ExactGAM, Plain, SharpnessAware
from gam_bench.optim.catalog import SAMSettings
from gam_bench.optim.passes import ascent

torch.set_num_threads(1)
ALL = [Plain, SAM, GAM, SAMGAM, ExactGAM]
PASSES = {Plain: 1, SAM: 2, GAM: 4, SAMGAM: 8, ExactGAM: 2}  # calls of the closure


class Averaging(SharpnessAware):
    """Climbs along a moving average of gradients, in the step's only pass."""

    settings = SAMSettings
    common = ("adaptive", "rho_schedule")

    def direction(self, passes):
        average = self.memory.get("average")
        steps = [] if average is None else [ascent(average, self.setting("rho"))]
        g = passes.gradient(*steps).clone()
        passes.note("gradient", g)
        return g

    def remember(self, noted):
        average = self.memory.get("average", torch.zeros_like(noted["gradient"]))
        self.memory["average"] = 0.9 * average + 0.1 * noted["gradient"]


def network(dtype=torch.float64):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)


def batch(seed, model):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(12, 6, generator=generator).to(model[0].weight.dtype), torch.arange(12) % 3


def around(kind, model, lr=0.1, **more):
    return kind(model.parameters(), torch.optim.SGD(model.parameters(), lr=lr), model=model, **more)


def advance(optimizer, model, steps):
    for seed in steps:
        optimizer.set_closure(F.cross_entropy, *batch(seed, model))
        optimizer.step()


def flat(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def by_hand(steps, pieces=1, rho=0.05):
    """The method by its definition, on flat vectors."""
    model, average = network(), None
    for seed in steps:
        theta, total = flat(model), 0.0
        inputs, targets = batch(seed, model)
        for x, y in zip(inputs.chunk(pieces), targets.chunk(pieces), strict=True):
            if average is not None:
                nn.utils.vector_to_parameters(theta + rho * average / average.norm(), model.parameters())
            loss = F.cross_entropy(model(x), y)
            total += nn.utils.parameters_to_vector(torch.autograd.grad(loss, [*model.parameters()])) / pieces
        average = (0.0 if average is None else 0.9 * average) + 0.1 * total
        nn.utils.vector_to_parameters(theta - 0.1 * total, model.parameters())
    return flat(model), average


# --- memory -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [1, 3])
def test_a_method_with_state_is_its_definition(pieces):
    """Its state moves once a step however many parts a batch has, and its first pass may be perturbed."""
    model = network()
    optimizer = around(Averaging, model, micro_batch=None if pieces == 1 else 4)
    advance(optimizer, model, range(5))
    expected, average = by_hand(range(5), pieces)
    torch.testing.assert_close(flat(model), expected, rtol=1e-11, atol=1e-13)
    torch.testing.assert_close(optimizer.memory["average"], average, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", [Averaging, *ALL])
def test_directions_and_state_are_in_the_losss_units_under_a_scaler(kind):
    ends = []
    for scale in (None, 2.0**12, 2.0**3):
        model = network()
        scaler = None if scale is None else torch.amp.GradScaler("cpu", init_scale=scale)
        optimizer = around(kind, model, scaler=scaler)
        for seed in range(3):
            advance(optimizer, model, [seed])
            if scaler is not None:
                scaler.update()
        ends.append((flat(model), *optimizer.memory.values()))
    for scaled in ends[1:]:
        for a, b in zip(ends[0], scaled, strict=True):
            torch.testing.assert_close(b, a, rtol=1e-12, atol=1e-14)


def test_state_survives_a_restart_a_copy_and_a_change_of_the_model():
    straight = network()
    advance(around(Averaging, straight), straight, range(6))
    model = network()
    optimizer = around(Averaging, model)
    advance(optimizer, model, range(3))
    file = io.BytesIO()
    torch.save([model.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    resumed_model = network()
    resumed = around(Averaging, resumed_model)
    weights, state = torch.load(file, weights_only=True)
    resumed_model.load_state_dict(weights)
    resumed.load_state_dict(state)
    copied_model, copied = copy.deepcopy((model, optimizer))
    changed_model, changed = copy.deepcopy((model, optimizer))
    changed_model.load_state_dict(copy.deepcopy(changed_model.state_dict()), assign=True)
    for one, of in ((resumed, resumed_model), (copied, copied_model), (changed, changed_model)):
        advance(one, of, range(3, 6))
        assert torch.equal(flat(of), flat(straight))


def test_state_of_an_added_parameter_begins_with_zeros():
    model = network()
    params = [model[2].weight, model[2].bias]
    optimizer = Averaging(params, torch.optim.SGD(params, lr=0.1), model=model)
    advance(optimizer, model, [0])
    before = optimizer.memory["average"].clone()
    optimizer.add_param_group({"params": model[0].parameters()})
    advance(optimizer, model, [1])
    n = before.numel()
    assert optimizer.memory["average"].numel() == n + 56
    model[0].zero_grad()
    assert not torch.equal(optimizer.memory["average"][:n], before)


def test_no_memory_means_torchs_own_state_dict():
    model = network()
    optimizer = around(GAM, model)
    advance(optimizer, model, [0])
    assert set(optimizer.state_dict()) == {"state", "param_groups"}


# --- the first pass ---------------------------------------------------------------------------------------


class Looking(SharpnessAware):
    """Evaluates at the points it is told, which are multiples of a vector of ones."""

    settings = SAMSettings
    points = (1.0,)

    def direction(self, passes):
        ones = torch.ones_like(passes.theta)
        for point in self.points:
            passes.gradient(*[ascent(ones, point)] if point else [])
        return passes.gradient(*[ascent(ones, point)] if point else []).clone()


@pytest.mark.parametrize(
    ("points", "valued"), [((1.0,), 0), ((1.0, 0.0), 1), ((0.0, 1.0), 0), ((0.0, 0.0), 0)]
)
def test_a_step_given_to_the_first_pass_is_taken_and_the_value_is_the_one_at_the_weights(points, valued):
    model = network()
    optimizer, before, seen = around(Looking, model, lr=0.0), flat(model), []
    optimizer.points = points
    inputs, targets = batch(0, model)

    def closure():
        seen.append(flat(model))
        F.cross_entropy(model(inputs), targets).backward()
        return len(seen) - 1

    assert optimizer.step(closure) == valued
    for point, theta in zip((*points, points[-1]), seen, strict=True):
        torch.testing.assert_close(theta, before + point / before.numel() ** 0.5)
    assert torch.equal(flat(model), before)


# --- gradients that are not finite ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_step_with_a_gradient_that_is_not_finite_is_skipped_and_counted(kind, fused, bad):
    for failing in range(PASSES[kind]):
        model, calls = network(torch.float32), []
        base = torch.optim.AdamW(model.parameters(), lr=0.1, fused=fused)
        optimizer = kind(model.parameters(), base, model=model, clip_norm=1.0)
        advance(optimizer, model, [0])
        before, state = flat(model), copy.deepcopy(base.state_dict())
        inputs, targets = batch(1, model)

        def closure(model=model, inputs=inputs, targets=targets, calls=calls, failing=failing):
            loss = F.cross_entropy(model(inputs), targets)
            (loss * (bad if len(calls) == failing else 1.0)).backward()
            calls.append(loss)
            return loss

        assert optimizer.step(closure).isfinite()
        assert torch.equal(flat(model), before)
        for old, new in zip(state["state"].values(), base.state_dict()["state"].values(), strict=True):
            assert all(torch.equal(old[name], new[name]) for name in old)
        assert (optimizer.skipped_steps, optimizer.step_was_skipped) == (1, True)
        advance(optimizer, model, [2])
        assert (optimizer.skipped_steps, optimizer.step_was_skipped) == (1, False)
        assert not torch.equal(flat(model), before)


def test_skipping_can_be_switched_off_and_memory_takes_no_nan():
    model = network()
    optimizer = around(Averaging, model, skip_nonfinite=False)
    advance(optimizer, model, [0])
    before = optimizer.memory["average"].clone()
    inputs, targets = batch(1, model)
    optimizer.set_closure(F.cross_entropy, inputs * float("nan"), targets)
    optimizer.step()
    assert flat(model).isnan().all()
    assert torch.equal(optimizer.memory["average"], before)
    assert optimizer.skipped_steps == 0


def test_a_fused_base_on_a_device_is_told_and_nothing_is_read():
    """What a GPU gets, on the CPU's fused SGD: the flag that a GradScaler would set.

    But not before there is momentum: torch would make it and, skipping, leave it without values.
    """
    from gam_bench.optim.finite import Skips

    class Elsewhere(torch.Tensor):
        @property
        def device(self):
            return torch.device("cuda")

    model = network(torch.float32)
    base = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, fused=True)
    skips = Skips()
    for value, moves in ((float("nan"), False), (1.0, True), (float("inf"), False)):
        for p in model.parameters():
            p.grad = torch.ones_like(p)
        before = flat(model)
        skips.step(base, torch.tensor(value).as_subclass(Elsewhere))
        assert torch.equal(flat(model), before) != moves
        assert skips.last != moves
    assert skips.count == 2
    assert not hasattr(base, "found_inf")


# --- predictions of any shape -----------------------------------------------------------------------------


class Answers(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(6, 3).double()

    def forward(self, x):
        logits = self.layer(x)
        return {"logits": logits, "parts": (logits[:, :1], [logits[:, 1:]]), "name": "a linear layer"}


@pytest.mark.parametrize("micro_batch", [None, 4])
def test_predictions_in_a_dictionary_leave_their_graph_and_come_back_whole(micro_batch):
    model = Answers()
    optimizer = around(SAM, model, micro_batch=micro_batch)
    inputs, targets = batch(0, [model.layer])
    expected = model.layer(inputs).detach()
    optimizer.set_closure(lambda found, y: F.cross_entropy(found["logits"], y), inputs, targets)
    predictions, loss = optimizer.step()
    assert predictions["name"] == "a linear layer"
    one, (two,) = predictions["parts"]
    torch.testing.assert_close(predictions["logits"], expected)
    torch.testing.assert_close(torch.cat([one, two], 1), expected)
    assert not any(t.requires_grad for t in (predictions["logits"], one, two, loss))


# --- what is refused, when made ---------------------------------------------------------------------------


def test_sparse_gradients_are_refused_with_a_model_when_made_else_in_the_first_pass():
    model = nn.Embedding(5, 3, sparse=True)
    with pytest.raises(UserError, match=r"^sparse gradients are not supported: make Embedding\(5, 3, sparse"):
        around(SAM, model)
    for kind in (Plain, SAM, GAM):
        optimizer = kind(model.parameters(), torch.optim.SGD(model.parameters(), lr=0.1))
        with pytest.raises(UserError, match="sparse gradients are not supported"):
            optimizer.step(lambda: model(torch.tensor([1, 2])).sum().backward())


@pytest.fixture
def alone_in_a_group(tmp_path):
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    yield dist.device_mesh.init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def test_parameters_in_shards_are_refused_when_made(alone_in_a_group):
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import distribute_tensor

    model = network()
    model[0].weight = nn.Parameter(distribute_tensor(model[0].weight.detach(), alone_in_a_group))
    with pytest.raises(UserError, match=r"^FSDP and DTensor parameters are not supported"):
        around(SAM, model)
    model = fully_shard(network(), mesh=alone_in_a_group)
    with pytest.raises(UserError, match=r"^FSDP and DTensor parameters are not supported"):
        around(GAM, model)
    around(GAM, network())
