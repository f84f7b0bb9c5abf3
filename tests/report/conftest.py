"""Results to report on; how they are made up is in `made_runs`."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gam_bench.suite.suite import Suite

sys.path.insert(0, str(Path(__file__).parent))  # for the helpers beside the tests: made_runs, browser

from made_runs import published_runs, small_results, small_suite


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return small_suite(tmp_path)


@pytest.fixture
def results(tmp_path: Path, suite: Suite) -> Path:
    return small_results(tmp_path / "results", suite)


@pytest.fixture(scope="session")
def rerun() -> pd.DataFrame:
    """The ten-seed re-run of `runs.csv`: last epoch, basic augmentation, the radii that were meant."""
    return published_runs("basic")


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(20260101)
