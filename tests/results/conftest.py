"""Results to read and write."""

from made_runs import random, rerun, results, suite  # noqa: F401, fixtures
