"""Names, values, durations and findings as people read them, one way everywhere."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the quick verbs need these words, and none of what numpy and pandas bring
    from gam_bench.compare.cell import Cell
    from gam_bench.compare.gap import Gap
    from gam_bench.compare.match import Match
    from gam_bench.compare.pairs import Finding

TITLES = {
    "sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "sam": "SAM", "gam": "GAM",
    "exact-gam": "ExactGAM", "sam+gam": "SAM+GAM",
}  # fmt: skip


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


def gap_sentence(gap: "Gap") -> str:
    """A measured gap beside the published one, and whether it is the same."""
    metric, figure = gap.finding.metric, gap.published.one.figure
    text = (
        f"the gap {names(gap.finding)}, measured {metric.text(gap.measured, sign=True)}, published "
        f"{metric.text(gap.published.difference, sign=True)} ({figure.where}): {gap.judgement.verdict}"
    )
    if gap.judgement.reason:
        return f"{text}, {gap.judgement.reason}"
    return f"{text} (margin ±{metric.text(gap.margin)} {metric.points})"


def conclusion(finding: "Finding") -> str:
    """What may be said of this one row, and nothing more."""
    if finding.signs is None and finding.comparison is None:
        return _not_compared(finding)
    if finding.significant:
        words = ("better", "worse") if finding.metric.better else ("higher", "lower")
        return f"{title(finding.one.optimizer)} is {words[finding.gain <= 0]}"
    if finding.p is None:
        n = finding.comparison.n if finding.comparison else 0
        return "one seed tells nothing of chance" if n == 1 else "without any spread nothing is decided"
    return "no difference shown, of so many" if finding.telling else "no difference shown"


def _not_compared(finding: "Finding") -> str:
    unlike = [f"{d.setting} {shown(d.one)} against {shown(d.other)}" for d in finding.unlike]
    return f"not compared, {', '.join(unlike) or finding.refused}"


def p_value(value: float | None) -> str:
    """For example `= 0.029` or `< 0.001`, to stand behind `p`."""
    if value is None:
        return "—"
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"
