"""What all tests share: one thread, and small settings of a real run."""

import os
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

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


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist looks at the groups
def pytest_collection_modifyitems(items):
    """A file's tests stay together, all that talk to the one SLURM too; those begin, as they take longest."""
    for item in items:
        group = "slurm" if "slurm" in item.path.parts else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: "slurm" not in item.path.parts)
