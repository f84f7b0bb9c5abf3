"""Results to compare."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the simulation beside the tests

from made_runs import random, rerun, results, suite  # noqa: F401, fixtures
