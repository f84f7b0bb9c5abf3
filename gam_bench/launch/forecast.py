"""What runs will cost, from the records of runs like them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from gam_bench.data.catalog import DATASETS
from gam_bench.optim.catalog import OPTIMIZERS
from gam_bench.store.scan import Standing
from gam_bench.suite.spec import RunSpec

Kind = tuple[Any, ...]


def passes(spec: RunSpec) -> float:
    """Forward-backward passes over one image that a whole run takes."""
    images = DATASETS[spec.dataset].train_size * (1 - spec.validation)
    return OPTIMIZERS[spec.optimizer].passes * spec.epochs * math.ceil(images)


@dataclass(frozen=True)
class Forecast:
    """Seconds for one image's forward-backward pass, by kind of run."""

    rates: dict[Kind, float]

    @classmethod
    def from_records(cls, standings: Iterable[Standing]) -> "Forecast":
        """The median rate of the finished runs of each kind: whole seconds over passes."""
        seen: dict[Kind, list[float]] = {}
        for standing in standings:
            if standing.result and standing.result.get("total_seconds"):
                rate = standing.result["total_seconds"] / passes(standing.run.spec)
                seen.setdefault(_kind(standing.run.spec), []).append(rate)
        return cls({kind: median(rates) for kind, rates in seen.items()})

    def seconds(self, standing: Standing) -> float | None:
        """Seconds that are left of a run, on the records' hardware; None when nothing like it has run."""
        spec = standing.run.spec
        rate = self.rates.get(_kind(spec))
        if rate is None:
            return None
        return rate * passes(spec) * (1 - standing.epoch / spec.epochs)


def _kind(spec: RunSpec) -> Kind:
    """What one pass over one image costs depends on."""
    return spec.model, spec.dataset, spec.image_size, spec.batch_size, spec.precision
