"""The answers in words: a line a claim, the headline first."""

from collections.abc import Callable, Sequence

from gam_bench.compare.answer import Answer, Scope, Standing
from gam_bench.compare.cell import Cell
from gam_bench.compare.paired import Comparison
from gam_bench.compare.pairs import Finding
from gam_bench.compare.rows import Row
from gam_bench.report.words import conclusion, names, p_value, shown, title
from gam_bench.results.figures import Figure

NAMED = 3
"""So many rows or seeds that are left out are named; of more, the number is."""


def lines(answers: Sequence[Answer], chosen: Figure, where: Callable[[Cell], str]) -> list[str]:
    """The claims in the table's figure and those that the suite makes in another, a line or two each; then a
    line for each further figure.

    `where` names a cell's row.
    """
    told: list[str] = []
    for answer in answers:
        if answer.metric == chosen or answer.claim.primary:
            told += _whole(
                answer, where, "" if answer.metric == chosen else f" in {answer.metric.subheading}"
            )
    further = dict.fromkeys(answer.metric.name for answer in answers if answer.metric != chosen)
    for metric in further:
        found = [answer for answer in answers if answer.metric.name == metric and not answer.claim.primary]
        kept = {_interim(answer) for answer in found}
        said = [f"{name(a)} {a.standing}{_interim(a) if len(kept) > 1 else ''}" for a in found]
        if found:
            told.append(
                f"{found[0].metric.subheading}: {', '.join(said)}{kept.pop() if len(kept) == 1 else ''}."
            )
    return told


def name(answer: Answer) -> str:
    """For example `GAM > SGD`, or `GAM > SGD at equal passes`."""
    at = " at equal passes" if answer.claim.at == "passes" else ""
    return f"{title(answer.claim.better)} > {title(answer.worse)}{at}"


def standing(answer: Answer, scope: Scope | None = None) -> str:
    """The verdict as it may be said: `supported, within 0.50 points`, `undecided (interim, 2 of 3 seeds)`."""
    scope = scope or answer.tasks
    text = str(scope.standing if scope else answer.standing)
    if scope and scope.within and scope.standing in (Standing.SUPPORTED, Standing.CONTRADICTED):
        text += " but within the margin"
    return text + _interim(answer)


def _interim(answer: Answer) -> str:
    if not answer.interim or answer.tasks is None:
        return ""
    return f" (interim, {len(answer.seeds)} of {answer.planned} seeds)"


def _whole(answer: Answer, where: Callable[[Cell], str], figure: str) -> list[str]:
    primary = " (primary claim)" if answer.claim.primary else ""
    head = f"{name(answer)}{figure}{primary}"
    if answer.tasks is None:
        unlike = ", ".join(f"{d.setting} {shown(d.one)} against {shown(d.other)}" for d in answer.unlike)
        why = unlike or answer.refused
        return [f"{head}: {f'not compared, {why}' if why else 'not run'}."]
    told = [f"{head}: {standing(answer)}; {_evidence(answer, answer.tasks, 'row')}{_limits(answer, where)}."]
    if answer.data_sets is not None:
        evidence = _evidence(answer, answer.data_sets, "data set")
        told.append(
            f"{name(answer)} on data sets like these: {standing(answer, answer.data_sets)}; {evidence}."
        )
    return told


def _evidence(answer: Answer, scope: Scope, unit: str) -> str:
    """`+3.05 points, 95 % interval [−0.69, +6.79], p = 0.072, over 2 rows, n = 3`."""
    over = f"over {scope.units} {unit}{'s' * (scope.units != 1)}, "
    if scope.signs is not None:
        return f"{_signs(answer, scope)}{_p(scope)}, {over if scope.units > 1 else ''}n = {scope.signs.n}"
    found = scope.comparison
    if found is None:
        return over.rstrip(", ")
    n = f"n = {found.n}" if found.paired else f"unpaired, n = {found.n} and {found.n_other}"
    parts = [estimate(found, answer.metric), interval(found, answer.metric)]
    text = ", 95 % interval ".join(filter(None, parts))
    return f"{text}{_p(scope)}, {over if scope.units > 1 else ''}{n}"


