"""Surfaces that are known in closed form are in `known`, beside the tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
