"""DistributedDataParallel over two real gloo processes, against one process.

The two workers run this file as a script, go through all scenarios, and save what they ended with.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from gam_bench.errors import UserError
from gam_bench.optim import GAM, SAM, SAMGAM, ExactGAM, Plain

torch.set_num_threads(1)
KINDS = {kind.__name__: kind for kind in (Plain, SAM, GAM, SAMGAM, ExactGAM)}
STEPS, SHARD = 3, 8


def network(norm=False, dtype=torch.float64):
    torch.manual_seed(0)
    middle = [nn.BatchNorm1d(8)] if norm else []
    return nn.Sequential(nn.Linear(6, 8), *middle, nn.Tanh(), nn.Linear(8, 3)).to(dtype)


def batch(step, dtype=torch.float64):
    generator = torch.Generator().manual_seed(step)
    return torch.randn(2 * SHARD, 6, generator=generator).to(dtype), torch.arange(2 * SHARD) % 3


def flat(model):
    return torch.cat([p.detach().reshape(-1) for p in model.parameters()])


def step_on(optimizer, model, inputs, targets):
    def closure():
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        return loss

    return optimizer.step(closure)


# --- in the workers ---------------------------------------------------------------------------------------


def train(rank, kind, steps=STEPS, norm=False, dtype=torch.float64, wrap=None, compiled=False, **options):
    """Weights after some steps, gradient buckets that DDP reduced, and the model."""
    bare = network(norm, dtype)
    model = DistributedDataParallel(bare, **(wrap or {}))
    buckets = []

    def counting(_, bucket):
        buckets.append(bucket.index())
        return (
            dist.all_reduce(bucket.buffer().div_(2), async_op=True).get_future().then(lambda f: f.value()[0])
        )

    model.register_comm_hook(None, counting)
    called = torch.compile(model, backend="eager") if compiled else model
    base = torch.optim.SGD(bare.parameters(), lr=0.1, momentum=0.9)
    optimizer = KINDS[kind](bare.parameters(), base, model=called, **options)
    for step in range(steps):
        inputs, targets = batch(step, dtype)
        mine = slice(rank * SHARD, (rank + 1) * SHARD)
        if "micro_batch" in options:
            optimizer.set_closure(F.cross_entropy, inputs[mine], targets[mine])
            optimizer.step()
        else:
            step_on(optimizer, called, inputs[mine], targets[mine])
    return {"weights": flat(bare), "buckets": len(buckets), "buffers": list(bare.buffers())}


class OneSided(nn.Module):
    """Rank 1 does not use `second`."""

    def __init__(self, rank):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.rank = nn.Linear(6, 3), nn.Linear(6, 3), rank

    def forward(self, x):
        return self.first(x) + (self.second(x) if self.rank == 0 else 0.0)


def train_one_sided(rank, kind):
    bare = OneSided(rank).double()
    model = DistributedDataParallel(bare, find_unused_parameters=True)
    base = torch.optim.SGD(bare.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    optimizer = KINDS[kind](bare.parameters(), base, model=model)
    before = flat(bare.second)
    for step in range(STEPS):
        step_on(optimizer, model, *batch(step))
    return {"weights": flat(bare), "moved": not torch.equal(before, flat(bare.second))}


def refusals():
    """What is said where DDP is around the parameters and not around the model that the optimizer gets."""
    bare, said = network(), []
    early = GAM(bare.parameters(), torch.optim.SGD(bare.parameters(), lr=0.1), model=bare)
    ddp = DistributedDataParallel(bare)
    for kind, given in (("GAM", bare), ("ExactGAM", None)):
        try:
            KINDS[kind](bare.parameters(), torch.optim.SGD(bare.parameters(), lr=0.1), model=given)
        except UserError as error:
            said.append(str(error))
    early.set_closure(F.cross_entropy, *batch(0))
    try:
        early.step()
    except UserError as error:
        said.append(str(error))
    KINDS["GAM"](bare.parameters(), torch.optim.SGD(bare.parameters(), lr=0.1), model=ddp)
    return said


def work(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    ends = {}
    for kind in KINDS:
        for perturbation in ("local", "global"):
            ends[kind, perturbation] = train(rank, kind, perturbation=perturbation)
        ends[kind, "long"] = train(rank, kind, steps=60, norm=True, dtype=torch.float32)
        ends[kind, "one-sided"] = train_one_sided(rank, kind)
        ends[kind, "micro"] = train(rank, kind, micro_batch=SHARD // 2)
        ends[kind, "views"] = train(rank, kind, wrap={"gradient_as_bucket_view": True})
    ends["GAM", "compiled"] = train(rank, "GAM", compiled=True)
    ends["GAM", "bare"] = refusals()
    alone = network()  # a process group, and a model that has nothing to do with it
    base = torch.optim.SGD(alone.parameters(), lr=0.1, momentum=0.9)
    optimizer = GAM(alone.parameters(), base, model=alone)
    for step in range(STEPS):
        step_on(optimizer, alone, *batch(step))
    ends["GAM", "no DDP"] = {"weights": flat(alone)}
    torch.save(ends, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


# --- in the test process ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """What both workers ended with: [rank][kind, scenario]."""
    folder = tmp_path_factory.mktemp("ddp")
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(folder)],
            cwd=Path(__file__).parents[2],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        for process in processes:
            _, errors = process.communicate(timeout=240)
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            process.kill()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def one_process(kind, pieces):
    """The step by definition: directions of the pieces of the batch, each alone, averaged; then SGD."""
    theta, momentum = flat(network()), 0.0
    for step in range(STEPS):
        inputs, targets = batch(step)
        directions = []
        for x, y in zip(inputs.chunk(pieces), targets.chunk(pieces), strict=True):
            model = network()
            nn.utils.vector_to_parameters(theta.clone(), model.parameters())  # it makes views
            optimizer = kind(model.parameters(), torch.optim.SGD(model.parameters(), lr=1.0))
            step_on(optimizer, model, x, y)
            directions.append(theta - flat(model))
        momentum = 0.9 * momentum + sum(directions) / pieces
        theta = theta - 0.1 * momentum
    return theta


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scenario", "pieces"), [("local", 2), ("global", 1), ("micro", 4), ("views", 2)])
def test_two_workers_take_the_step_of_one_process(workers, kind, scenario, pieces):
    expected = one_process(KINDS[kind], pieces)
    for ends in workers:
        torch.testing.assert_close(ends[kind, scenario]["weights"], expected, rtol=1e-10, atol=1e-12)


def test_a_compiled_ddp_model(workers):
    for ends in workers:
        torch.testing.assert_close(ends["GAM", "compiled"]["weights"], ends["GAM", "local"]["weights"])


def test_local_and_global_differ(workers):
    for kind in ("SAM", "GAM", "SAMGAM", "ExactGAM"):
        local, whole = (workers[0][kind, p]["weights"] for p in ("local", "global"))
        assert (local - whole).norm() > 1e-6 * whole.norm()


@pytest.mark.parametrize("kind", KINDS)
def test_replicas_stay_bit_equal(workers, kind):
    one, other = (ends[kind, "long"] for ends in workers)
    assert torch.equal(one["weights"], other["weights"])
    assert one["buffers"][2] == 60  # batches tracked: one a step


@pytest.mark.parametrize(
    ("kind", "local", "whole"),
    [("Plain", 1, 1), ("SAM", 1, 2), ("GAM", 0, 4), ("SAMGAM", 0, 8), ("ExactGAM", 0, 0)],
)
def test_passes_before_the_last_are_not_synchronised_when_local(workers, kind, local, whole):
    """DDP reduces one bucket a synchronised pass; GAM averages its one final vector itself."""
    assert workers[0][kind, "local"]["buckets"] == local * STEPS
    assert workers[0][kind, "global"]["buckets"] == whole * STEPS
    assert workers[0][kind, "micro"]["buckets"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_missing_on_one_worker_neither_hangs_nor_parts_the_replicas(workers, kind):
    one, other = (ends[kind, "one-sided"] for ends in workers)
    assert torch.equal(one["weights"], other["weights"])
    assert one["moved"]


def test_a_process_group_without_ddp_changes_nothing(workers):
    for ends in workers:
        torch.testing.assert_close(
            ends["GAM", "no DDP"]["weights"], one_process(GAM, 1), rtol=1e-10, atol=1e-12
        )


def test_the_bare_model_under_ddp_is_refused_when_made_or_before_the_first_pass(workers):
    """It would let the replicas drift apart."""
    for ends in workers:
        said = ends["GAM", "bare"]
        assert len(said) == 3
        assert all(line.startswith("DistributedDataParallel holds these parameters") for line in said)


if __name__ == "__main__":
    work(int(sys.argv[1]), sys.argv[2])