def _signs(answer: Answer, scope: Scope) -> str:
    """Who won how many seeds, and which runs diverged."""
    signs, (mine, its) = scope.signs, answer.diverged
    assert signs is not None
    names = (title(answer.claim.better), title(answer.worse))
    lost = ", ".join(
        f"{k} of {n} {who} runs diverged" for who, (k, n) in zip(names, (mine, its), strict=True) if k
    )
    ties = f", {signs.ties} tied" if signs.ties else ""
    return (
        f"{names[0]} wins {signs.wins} and loses {signs.losses} of {signs.n} seeds{ties} ({lost}), sign test"
    )


def _p(scope: Scope) -> str:
    if scope.p is None:
        return ""
    corrected = scope.p_holm is not None and scope.p_holm != scope.p
    return f", p {p_value(scope.p)}{f' (Holm p {p_value(scope.p_holm)})' if corrected else ''}"


def _limits(answer: Answer, where: Callable[[Cell], str]) -> str:
    """What was averaged or left out, and the seeds that would decide."""
    scope, parts = answer.tasks, []
    averaged = max((len(side) for row in answer.rows for side in (row.better, row.worse)), default=1)
    if averaged > 1:
        parts.append(f"mean over up to {averaged} tuning values a row")
    if answer.dropped:
        parts.append(f"seed{'s' * (len(answer.dropped) > 1)} {_few(answer.dropped)} not in all rows")
    if answer.left_out:
        parts.append(f"without {_few([_place(row, where) for row in answer.left_out])}")
    if scope is not None and scope.standing == Standing.UNDECIDED:
        parts.append(_more(scope))
    return "".join(f"; {part}" for part in parts)


def _more(scope: Scope) -> str:
    if scope.more is not None:
        return f"{scope.more} seeds would decide"
    if scope.signs is None and scope.p is None:
        seeds = scope.comparison.n if scope.comparison else 0
        return "one seed tells nothing of chance" if seeds == 1 else "without any spread nothing is decided"
    return "more than a thousand seeds would have to decide"


def _place(row: Row, where: Callable[[Cell], str]) -> str:
    return where(row.better[0]) or "the only row"


def _few(things: Sequence[object]) -> str:
    if len(things) <= NAMED:
        return ", ".join(map(str, things))
    return f"{', '.join(map(str, things[:NAMED]))} and {len(things) - NAMED} more"


def estimate(found: Comparison, metric: Figure) -> str:
    """For example `+0.63 points`."""
    unit = f" {metric.points}" if metric.points else ""
    return f"{metric.text(found.difference, sign=True)}{unit}"


def interval(found: Comparison, metric: Figure) -> str:
    """For example `[+0.88, +6.69]`; empty where there is none."""
    if found.low is None or found.high is None:
        return ""
    return f"[{metric.text(found.low, sign=True)}, {metric.text(found.high, sign=True)}]"


def sentence(finding: Finding) -> str:
    """One row's evidence without its name: difference, interval, p, n, and what follows for the row."""
    found, signs = finding.comparison, finding.signs
    if signs is not None:
        ends = [f"{len(cell.diverged)} of {len(cell.diverged) + cell.states['done']} {title(cell.optimizer)}"
                " runs diverged" for cell in (finding.one, finding.other) if cell.diverged]  # fmt: skip
        text = f": wins {signs.wins}, loses {signs.losses} of {signs.n} seeds, {', '.join(ends)}"
    elif found is None:
        return f"{names(finding)}: {conclusion(finding)}"
    else:
        text = (
            f" {' '.join(filter(None, (estimate(found, finding.metric), interval(found, finding.metric))))}"
        )
    if finding.p is not None and (finding.family == 1 or finding.telling):
        text += f", p {p_value(finding.p)}"
    if finding.telling and finding.family > 1:
        text += f" (Holm p {p_value(finding.p_holm)})"
    if found is not None:
        text += f", by sign flips p {p_value(found.flips)}" if found.flips is not None else ""
        text += f", n = {found.n}" if found.paired else f", unpaired, n = {found.n} and {found.n_other}"
    return f"{names(finding)}{text}: {conclusion(finding)}"
