"""What the quickstart's first epochs compute, to the last bit, belongs to one numerics version.

`RECORD=write python -m pytest tests/train/test_numerics.py` records them anew, after `NUMERICS` was raised.
Bits depend on processor and torch: where these are not the recorded ones, figures are held to five digits.
"""

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch

from gam_bench.hardware import cpu_name
from gam_bench.numerics import NUMERICS
from gam_bench.suite.suite import load
from gam_bench.train.group import Group
from gam_bench.train.switches import Switches
from gam_bench.train.trainer import Trainer

RECORD = Path(__file__).parent / "first_epochs.json"
RUNS = {
    f"{run.spec.optimizer}, label noise {run.spec.label_noise:g}": run.spec
    for run in load("quickstart", [0]).runs
}


def processor():
    """Its name, and a hash of its model and abilities, by which libraries choose their kernels."""
    told = ("cpu family", "model\t", "flags")
    lines = {line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(told)}
    return f"{cpu_name()} {hashlib.sha256(''.join(sorted(lines)).encode()).hexdigest()[:12]}"


HERE = {"processor": processor(), "torch": torch.__version__, "threads": torch.get_num_threads()}


def first_epoch(spec):
    trainer = Trainer(spec, torch.device("cpu"), Group(), Switches())
    found = trainer.train_epoch(1) | trainer.evaluate()
    digest = hashlib.sha256()
    for name, tensor in sorted(trainer.model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return {"weights": digest.hexdigest(), "train_loss": found["train_loss"], "test_loss": found["test_loss"]}


@pytest.fixture(scope="module")
def recorded():
    if os.environ.get("RECORD") == "write":
        content = {"numerics": NUMERICS, "here": HERE, "runs": {n: first_epoch(s) for n, s in RUNS.items()}}
        RECORD.write_text(json.dumps(content, indent=2) + "\n")
    return json.loads(RECORD.read_text())


def test_the_record_is_of_this_version(recorded):
    assert recorded["numerics"] == NUMERICS
    assert set(recorded["runs"]) == set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_the_first_epoch_has_the_recorded_bits(recorded, name):
    found, was = first_epoch(RUNS[name]), recorded["runs"][name]
    if recorded["here"] == HERE:
        assert found == was, "other bits: raise NUMERICS, say so in CHANGELOG.md, and RECORD=write"
    for figure in ("train_loss", "test_loss"):
        assert found[figure] == pytest.approx(was[figure], rel=1e-5)


def test_the_last_bit_of_a_learning_rate_is_noticed(recorded):
    name = "gam, label noise 0.4"
    spec = RUNS[name].model_copy(update={"lr": RUNS[name].lr * (1 + 2e-7)})
    assert first_epoch(spec)["weights"] != recorded["runs"][name]["weights"]
