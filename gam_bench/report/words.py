"""Names, values, durations and findings as people read them, one way everywhere."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the quick verbs need these words, and none of what numpy and pandas bring
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


def names(finding: "Finding") -> str:
    """For example `GAM − SGD`, or `GAM (20 epochs) − SGD (80 epochs)` at equal compute."""
    return " − ".join(
        f"{title(cell.optimizer)} ({cell.settings['epochs']} epochs)"
        if finding.equal_compute
        else title(cell.optimizer)
        for cell in (finding.one, finding.other)
    )


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
    return "no difference shown"


def _not_compared(finding: "Finding") -> str:
    unlike = [f"{d.setting} {shown(d.one)} against {shown(d.other)}" for d in finding.unlike]
    return f"not compared, {', '.join(unlike) or finding.refused}"


def p_value(value: float | None) -> str:
    """For example `= 0.029` or `< 0.001`, to stand behind `p`."""
    if value is None:
        return "—"
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"
