"""What runs will cost, from the records of runs like them, else from a calibration."""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from gam_bench.data.catalog import DATASETS
from gam_bench.errors import UserError
from gam_bench.launch.place import Place
from gam_bench.optim.catalog import OPTIMIZERS
from gam_bench.store.scan import Standing
from gam_bench.suite.spec import RunSpec

Kind = tuple[Any, ...]


def passes(spec: RunSpec) -> float:
    """Forward-backward passes over one image that a whole run takes."""
    images = DATASETS[spec.dataset].train_size * (1 - spec.validation)
    return OPTIMIZERS[spec.optimizer].passes * spec.epochs * images


@dataclass(frozen=True)
class Forecast:
    """Seconds for one image's forward-backward pass, by kind of run."""

    rates: dict[Kind, float]

    @classmethod
    def from_records(
        cls, standings: Iterable[Standing], results: Path, device_name: str | None = None
    ) -> "Forecast":
        """The median rate of the finished runs of each kind, else its newest calibration.

        With `device_name`, only what was measured on such hardware.
        """
        seen: dict[Kind, list[float]] = {}
        for standing in standings:
            result = standing.result
            if not result or not result.get("total_seconds"):
                continue
            if device_name is None or result.get("device_name") == device_name:
                rate = result["total_seconds"] / passes(standing.run.spec)
                seen.setdefault(kind(standing.run.spec), []).append(rate)
        for calibration in _calibrations(results):
            if device_name is None or calibration["device_name"] == device_name:
                seen.setdefault(tuple(calibration["kind"]), [calibration["rate"]])
        return cls({found: median(rates) for found, rates in seen.items()})

    def seconds(self, standing: Standing) -> float | None:
        """Seconds that are left of a run, on the records' hardware; None when nothing like it has run."""
        spec = standing.run.spec
        rate = self.rates.get(kind(spec))
        if rate is None:
            return None
        return rate * passes(spec) * (1 - standing.epoch / spec.epochs)


def kind(spec: RunSpec) -> Kind:
    """What one pass over one image costs depends on."""
    return spec.model, spec.dataset, spec.image_size, spec.batch_size, spec.precision


def calibrate(standings: Sequence[Standing], results: Path, place: Place) -> None:
    """Time a few steps of each kind of run at a place of this machine, in a process of its own.

    The rates are kept in `RESULTS/calibrations.jsonl`. Raises UserError when a model cannot be timed.
    """
    examples = {kind(standing.run.spec): standing.run.spec for standing in standings}
    command = [sys.executable, "-m", "gam_bench.train.calibrate", place.device, str(place.threads)]
    lines = "".join(spec.model_dump_json() + "\n" for spec in examples.values())
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    results.mkdir(parents=True, exist_ok=True)
    with (results / "calibrations.jsonl").open("a") as file:
        for key, measured in zip(examples, found, strict=False):
            file.write(json.dumps({"kind": key} | measured) + "\n")
    if done.returncode:
        raise UserError(f"calibration stopped after {len(found)} of {len(examples)} kinds of run")


def _calibrations(results: Path) -> Iterator[dict[str, Any]]:
    """The newest first."""
    try:
        lines = (results / "calibrations.jsonl").read_text().splitlines()
    except OSError:
        return
    for line in reversed(lines):
        try:
            yield json.loads(line)
        except ValueError:
            continue
