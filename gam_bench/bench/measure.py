"""Fair timing on a machine that others share: interleaved rounds, medians of ratios, quartiles."""

import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles

from gam_bench.files import write_atomically
from gam_bench.hardware import cores, cpu_name, gpu_names

Tell = Callable[[str, int, int], None]
"""How far a measurement is: what is measured, of how many rounds, and how many are done."""


def silent(what: str, of: int, done: int) -> None:
    return


@dataclass(frozen=True)
class Ratio:
    """How long `name` takes over `floor`: median and quartiles over the rounds; `seconds`: its own median."""

    name: str
    floor: str
    median: float
    low: float
    high: float
    seconds: float
    rounds: int

    def __str__(self) -> str:
        spread = f"[{self.low:.3g}, {self.high:.3g}]"
        return f"{self.name:<44} {self.median:>7.3g} × {self.floor} {spread} ({self.seconds:.3g} s)"


def interleaved(ways: Mapping[str, Callable[[], object]], floor: str, rounds: int = 7) -> list[Ratio]:
    """Time every way once a round, in turn, after one round that warms up; each one's ratio to `floor`."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            if turn:
                seconds[name].append(time.perf_counter() - start)
    return [ratio(name, floor, taken, seconds[floor]) for name, taken in seconds.items() if name != floor]


def ratio(name: str, floor: str, taken: list[float], least: list[float]) -> Ratio:
    """The ratio of two timings that were taken in turn."""
    ratios = [one / other for one, other in zip(taken, least, strict=True)]
    low, _, high = quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    return Ratio(name, floor, median(ratios), low, high, median(taken), len(ratios))


def record(stage: str, command: str, ratios: list[Ratio], folder: Path, device: str = "cpu") -> Path:
    """Keep a measurement with the hardware and versions it stands on, as `FOLDER/STAGE-DEVICE.json`.

    device: the one that was measured, "cpu" or "cuda".
    """
    content = {
        "stage": stage,
        "command": command,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": cpu_name(),
        "cores": cores(),
        "device": device,
        "gpus": list(gpu_names()) if device == "cuda" else [],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "torchvision", "timm", "numpy")},
        "ratios": [asdict(found) for found in ratios],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stage}-{device}.json"
    write_atomically(path, json.dumps(content, indent=2) + "\n")
    return path
