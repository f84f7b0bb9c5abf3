"""What the queue and its workers tell each other, pickled through a pipe."""

from dataclasses import dataclass
from typing import Any

from gam_bench.store.folder import State
from gam_bench.suite.spec import RunSpec


@dataclass(frozen=True)
class Order:
    """To a worker: train this run. None instead of an order: end."""

    spec: RunSpec
    retry: bool
    forecast_seconds: float | None


@dataclass(frozen=True)
class Ready:
    """From a worker, once: it is set up."""


@dataclass(frozen=True)
class Epoch:
    """From a worker: a run has finished an epoch."""

    uid: str
    metrics: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """From a worker: how a run ended; `message` is the first line of its error, empty when it is done."""

    uid: str
    state: State
    message: str
