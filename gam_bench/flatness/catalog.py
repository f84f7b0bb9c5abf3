"""The named measurements, one entry each. Imports no torch."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

VERSION = 1
"""Of what the figures mean. Raised whenever equal settings would give other figures."""


@dataclass(frozen=True)
class Measurement:
    """What is measured, on how many examples, and how precisely. Frozen: its `hash` stands for it.

    examples: training examples, fewer where there are not so many; the same for all optimizers compared.
    smoothing: cross-entropy with this label smoothing over the K−1 wrong classes in place of the run's own
        loss.
    steps, tolerance: Hessian products for the eigenvalues, at most, and the relative error that ends them.
    top, smallest: how many of the largest eigenvalues, and whether the smallest.
    probes: products for the trace. density_runs × density_steps: for the spectral density.
    balls: (scale, ρ) of each ball in which R⁰ρ and R¹ρ are searched; `ascents` steps from each of the
        gradient, the first eigenvector and `random_starts` random directions.
    line, plane: points of the loss slices from −1 to 1, in filter-normalised units; odd, so that 0 is one.
    """

    name: str
    description: str
    examples: int
    smoothing: float | None = None
    steps: int = 12
    tolerance: float = 2e-3
    top: int = 1
    smallest: bool = False
    probes: int = 0
    density_runs: int = 0
    density_steps: int = 0
    balls: tuple[tuple[str, float], ...] = ()
    ascents: int = 0
    random_starts: int = 0
    line: int = 0
    plane: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """All that can change a figure, as JSON has it."""
        values = asdict(self)
        del values["name"], values["description"]
        return values | {"balls": [list(ball) for ball in self.balls], "version": VERSION}

    @property
    def hash(self) -> str:
        """8 hexadecimal digits of the settings."""
        text = json.dumps(self.settings, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:8]


MEASUREMENTS = {
    measurement.name: measurement
    for measurement in (
        Measurement(
            "quick",
            "λmax, trace and gradient norm on 256 training examples",
            examples=256,
            probes=3,
        ),
        Measurement(
            "full",
            "the spectrum, R⁰ and R¹ in balls, and loss slices, on 4,096 training examples",
            examples=4096,
            steps=50,
            tolerance=1e-3,
            top=5,
            smallest=True,
            probes=10,
            density_runs=3,
            density_steps=20,
            balls=tuple(
                (scale, rho)
                for scale, radii in {
                    "plain": (0.05, 0.2),
                    "element": (0.5, 1.0),
                    "filter": (0.05, 0.2),
                }.items()
                for rho in radii
            ),
            ascents=8,
            random_starts=1,
            line=25,
            plane=11,
        ),
        Measurement(
            "rerun",
            "as the independent re-run did: λmax, λmin and gradient norm on one training batch of 128",
            examples=128,
            smoothing=0.1,
            steps=40,
            tolerance=1e-3,
            smallest=True,
        ),
    )
}
