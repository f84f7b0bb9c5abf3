"""What all tests share: one thread, and small settings of a real run."""

import os
import sys
from pathlib import Path
from typing import Any

import hypothesis
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))  # for the helpers beside the tests: made_runs

hypothesis.settings.register_profile("gam-bench", deadline=None)  # a busy machine is slow, and not wrong
hypothesis.settings.load_profile("gam-bench")

TINY: dict[str, Any] = {
    "dataset": "digits",
    "model": "cnn20k",
    "optimizer": "sgd",
    "lr": 0.05,
    "epochs": 2,
    "batch_size": 250,
    "seed": 0,
}


@pytest.fixture
def tiny() -> dict[str, Any]:
    """Flat settings of a run that takes a quarter of a second."""
    return dict(TINY)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where GAM_BENCH_REQUIRE_ALL is set (CI), a test that skips fails, unless for want of a GPU."""
    report = yield
    if report.skipped and os.environ.get("GAM_BENCH_REQUIRE_ALL") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "GPU" not in reason:
            report.outcome = "failed"
            report.longrepr = f"must not be skipped here: {reason}"
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """On several cores a file's tests stay together, and all that talk to the one SLURM do."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "slurm" if "/slurm/" in nodeid else super()._split_scope(nodeid)

    return Scheduling(config, log)


def pytest_collection_modifyitems(items):
    """SLURM's tests begin: they take longest."""
    items.sort(key=lambda item: "slurm" not in item.path.parts)
