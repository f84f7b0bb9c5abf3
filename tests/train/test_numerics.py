"""What the quickstart's first epochs compute, to the last bit, belongs to one numerics version.

`RECORD=write python -m pytest tests/train/test_numerics.py` records them anew, after `NUMERICS` was raised. Bits
depend on the processor and on torch: where these are not the recorded ones, figures are held to five digits.
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
HERE = {"cpu": cpu_name(), "torch": torch.__version__, "capability": torch.backends.cpu.get_cpu_capability()}


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


def test_another_order_of_one_sum_has_other_bits(recorded, monkeypatch):
    """The record notices what no accuracy would."""
    name = "gam, label noise 0.4"
    monkeypatch.setattr("gam_bench.optim.passes.TINY", 1e-9)
    assert first_epoch(RUNS[name])["weights"] != recorded["runs"][name]["weights"]
