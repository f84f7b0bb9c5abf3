"""Results to report on."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the browser beside the tests

from made_runs import random, rerun, results, suite  # noqa: F401, fixtures
