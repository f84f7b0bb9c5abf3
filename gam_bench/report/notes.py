"""What stands below a table: how its figures were made and what they rest on."""

from collections.abc import Sequence

import pandas as pd

from gam_bench.compare import cost
from gam_bench.compare.answer import Answer
from gam_bench.compare.cell import Cell
from gam_bench.compare.pairs import Finding
from gam_bench.report.words import hours
from gam_bench.results.figures import Figure
from gam_bench.results.published import PublishedFigure
from gam_bench.suite.sources import known_sources

DEVICES = {"cuda": "GPU", "cpu": "CPU worker"}


def seeds(number: int) -> list[str]:
    """How many seeds a cell has unless it says otherwise."""
    if not number:
        return []
    return [
        f"n = {number} seeds where a cell does not say otherwise; (2/5): 2 of 5 planned runs are finished."
    ]


def statistics(
    chosen: Figure, found: Sequence[Finding], answers: Sequence[Answer], margin: float
) -> list[str]:
    """What verdicts, intervals and bold mean."""
    notes = []
    if any(answer.tasks is not None for answer in answers):
        within = f"; equivalent: 90 % interval within ±{chosen.text(margin)} {chosen.points}"
        notes.append(
            "Claims: for each seed the mean over rows of the paired difference, Student's t over seeds. "
            f"supported, contradicted: 95 % interval without 0{within if chosen.unit == 'fraction' else ''}. "
            "Claims beside the primary one are Holm-corrected. On these tasks, unless said otherwise."
        )
    tested = [finding for finding in found if finding.p is not None]
    if notes or tested:
        notes.append(
            "Intervals cover the truth in 95 % of cases where seeds vary normally, in 88 to 90 % where what "
            "they differ by is skewed."
        )
    if tested and chosen.better:
        notes.append(
            "Bold (in plain text *): better than the runner-up of its row; of single rows no more is said "
            f"than what holds after Holm's correction over the {tested[0].family} comparisons of this table."
        )
    return notes


def hardware(table: pd.DataFrame) -> list[str]:
    """What the finished runs took, and the machines behind their times."""
    found = machines(table)
    if not found:
        return []
    alike = ", compared only within each" if len(found) > 1 else ""
    told = [f"Computing: {spent(table)}. Times on {'; '.join(found)}{alike}."]
    if number := cost.starved(table):
        told.append(
            f"More load than cores: {number} of {len(table)} runs waited for a processor, so that their wall "
            "times tell little; processor time does."
        )
    return told


def machines(table: pd.DataFrame) -> list[str]:
    """The machines behind the finished runs' times: `NVIDIA A100, 4 threads (12 runs)`."""
    return [
        f"{name}, {_threads(threads)} ({runs} run{'s' * (runs != 1)})"
        for name, threads, runs in cost.machines(table)
    ]


def _threads(number: float) -> str:
    return "threads unknown" if number != number else f"{number:.0f} thread{'s' * (number != 1)}"


def spent(table: pd.DataFrame) -> str:
    """What all finished runs took, for example `3.2 h of GPU time`; empty without any."""
    return ", ".join(
        f"{hours(number)} of {DEVICES.get(kind, kind)} time"
        for kind, number in sorted(cost.hours(table).items())
    )


def precision(table: pd.DataFrame) -> list[str]:
    """A warning over runs that were not computed in fp32, which hits GAM harder than its base."""
    low = sorted(set(table["precision"].dropna()) - {"fp32"}) if "precision" in table else []
    if not low:
        return []
    number = int(table["precision"].isin(low).sum())
    return [
        f"Precision {' and '.join(low)} in {number} of {len(table)} runs: GAM works on differences of close "
        "gradients, of which low precision leaves few digits."
    ]


def numerics(rows: Sequence[tuple[str, set[int]]]) -> list[str]:
    """The rows whose runs were computed by different numerics versions; `rows`: their names and versions."""
    mixed = [
        f"{name or 'all'} ({', '.join(map(str, sorted(versions)))})"
        for name, versions in rows
        if len(versions) > 1
    ]
    if not mixed:
        return []
    return [f"Runs of different numerics versions, which are not paired, in: {'; '.join(mixed)}."]


def assumed(cells: Sequence[Cell]) -> list[str]:
    """How many settings behind a cell no source gives."""
    counts = sorted({cell.assumed for cell in cells if cell.assumed is not None})
    if not counts:
        return []
    span = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return [
        f"Settings behind a cell without a published source (assumed): {span}; gam-bench show marks them."
    ]


def published(figures: Sequence[PublishedFigure], chosen: Figure, margin: float) -> list[str]:
    """The rule of the verdicts, and each source in full."""
    if not figures:
        return []
    rule = (
        f"Verdicts: reproduced within ±{chosen.text(margin)} {chosen.points} by two one-sided tests at 5 %; "
        "differs where the 95 % interval of the difference lies outside them; else undecided (seeds that "
        "would do). A figure gets one if every setting that is known of both agrees. Published ± is the sd "
        "over runs."
    )
    sources = sorted({figure.source for figure in figures})
    return [rule, *(f"{source}: {known_sources()[source]}." for source in sources)]
