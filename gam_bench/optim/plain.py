"""The base optimizer alone."""

from gam_bench.optim.catalog import Settings
from gam_bench.optim.passes import Passes
from gam_bench.optim.protocol import SharpnessAware


class Plain(SharpnessAware):
    """The base optimizer's own step, g(θ), under the same protocol as the others. One gradient a step."""

    settings = Settings

    def direction(self, passes: Passes) -> None:
        passes.last_gradient()
