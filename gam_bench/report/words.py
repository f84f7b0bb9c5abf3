"""Names, values, durations and findings as people read them, one way everywhere."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the quick verbs need these words, and none of what numpy and pandas bring
    from gam_bench.compare.cell import Cell
    from gam_bench.compare.claim import Finding
    from gam_bench.compare.gap import Gap
    from gam_bench.compare.match import Match

TITLES = {
    "sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "sam": "SAM", "gam": "GAM",
    "exact-gam": "ExactGAM", "sam+gam": "SAM+GAM",
}  # fmt: skip
FEW = 8
"""Below so many seeds the bootstrap interval is plainly too narrow, and Student's is shown beside it."""


def title(optimizer: str) -> str:
    """An optimizer as papers write it."""
    return TITLES.get(optimizer, optimizer)


def shown(value: Any, none: str = "—") -> str:
    """A setting as a person writes it: 0.1 and not 0.10000000000000001, `none` for one that is not there."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return none
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `5 h 10 min`, `3 d 4 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 60:
        return f"{int(minutes)} min {int(seconds % 60)} s"
    hours = minutes / 60
    if hours < 48:
        return f"{int(hours)} h {int(minutes % 60)} min"
    return f"{int(hours / 24)} d {int(hours % 24)} h"


def hours(number: float) -> str:
    """Hours of computing, of which sums are made: `12.0 min`, `3.2 h`."""
    return f"{number * 60:.1f} min" if number < 1 else f"{number:,.1f} h"


def differences(match: "Match") -> list[str]:
    """Why a published figure and a measured cell may not be of one recipe."""
    unlike = [f"{d.setting} {shown(d.one)} there, {shown(d.other)} here" for d in match.unlike]
    return [*unlike, *match.remarks]


def verdict(match: "Match") -> str:
    """Beside a published figure, for example `undecided (7 seeds)`."""
    judgement = match.judgement
    if judgement is None:
        return "other recipe"
    return f"{judgement.verdict}{f' ({judgement.seeds} seeds)' if judgement.seeds else ''}"


def names(finding: "Finding") -> str:
    """For example `GAM − SGD`, `GAM (20 epochs) − SGD (80 epochs)` or `GAM (batch size 256) − SGD`."""
    return " − ".join(_named(cell, finding.equal_compute) for cell in (finding.one, finding.other))


def _named(cell: "Cell", epochs: bool) -> str:
    told = [f"{cell.settings['epochs']} epochs"] if epochs else []
    told += [f"{name.replace('_', ' ')} {shown(value)}" for name, value in cell.variant.items()]
    return f"{title(cell.optimizer)} ({', '.join(told)})" if told else title(cell.optimizer)


def sentence(finding: "Finding") -> str:
    """One line without the row it is of: difference, interval, p, n, and what follows."""
    c, metric = finding.comparison, finding.one.main.metric
    if c is None:
        return f"{names(finding)}: {conclusion(finding)}"
    unit = f" {metric.points}" if metric.points else ""
    text = f"{names(finding)} {metric.text(c.difference, sign=True)}{unit}"
    if c.low is not None:
        text += f", 95 % interval {interval(finding.one, c.low, c.high)}"
        if c.n < FEW:
            text += f" (t: {interval(finding.one, c.t_low, c.t_high)})"
    if c.p is not None:
        corrected = f" (Holm {p_value(finding.p_holm)})" if finding.family > 1 and finding.decidable else ""
        text += f", p = {p_value(c.p)}{corrected}"
    return f"{text}, n = {c.n}: {conclusion(finding)}"


def gap_sentence(gap: "Gap") -> str:
    """A measured gap beside the published one, and whether it is the same."""
    metric, figure = gap.finding.one.main.metric, gap.published.one.figure
    text = (
        f"the gap {names(gap.finding)}, measured {metric.text(gap.measured, sign=True)}, published "
        f"{metric.text(gap.published.difference, sign=True)} ({figure.where}): {gap.judgement.verdict}"
    )
    if gap.judgement.reason:
        return f"{text}, {gap.judgement.reason}"
    return f"{text} (margin ±{metric.text(gap.margin)} {metric.points})"


def conclusion(finding: "Finding") -> str:
    """What may be said, and nothing more."""
    c, better = finding.comparison, finding.one.main.metric.better
    if c is None:
        return _not_compared(finding)
    if c.n == 1:
        return "one seed says nothing about chance"
    if c.n == 2:
        return "two seeds give no interval and no p-value below 0.5"
    if finding.significant:
        gain = finding.gain if better else c.difference
        words = ("better", "worse") if better else ("higher", "lower")
        return f"{title(finding.one.optimizer)} is {words[gain <= 0]}"
    if finding.decidable:
        return "no difference shown"
    if not better or c.difference == 0:
        return "too few seeds to tell from chance"
    ahead = c.above if c.difference > 0 else c.below
    name = title(finding.better.optimizer)
    return f"{name} is better on {ahead} of {c.n} seeds, too few to tell from chance"


def _not_compared(finding: "Finding") -> str:
    unlike = [f"{d.setting} {shown(d.one)} against {shown(d.other)}" for d in finding.unlike]
    if finding.one.main.values.keys() & finding.other.main.values.keys():
        unlike = unlike or ["their seeds in common are of different numerics versions"]
    return f"not compared, {', '.join(unlike) or 'no finished seed in common'}"


def interval(cell: "Cell", low: float | None, high: float | None) -> str:
    """For example `[+0.88, +6.69]`, in the units of the cell's main figure."""
    metric = cell.main.metric
    return f"[{metric.text(low, sign=True)}, {metric.text(high, sign=True)}]"


def p_value(value: float | None) -> str:
    if value is None:
        return "—"
    return "< 0.001" if value < 0.001 else f"{value:.2g}"
