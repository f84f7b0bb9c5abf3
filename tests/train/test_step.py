"""The trainer's step: what a CUDA graph captures and reads, resumption across launches, skipped steps."""

import copy
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from gam_bench.cli.progress import skipped
from gam_bench.store.folder import RunFolder, State
from gam_bench.suite.spec import RunSpec
from gam_bench.train import trainer as trainer_module
from gam_bench.train.group import Group
from gam_bench.train.optimizer import load_optimizer, make_optimizer
from gam_bench.train.run import train
from gam_bench.train.step import WARM_UP, EagerStep, GraphedStep
from gam_bench.train.switches import Switches
from gam_bench.train.trainer import Trainer


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


# --- CUDA graphs ------------------------------------------------------------------------------------------


class Recorder:
    """Stands in for the step as it is written, and for CUDA: it notes the sizes of batches, and when."""

    def __init__(self):
        self.capturing, self.log, self.rates, self.optimizer = False, [], [], self
        self.gradient_evaluations = 0

    def zero_grad(self, set_to_none):
        assert set_to_none

    def set_rate(self, rate):
        self.rates.append(rate)

    def step(self, images, labels):
        self.log.append(("captured" if self.capturing else "eager", len(images)))
        return images.sum(), labels.sum()

    def replay(self):
        self.log.append(("replayed", None))


@pytest.fixture
def recorder(monkeypatch):
    made = Recorder()

    @contextmanager
    def capture(graph):
        made.capturing = True
        yield
        made.capturing = False

    @contextmanager
    def nothing(*_):
        yield

    class Stream:
        def wait_stream(self, other):
            return

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", nothing)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: made)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    return made


@pytest.mark.parametrize("sizes", [[8, 3], [3, 8], [8, 8, 3]])
def test_only_a_whole_batch_is_captured_however_few_steps_an_epoch_has(recorder, sizes):
    step = GraphedStep(recorder, batch_size=8)
    for size in sizes * 6:
        step(torch.zeros(size, 2), torch.zeros(size), 0.1)
    whole = [what for what, size in recorder.log if size != 3]
    rest = [what for what, size in recorder.log if size == 3]
    assert whole == ["eager"] * WARM_UP + ["captured"] + ["replayed"] * (len(whole) - WARM_UP - 1)
    assert set(rest) == {"eager"}
    assert len(recorder.rates) == 6 * len(sizes)


def optimizer_of(settings, graph):
    torch.manual_seed(0)
    spec = RunSpec.resolve(settings)
    model = nn.Linear(6, 3)
    return model, make_optimizer(spec, model, captured=graph)


@pytest.mark.parametrize("base", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("began", [True, False])
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_resumed_run_reads_its_learning_rate_where_this_launch_keeps_it(tiny, base, began, goes_on):
    """A graph reads the tensor that it captured: a checkpoint must not put another in its place."""
    settings = tiny | {"optimizer": "gam", "base": base}
    _, saved = optimizer_of(settings, began)
    model, resumed = optimizer_of(settings, goes_on)
    EagerStep(saved, cross_entropy).set_rate(0.02)
    before = resumed.param_groups[0]["lr"]
    load_optimizer(resumed, saved.state_dict())
    group = resumed.param_groups[0]
    assert float(group["lr"]) == pytest.approx(0.02)
    assert isinstance(group["lr"], torch.Tensor) == goes_on
    if goes_on:
        assert group["lr"] is before
    assert group["fused"]
    assert group.get("capturable", goes_on and base != "sgd") == (goes_on and base != "sgd")
    if base == "sgd":
        weights = model.weight.detach().clone()
        step = EagerStep(resumed, cross_entropy)
        step(torch.ones(4, 6), torch.arange(4) % 3, 0.0)
        assert torch.equal(model.weight, weights)
        step(torch.ones(4, 6), torch.arange(4) % 3, 0.1)
        assert not torch.equal(model.weight, weights)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.cuda
@pytest.mark.parametrize("base", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("began", [True, False])
def test_on_a_gpu_a_graphed_run_that_was_interrupted_goes_on_as_a_plain_one(tmp_path, tiny, base, began):
    spec = RunSpec.resolve(tiny | {"optimizer": "gam", "base": base, "epochs": 6, "batch_size": 100})
    assert train(spec, tmp_path / "plain", device="cuda").state == State.DONE

    def stop(metrics):
        if metrics["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path / "graph", device="cuda", switches=Switches(cuda_graph=began), on_epoch=stop)
    done = train(spec, tmp_path / "graph", device="cuda", switches=Switches(cuda_graph=True))
    assert done.state == State.DONE, done.message
    plain, graph = (RunFolder.of(tmp_path / name, spec.uid).result() for name in ("plain", "graph"))
    assert graph["train_loss"] == pytest.approx(plain["train_loss"], rel=0.05)


# --- skipped steps ----------------------------------------------------------------------------------------


def with_bad_gradients(monkeypatch, bad_steps):
    """The gradients of these steps, counted over the run, are not numbers; losses are whole."""
    seen = iter(range(10_000))

    class Spoiled(Trainer):
        def _loss(self, predictions, labels):
            loss = super()._loss(predictions, labels)
            if torch.is_grad_enabled() and predictions.requires_grad and next(seen) in bad_steps:
                loss.register_hook(lambda gradient: gradient * float("nan"))
            return loss

    monkeypatch.setattr("gam_bench.train.run.Trainer", Spoiled)


def test_a_few_skipped_steps_are_recorded_and_shown(tmp_path, tiny, monkeypatch):
    with_bad_gradients(monkeypatch, {3})
    spec = RunSpec.resolve(tiny | {"batch_size": 60})
    assert train(spec, tmp_path).state == State.DONE
    folder = RunFolder.of(tmp_path, spec.uid)
    lines = folder.metrics()
    assert [line["skipped_steps"] for line in lines] == [1, 0]
    assert folder.result()["skipped_steps"] == 1
    assert [skipped(line) for line in lines] == [", 1 step skipped", ""]


def test_a_run_that_skips_too_many_steps_has_diverged(tmp_path, tiny, monkeypatch):
    with_bad_gradients(monkeypatch, {1})
    spec = RunSpec.resolve(tiny)
    outcome = train(spec, tmp_path)
    assert outcome.state == State.DIVERGED
    assert (
        "the gradients of 1 of epoch 1's 4 steps were not finite; more than 10% is too many"
        in outcome.message
    )
    assert trainer_module.SKIPPED_SHARE == 0.1


def test_a_trainer_goes_on_from_a_checkpoint_of_either_launch(tiny):
    spec = RunSpec.resolve(tiny)
    one = Trainer(spec, torch.device("cpu"), Group(), Switches())
    one.train_epoch(1)
    state = copy.deepcopy(one.state_dict())
    for group in state["optimizer"]["param_groups"]:
        group["lr"] = torch.tensor(group["lr"])  # as a graphed launch writes it
    two = Trainer(spec, torch.device("cpu"), Group(), Switches())
    two.load_state_dict(state)
    assert isinstance(two.optimizer.param_groups[0]["lr"], float)
    expected, found = one.train_epoch(2), two.train_epoch(2)
    assert found["train_loss"] == expected["train_loss"]
