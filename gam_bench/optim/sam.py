"""SAM and ASAM."""

from gam_bench.optim.catalog import SAMSettings
from gam_bench.optim.passes import Passes, ascent
from gam_bench.optim.protocol import SharpnessAware


class SAM(SharpnessAware):
    """Sharpness-aware minimisation (Foret et al., ICLR 2021, equations 2 and 3): step with g(θ + ρ g/‖g‖).

    rho=0.05: may differ between parameter groups.
    adaptive=False: True is ASAM (Kwon et al., ICML 2021): step with g(θ + ρ θ²g/‖|θ|g‖).
    Two gradients a step. Other arguments: see SharpnessAware.
    """

    settings = SAMSettings
    common = ("adaptive", "rho_schedule")

    def direction(self, passes: Passes) -> None:
        g = passes.gradient()
        weights = passes.theta if self.setting("adaptive") else None
        passes.last_gradient(ascent(g, self.setting("rho"), weights))
