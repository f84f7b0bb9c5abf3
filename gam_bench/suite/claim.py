"""A claim of order, the unit of a suite's answer: one optimizer beats another in a figure."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gam_bench.errors import did_you_mean
from gam_bench.optim.catalog import OPTIMIZERS

BASE = "base"
"""As `worse`: the optimizer that takes the better one's steps, be it SGD or AdamW."""


class Claim(BaseModel):
    """`better` beats `worse` in `metric`, at equal epochs or at equal forward-backward passes.

    The primary claim is what the suite asks, and tested as it is; the others are corrected for their number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    better: str
    worse: str = BASE
    metric: str = "test_accuracy"
    at: Literal["epochs", "passes"] = "epochs"
    primary: bool = False

    @property
    def order(self) -> tuple[str, str, str, str]:
        """What makes it another claim than another."""
        return self.better, self.worse, self.metric, self.at

    def secondary(self) -> "Claim":
        return self.model_copy(update={"primary": False})


USUAL = (
    Claim(better="gam", primary=True),
    Claim(better="sam"),
    Claim(better="gam", worse="sam"),
    Claim(better="exact-gam"),
    Claim(better="gam", at="passes"),
    Claim(better="sam", at="passes"),
    Claim(better="gam", worse="sam", at="passes"),
)
"""What the papers claim: the claims of every suite that has such runs, whatever it adds."""


class Question(BaseModel):
    """What a suite file asks: the claims that it adds, its margin in points, and its seeds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    claims: list[Claim] = []
    margin: float | None = None
    seeds: list[int] = []

    def asked(self) -> list[Claim]:
        """All claims, the primary one first; the suite's own go before usual ones of the same order."""
        own = {claim.order: claim for claim in self.claims}
        primary = any(claim.primary for claim in self.claims)
        usual = [claim.secondary() if primary else claim for claim in USUAL if claim.order not in own]
        return sorted([*self.claims, *usual], key=lambda claim: not claim.primary)


def mistakes(claims: Iterable[Claim]) -> list[str]:
    """What is wrong with a suite file's claims, each with its place."""
    found, seen, primary = [], set(), 0
    for number, claim in enumerate(claims, start=1):
        for name, known in ((claim.better, list(OPTIMIZERS)), (claim.worse, [BASE, *OPTIMIZERS])):
            if name not in known:
                found.append(f"claims, entry {number}: unknown optimizer {name!r}{did_you_mean(name, known)}")
        if claim.better == claim.worse:
            found.append(f"claims, entry {number}: {claim.better!r} cannot be better than itself")
        if claim.order in seen:
            found.append(f"claims, entry {number}: {claim.better} > {claim.worse} is there twice")
        seen.add(claim.order)
        primary += claim.primary
        if claim.primary and primary == 2:
            found.append(f"claims, entry {number}: a suite has one primary claim; this is the second")
    return found
