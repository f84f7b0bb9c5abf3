"""What the accuracy cost: passes, time on equal hardware, and what equal compute would have bought."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gam_bench.compare.cell import tuned
from gam_bench.results.frame import settings

HARDWARE = ["device_name", "threads"]
STARVED = 0.9
"""A run on a CPU that computed for less of its time did not have its core to itself."""


def add_relative(table: pd.DataFrame) -> pd.DataFrame:
    """The table with what is relative to the base optimizer: passes, wall time, processor time.

    Each run over the mean of its base optimizer's runs: those with equal settings in all that a fair
    comparison shares (epochs included); for times also on equal hardware (device and threads). Missing where
    there are none: times across different hardware are never divided. Peak memory on a CPU is left out: what
    earlier results have of it is the whole process's, with all that earlier runs left behind.
    """
    shared = [name for name in settings(table) if name not in tuned()]
    alone = table[(table["optimizer"] == table["base"]) & (table["state"] == "done")]
    made = table.copy()
    for name, column, key in (
        ("relative_passes", "forward_backward_passes", shared),
        ("relative_seconds", "train_seconds", shared + HARDWARE),
        ("relative_process_seconds", "process_seconds", shared + HARDWARE),
    ):
        numbers = table.groupby(key, dropna=False, sort=False).ngroup()
        reference = alone[column].groupby(numbers[alone.index]).mean()
        made[name] = table[column] / numbers.map(reference)
    made["peak_memory_bytes"] = table["peak_memory_bytes"].where(table["device"] != "cpu")
    return made


def starved(table: pd.DataFrame) -> int:
    """How many finished runs waited for a processor more than they should: more load than cores."""
    known = table[(table["state"] == "done") & (table["device"] == "cpu")]
    return int((known["process_seconds"] < STARVED * known["train_seconds"]).sum())


def machines(table: pd.DataFrame) -> list[tuple[str, float, int]]:
    """The machines behind the finished runs' times, most runs first: name, threads (NaN if unknown), runs."""
    done = table[(table["state"] == "done") & (table["device_name"] != "")]
    counts = done.groupby(HARDWARE, dropna=False).size().reset_index(name="runs")
    counts = counts.sort_values(["runs", *HARDWARE], ascending=[False, True, True])
    return list(counts.itertuples(index=False, name=None))


def hours(table: pd.DataFrame) -> dict[str, float]:
    """Hours of all finished runs by device: `{"cuda": GPU-hours, "cpu": hours of CPU workers}`."""
    done = table[table["state"] == "done"]
    seconds = done["total_seconds"].fillna(done["train_seconds"]).dropna()
    totals = seconds.groupby(done["device"].loc[seconds.index]).sum()
    return {str(device): float(total) / 3600 for device, total in totals.items()}


def pareto(costs: Sequence[float], gains: Sequence[float]) -> list[bool]:
    """For each point whether no other point costs no more and gains no less."""
    return [
        not any(
            other_cost <= cost and other_gain >= gain and (other_cost, other_gain) != (cost, gain)
            for other_cost, other_gain in zip(costs, gains, strict=True)
        )
        for cost, gain in zip(costs, gains, strict=True)
    ]


def epochs_to(curve: Sequence[float], target: float) -> int | None:
    """The first epoch (from 1) at whose end the curve has reached the target; None if never."""
    reached = np.flatnonzero(np.asarray(curve, dtype=float) >= target)
    return int(reached[0]) + 1 if len(reached) else None


@dataclass(frozen=True)
class ToTarget:
    """Medians over all seeds, of which `reached` did; one that did not took longer than any that did.

    None where the median seed did not reach the target; seconds, too, where the runs are of unlike machines.
    """

    optimizer: str
    target: float
    reached: int
    seeds: int
    epochs: float | None
    passes: float | None
    seconds: float | None


def to_target(runs: pd.DataFrame, target: float) -> list[ToTarget]:
    """What each optimizer of one task spent until its test accuracy first reached `target` (a fraction).

    `runs` are finished runs with curves (see `frame.load`).
    """
    alike = len(runs.drop_duplicates(HARDWARE)) == 1
    found = []
    for optimizer, group in runs.groupby("optimizer", sort=False):
        spent = []
        for accuracy, passes, seconds in zip(
            group["curve_test_accuracy"], group["curve_passes"], group["curve_train_seconds"], strict=True
        ):
            epoch = epochs_to(accuracy, target)
            never = (np.inf, np.inf, np.inf)
            spent.append((epoch, np.sum(passes[:epoch]), np.sum(seconds[:epoch])) if epoch else never)
        reached = int(np.isfinite([epochs for epochs, *_ in spent]).sum())
        epochs, passes, seconds = (_middle(numbers) for numbers in zip(*spent, strict=True))
        seconds = seconds if alike else None
        found.append(ToTarget(str(optimizer), target, reached, len(group), epochs, passes, seconds))
    return found


def _middle(numbers: Sequence[float]) -> float | None:
    """The median, the later of two middle ones; None where that was never reached."""
    middle = sorted(numbers)[len(numbers) // 2]
    return float(middle) if np.isfinite(middle) else None
