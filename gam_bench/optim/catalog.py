"""What can be chosen: optimizers, the base optimizers under them, their settings. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Settings of one optimizer. A run has one optimizer, so its setting names can stay short and flat."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SharpnessSettings(Settings):
    rho_schedule: Literal["constant", "proportion"] = Field(
        "constant", description="constant, or ρ following the learning rate from its value down to rho_min"
    )
    rho_min: float = Field(0.0, ge=0, description="ρ at the lowest learning rate (proportion schedule)")


class SAMSettings(SharpnessSettings):
    rho: float = Field(0.05, ge=0, description="radius of the ascent step")
    adaptive: bool = Field(False, description="ASAM: scale the ascent by |θ|, elementwise")


class GAMSettings(SharpnessSettings):
    rho: float = Field(0.2, ge=0, description="ρ, radius of the step that raises the gradient norm")
    rho_prime: float = Field(0.02, ge=0, description="ρ', radius of the step along the gradient")
    alpha: float = Field(0.6, ge=0, le=1, description="α, weight of g1 against g3 in h+")
    beta: float = Field(0.5, ge=0, le=1, description="β, weight of g0 against g2 in h−")
    gamma: float = Field(0.03, ge=0, description="γ, how much of h⊥ is taken off h+")
    adaptive: bool = Field(False, description="scale both ascents by |θ|, elementwise, as ASAM does")
    variant: Literal["paper", "official-code"] = Field(
        "paper", description="h− = βg0 + (1−β)g2 as in Algorithm 2, or g0 + |1−β|g2 as in the released code"
    )
    rho_prime_min: float = Field(0.0, ge=0, description="as rho_min, for rho_prime")


class SAMGAMSettings(GAMSettings):
    sam_rho: float = Field(0.05, ge=0, description="radius of SAM's ascent inside each gradient")


class ExactGAMSettings(SharpnessSettings):
    rho: float = Field(0.04, ge=0, description="ρ, radius of the step that raises the gradient norm")
    alpha: float = Field(0.3, ge=0, description="α, weight of the flatness term")


class SGDSettings(Settings):
    momentum: float = Field(0.9, ge=0, lt=1, description="share of the last step that is kept")
    nesterov: bool = Field(False, description="look-ahead momentum; needs momentum > 0")


class AdamSettings(Settings):
    beta1: float = Field(0.9, ge=0, lt=1, description="decay of the first moment")
    beta2: float = Field(0.999, ge=0, lt=1, description="decay of the second moment")
    eps: float = Field(1e-8, gt=0, description="added to the denominator")


@dataclass(frozen=True)
class Base:
    """A torch optimizer that takes the step. Learning rate and weight decay belong to the run."""

    name: str
    description: str
    settings: type[Settings]


@dataclass(frozen=True)
class Optimizer:
    """`gradients`: what a step costs on average, a Hessian-vector product counted as two; a number, or a
    function of the settings where it depends on them.
    `build`: "module:class" around a base optimizer; None where the base optimizer is all there is.
    `assumed`: its rule rests on our reading of a paper, not on a published algorithm or code."""

    name: str
    description: str
    settings: type[Settings]
    gradients: float | Callable[[Any], float]
    build: str | None = None
    assumed: bool = False

    def passes(self, settings: Mapping[str, Any]) -> float:
        """Gradients that a step costs on average with these settings; those not named have their defaults."""
        return self.gradients(self.settings(**settings)) if callable(self.gradients) else self.gradients


BASES = {
    base.name: base
    for base in (
        Base("sgd", "stochastic gradient descent with momentum", SGDSettings),
        Base("adam", "Adam, weight decay added to the gradient", AdamSettings),
        Base("adamw", "Adam with decoupled weight decay", AdamSettings),
    )
}

OPTIMIZERS = {
    optimizer.name: optimizer
    for optimizer in (
        Optimizer("sgd", "the base optimizer SGD alone", Settings, gradients=1),
        Optimizer("adam", "the base optimizer Adam alone", Settings, gradients=1),
        Optimizer("adamw", "the base optimizer AdamW alone", Settings, gradients=1),
        Optimizer(
            "sam",
            "sharpness-aware minimisation (Foret et al. 2021); adaptive: ASAM (Kwon et al. 2021)",
            SAMSettings,
            gradients=2,
            build="gam_bench.optim.sam:SAM",
        ),
        Optimizer(
            "gam",
            "gradient norm aware minimisation, accelerated (Zhang et al. 2023, Algorithm 2)",
            GAMSettings,
            gradients=4,
            build="gam_bench.optim.gam:GAM",
        ),
        Optimizer(
            "exact-gam",
            "gradient norm aware minimisation by Hessian-vector products (Zhang et al. 2023, Algorithm 1)",
            ExactGAMSettings,
            gradients=6,
            build="gam_bench.optim.exact_gam:ExactGAM",
        ),
        Optimizer(
            "sam+gam",
            "GAM with SAM's gradient in place of the loss gradient (our reading of the pair the paper names)",
            SAMGAMSettings,
            gradients=8,
            build="gam_bench.optim.gam:SAMGAM",
            assumed=True,
        ),
    )
}
