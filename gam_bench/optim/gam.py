"""Accelerated GAM, and SAM + GAM."""

from typing import ClassVar

import torch
from torch import Tensor

from gam_bench.optim.catalog import GAMSettings, SAMGAMSettings, Settings
from gam_bench.optim.flat import Step
from gam_bench.optim.passes import TINY, Passes, ascent
from gam_bench.optim.protocol import SharpnessAware


class GAM(SharpnessAware):
    """Gradient norm aware minimisation (Zhang et al., CVPR 2023, Algorithm 2): step with h+ − γ h⊥, where

        g0 = g(θ)                                g1 = g(θ + ρ' g0/‖g0‖)
        θ2 = θ + ρ (g1 − g0)/‖g1 − g0‖           g2 = g(θ2)
                                                 g3 = g(θ2 + ρ' g2/‖g2‖)
        h+ = α g1 + (1−α) g3                     h− = β g0 + (1−β) g2
        h⊥ = h− − (⟨h−,h+⟩/‖h+‖²) h+

    rho=0.2, rho_prime=0.02, alpha=0.6, beta=0.5, gamma=0.03: the radii may differ between parameter groups.
        The defaults are the released code's for ResNets on CIFAR-100, which calls them grad_norm_rho,
        grad_rho, grad_beta_1, grad_beta_0 and grad_gamma.
    adaptive=False: True makes each ascent along v, from weights w, ρ w²v/‖|w|v‖, as ASAM does.
    variant="paper": "official-code" has h− = g0 + |1−β| g2, as the authors' released code does.
    Four gradients a step. Other arguments: see SharpnessAware.
    """

    settings: ClassVar[type[Settings]] = GAMSettings
    tiny = TINY
    common = ("alpha", "beta", "gamma", "adaptive", "variant", "rho_schedule")

    def direction(self, passes: Passes) -> Tensor:
        rho, rho_prime = self.setting("rho"), self.setting("rho_prime")
        gamma = self.setting("gamma")

        g0 = self.gradient(passes, keep=True)
        g1 = self.gradient(passes, self.ascent(passes, g0, rho_prime), keep=True)
        h0 = self.ascent(passes, torch.sub(g1, g0, out=passes.room()), rho)
        g2 = self.gradient(passes, h0, keep=True)
        e2 = self.ascent(passes, g2, rho_prime, h0)
        minus = self.minus(g0, g2)
        g3 = self.gradient(passes, h0, e2)
        plus = self.plus(g1, g3)
        passes.restore()
        along = self.along(minus, plus)
        # h+ − γ h⊥ = h+ − γ h− + γ ⟨h−,h+⟩/‖h+‖² h+
        return torch.sub(plus, minus, alpha=gamma, out=passes.flat.buffer).addcmul_(plus, along, value=gamma)

    def plus(self, g1: Tensor, g3: Tensor) -> Tensor:
        """h+, in g1's place."""
        return torch.lerp(g3, g1, self.setting("alpha"), out=g1)

    def minus(self, g0: Tensor, g2: Tensor) -> Tensor:
        """h−, in g0's place."""
        beta = self.setting("beta")
        if self.setting("variant") == "paper":
            return torch.lerp(g2, g0, beta, out=g0)  # β g0 + (1−β) g2
        return g0.add_(g2, alpha=abs(1 - beta))

    def along(self, minus: Tensor, plus: Tensor) -> Tensor:
        """How much of h+ is in h−: ⟨h−,h+⟩/‖h+‖²."""
        return minus.dot(plus) / plus.dot(plus).clamp_(min=TINY**2)

    def gradient(self, passes: Passes, *steps: Step, keep: bool = False) -> Tensor:
        """g, the loss's, at θ plus the steps; in the work buffer, or in a vector of its own."""
        return passes.gradient(*steps, keep=keep)

    def ascent(self, passes: Passes, vector: Tensor, radius: float | Tensor, *start: Step) -> Step:
        """The step along a vector from θ plus the steps of `start`."""
        if not self.setting("adaptive"):
            return ascent(vector, radius, tiny=self.tiny)
        weights = passes.theta
        for step in start:
            weights = torch.addcdiv(weights, step.vector, step.norm, value=step.radius)
        return ascent(vector, radius, weights, self.tiny)


class SAMGAM(GAM):
    """SAM + GAM: Algorithm 2 with SAM's gradient, g(φ + ρs g(φ)/‖g(φ)‖), wherever it takes the gradient at φ.

    The paper says that GAM helps SAM, but no code for the pair was published. This is our reading of it
    (`assumed` in the catalogue): the loss that GAM lowers and flattens is SAM's.
    sam_rho=0.05: ρs; zero gives GAM. Eight gradients a step. Other arguments: see GAM.
    """

    settings = SAMGAMSettings

    def gradient(self, passes: Passes, *steps: Step, keep: bool = False) -> Tensor:
        """g, of SAM's loss, at θ plus the steps."""
        g = passes.gradient(*steps)
        return passes.gradient(self.ascent(passes, g, self.setting("sam_rho"), *steps), *steps, keep=keep)
