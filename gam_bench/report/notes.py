"""What stands below a table: how its figures were made and what they rest on."""

from collections.abc import Sequence

import pandas as pd

from gam_bench.report import cost
from gam_bench.report.cell import Cell
from gam_bench.report.compare import seeds_to_decide
from gam_bench.report.finding import FEW, Finding
from gam_bench.report.metric import Metric
from gam_bench.report.published import Figure, citations


def seeds(number: int) -> list[str]:
    """How many seeds a cell has unless it says otherwise."""
    if not number:
        return []
    return [
        f"n = {number} seeds where a cell does not say otherwise; (2/5): 2 of 5 planned runs are finished."
    ]


def statistics(chosen: Metric, found: Sequence[Finding]) -> list[str]:
    """What bold, p and the intervals mean, and what so few seeds cannot say."""
    tested = [finding for finding in found if finding.comparison is not None]
    if not tested:
        return []
    family = max(finding.family for finding in tested)
    notes = []
    if chosen.better:
        notes.append(
            "Bold (in plain text *): better than the runner-up by a paired sign-flip test, Holm-corrected "
            f"over the {family} comparisons of this table, p < 0.05."
        )
    numbers = [finding.comparison.n for finding in tested if finding.comparison and not finding.decidable]
    if numbers:
        notes.append(
            f"With {min(numbers)} shared seeds p cannot fall below {2.0 ** (1 - min(numbers)):.2g}; "
            f"{seeds_to_decide(family)} could bring one of {family} comparisons below 0.05."
        )
    if any(finding.comparison and 2 < finding.comparison.n < FEW for finding in tested):
        notes.append(
            "Intervals: BCa bootstrap of the paired differences, which with few seeds is too narrow: of "
            "normal differences, 73 % of simulated ones covered the truth at n = 3, 84 % at 5, 90 % at 10. "
            "t: Student's, for normal differences."
        )
    return notes


def hardware(table: pd.DataFrame) -> list[str]:
    """What the finished runs took, and the machines behind their times."""
    machines = cost.hardware(table)
    if not machines:
        return []
    alike = ", compared only within each" if len(machines) > 1 else ""
    return [f"Computing: {cost.spent(table)}. Times on {'; '.join(machines)}{alike}."]


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


def assumed(cells: Sequence[Cell]) -> list[str]:
    """How many settings behind a cell no source gives."""
    counts = sorted({cell.assumed for cell in cells if cell.assumed is not None})
    if not counts:
        return []
    span = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return [
        f"Settings behind a cell without a published source (assumed): {span}; gam-bench show marks them."
    ]


def published(figures: Sequence[Figure], chosen: Metric, margin: float) -> list[str]:
    """The rule of the verdicts, and each source in full."""
    if not figures:
        return []
    rule = (
        f"Verdicts: reproduced within ±{chosen.text(margin)} {chosen.points} by two one-sided tests at 5 %; "
        "differs where the 95 % interval of the difference excludes 0; else undecided (seeds that would do). "
        "Published ± is the sd over runs."
    )
    sources = sorted({figure.source for figure in figures})
    return [rule, *(f"{source}: {citations()[source]}." for source in sources)]
