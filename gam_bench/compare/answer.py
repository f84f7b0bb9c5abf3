"""How the claims of order stand: one answer a claim, over all rows of a table, which are its evidence.

Two scopes. *On these tasks*, the headline: for each seed the mean of the paired differences over rows, and
Student's t over seeds, which holds whatever rows of one seed share. *On data sets like these*, from
`DATA_SETS` data sets on: the mean over data sets, whose variance is that between data sets over their number
plus that between seeds over theirs. Where a run of the claim diverged there is no mean: each seed is won or
lost by the rows that it wins and loses, and the exact sign test judges.

The primary claim is tested as it is. The others are corrected for their number (Holm): those that the suite
makes together, and those of each further figure together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain

import numpy as np

from gam_bench.compare import power
from gam_bench.compare.cell import TASK, Cell
from gam_bench.compare.match import Difference
from gam_bench.compare.paired import LEVEL, Array, Comparison, compare, holm, satterthwaite, welch
from gam_bench.compare.pairs import Signs, unlikeness
from gam_bench.compare.rows import Row, rows
from gam_bench.results.figures import Figure
from gam_bench.suite.claim import BASE, Claim

DATA_SETS = 6
"""From so many data sets on a claim may be about others like them."""


class Standing(StrEnum):
    """*supported*, *contradicted*: the 95 % interval excludes 0 (a p-value below 5 %, corrected where the
    claim is one of several) on the claimed or the other side; *equivalent*: the 90 % interval lies inside the
    margin and the 95 % one includes 0; *undecided*; *not run*: no row has a seed of both."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    EQUIVALENT = "equivalent"
    UNDECIDED = "undecided"
    NOT_RUN = "not run"


@dataclass
class Scope:
    """What a claim comes to in one scope.

    `units`: rows, or data sets. `comparison`: better − worse; None where runs diverged, of which `signs`
    tells. `p_holm`: the p-value corrected for the number of claims; the primary claim's as it is. `within`:
    the 95 % interval lies inside the margin. `more`: the seeds, those there are included, that would decide.
    """

    units: int
    comparison: Comparison | None
    signs: Signs | None = None
    p_holm: float | None = None
    standing: Standing = Standing.UNDECIDED
    within: bool = False
    more: int | None = None

    @property
    def p(self) -> float | None:
        if self.signs is not None:
            return self.signs.p
        return self.comparison.p if self.comparison else None


@dataclass
class Answer:
    """A claim, its evidence and how it stands.

    `rows`: that are counted, `left_out`: those without a seed of both sides. `seeds`: common to all rows, and
    `dropped`: those that only some have. `planned`: seeds. `diverged`: (runs that did, runs) of the better
    and the `worse`, the optimizer itself (`base` where it is several). `unlike`: why nothing is comparable,
    where that is so.
    """

    claim: Claim
    metric: Figure
    worse: str
    rows: list[Row]
    left_out: list[Row] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)
    planned: int = 0
    diverged: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    tasks: Scope | None = None
    data_sets: Scope | None = None
    unlike: tuple[Difference, ...] = ()
    refused: str = ""
    paired: bool = True

    @property
    def standing(self) -> Standing:
        """Of the headline: on these tasks."""
        return self.tasks.standing if self.tasks else Standing.NOT_RUN

    @property
    def interim(self) -> bool:
        """Whether planned runs are still to come, or failed."""
        if not self.paired:
            return any(cell.states["done"] < cell.planned for row in self.rows for cell in row.cells)
        return bool(self.left_out) or len(self.seeds) < self.planned


def answers(
    cells: Sequence[Cell], claims: Sequence[Claim], metrics: Sequence[Figure], margin: float, seeds: int = 0
) -> list[Answer]:
    """An answer for each claim that these cells could support, and each of its orders in further `metrics`.

    margin: within which two accuracies are the same (a fraction). seeds: how many the suite planned.
    """
    asked = [claim for claim in claims if claim.metric in {metric.name for metric in metrics}]
    orders = {(claim.better, claim.worse, claim.at): claim for claim in claims}
    for metric in metrics:
        there = {claim.order for claim in asked}
        more = (
            claim.model_copy(update={"metric": metric.name, "primary": False}) for claim in orders.values()
        )
        asked += [claim for claim in more if metric.judged and claim.order not in there]
    by_name = {metric.name: metric for metric in metrics}
    found = [_answer(cells, claim, by_name[claim.metric], seeds) for claim in asked]
    told = [answer for answer in found if answer is not None]
    declared = {claim.order for claim in claims}
    families: dict[str, list[Answer]] = {}
    for answer in told:
        claim = answer.claim
        name = "declared" if claim.order in declared else claim.metric
        families.setdefault("primary" if claim.primary else name, []).append(answer)
    for family in families.values():
        for scopes in ([a.tasks for a in family], [a.data_sets for a in family]):
            _correct([scope for scope in scopes if scope is not None and scope.p is not None])
        for answer in family:
            _judge(answer, margin if answer.metric.unit == "fraction" else None, len(family))
    return told


def _answer(cells: Sequence[Cell], claim: Claim, metric: Figure, seeds: int) -> Answer | None:
    """The evidence of a claim, not yet judged; None where the table does not have both optimizers."""
    there = rows(cells, claim)
    if not there:
        unlike = _unlike(cells, claim) if claim.at == "epochs" else ()
        return Answer(claim, metric, _worse(cells, claim), [], unlike=unlike) if unlike else None
    differences = [row.differences(metric) for row in there]
    used = [row for row, found in zip(there, differences, strict=True) if found]
    answer = Answer(claim, metric, _worse(cells, claim), used, [row for row in there if row not in used])
    answer.planned = max([seeds, *(cell.planned for row in there for cell in row.cells)])
    answer.diverged = (_diverged([row.better for row in there]), _diverged([row.worse for row in there]))
    if not used:
        _unpaired(answer, there)
        answer.refused = next(filter(None, (row.refusal(metric) for row in there)), "")
        return answer
    found = [differences_ for differences_ in differences if differences_]
    answer.seeds = sorted(set.intersection(*(set(values) for values in found)))
    answer.dropped = sorted({seed for values in found for seed in values} - set(answer.seeds))
    if answer.seeds:
        table = np.array([[values[seed] for seed in answer.seeds] for values in found])
        _evidence(answer, table)
    return answer


def _worse(cells: Sequence[Cell], claim: Claim) -> str:
    """The optimizer that is claimed to be worse: the base that the better one has wherever it was run."""
    bases = {str(cell.settings["base"]) for cell in cells if cell.optimizer == claim.better}
    return claim.worse if claim.worse != BASE or len(bases) != 1 else bases.pop()


def _evidence(answer: Answer, table: Array) -> None:
    """Fill in the scopes from the differences. Shape (rows, seeds), ±∞ where one side diverged."""
    count = len(answer.rows)
    if any(number for number, _ in answer.diverged):
        gains = np.sign(table).sum(axis=0) * answer.metric.better
        answer.tasks = Scope(count, None, signs=Signs.of(gains.tolist()))
        return
    answer.tasks = Scope(count, compare(table.mean(axis=0)))
    names = [row.dataset for row in answer.rows]
    kinds = list(dict.fromkeys(names))
    if len(kinds) >= DATA_SETS and len(answer.seeds) > 1:
        by_data_set = np.array([table[[name == kind for name in names]].mean(axis=0) for kind in kinds])
        answer.data_sets = Scope(len(kinds), like_these(by_data_set))


def like_these(differences: Array) -> Comparison:
    """Judge differences for data sets of which these are a sample. Shape (data sets, seeds), two of each."""
    number, seeds = differences.shape
    mean = float(differences.mean())
    squares = float(np.square(differences.mean(axis=1) - mean).sum())
    noise = float(differences.mean(axis=0).var(ddof=1)) / seeds
    if squares + noise <= 1e-24 * mean**2:
        return Comparison(seeds, mean)
    # One more data set that repeats the mean leaves the squares as they are, but may cost more degrees of
    # freedom than its variance is worth. It must not take a verdict away: so the narrowest of what this many
    # data sets, or fewer, would give with these squares.
    counts = range(min(number, DATA_SETS), number + 1)
    tried = [
        satterthwaite([(squares / (count * (count - 1)), count - 1), (noise, seeds - 1)]) for count in counts
    ]
    error, df = min(tried, key=lambda found: _half(*found))
    return Comparison(seeds, mean, error, df)


def _half(error: float, df: float) -> float:
    return Comparison(2, 0.0, error, df).interval()[1] or 0.0


def _unpaired(answer: Answer, there: Sequence[Row]) -> None:
    """Where no row shares a seed (other people's exports), by Welch's t.

    Over the means over rows, where a side's rows share seeds; else row by row, whose noise is then apart.
    """
    sides = [row.sides(answer.metric) for row in there]
    shared = any(mine.keys() & its.keys() for mine, its in sides)
    if shared or answer.metric.by_machine or any(number for number, _ in answer.diverged):
        return
    whole = [_means(values) for values in zip(*sides, strict=True)]
    apart = [[list(side.values()) for side in row] for row in sides]
    rows_of = [whole] if min(map(len, whole)) > 1 else apart
    counts = [len(values) for row in rows_of for values in row]
    if min(counts) > 1:
        answer.rows, answer.left_out = list(there), []
        answer.seeds, answer.paired = list(range(min(counts))), False
        answer.tasks = Scope(len(there), _mean_of([welch(*row) for row in rows_of]))


def _means(sides: Sequence[dict[int, float]]) -> list[float]:
    """The mean over rows of each seed that all of them have."""
    seeds = sorted(set.intersection(*(set(found) for found in sides)))
    return [float(np.mean([found[seed] for found in sides])) for seed in seeds]


def _mean_of(found: Sequence[Comparison]) -> Comparison:
    """The mean of differences whose noise is independent."""
    number = len(found)
    mean = float(np.mean([one.difference for one in found]))
    n, n_other = (min(counts) for counts in zip(*((one.n, one.n_other or 0) for one in found), strict=True))
    parts = [((one.error or 0.0) ** 2 / number**2, one.df or 1.0) for one in found]
    if not any(variance for variance, _ in parts):
        return Comparison(n, mean, paired=False, n_other=n_other)
    error, df = satterthwaite(parts)
    return Comparison(n, mean, error, df, paired=False, n_other=n_other)


def _unlike(cells: Sequence[Cell], claim: Claim) -> tuple[Difference, ...]:
    """In what the two optimizers differ on the first task where both were run."""
    for one in cells:
        rival = one.settings["base"] if claim.worse == BASE else claim.worse
        if one.optimizer == claim.better != rival:
            for other in cells:
                alike = all(one.settings.get(name) == other.settings.get(name) for name in TASK)
                if alike and other.optimizer == rival and (unlike := unlikeness(one, other)):
                    return unlike
    return ()


def _diverged(sides: Sequence[tuple[Cell, ...]]) -> tuple[int, int]:
    """How many of the runs that came to an end diverged, each cell counted once."""
    cells = {cell.place: cell for cell in chain.from_iterable(sides)}.values()
    diverged = sum(len(cell.diverged) for cell in cells)
    return diverged, diverged + sum(cell.states["done"] for cell in cells)


def _correct(scopes: Sequence[Scope]) -> None:
    """Holm's correction of the p-values of one family."""
    for scope, p in zip(scopes, holm([scope.p or 0.0 for scope in scopes]), strict=True):
        scope.p_holm = p


def _judge(answer: Answer, margin: float | None, family: int) -> None:
    """Fill in the verdicts, and for an undecided one the seeds that would decide."""
    for scope in (answer.tasks, answer.data_sets):
        if scope is not None:
            scope.standing = _standing(scope, answer.metric.better, margin)
            scope.within = margin is not None and _inside(scope.comparison, margin, LEVEL)
    tasks = answer.tasks
    if tasks is not None and tasks.standing == Standing.UNDECIDED:
        level = LEVEL / family  # enough for Holm, whatever becomes of the other claims
        if tasks.signs is not None:
            tasks.more = power.seeds_by_signs(tasks.signs.wins, tasks.signs.losses, tasks.signs.ties, level)
        elif tasks.comparison is not None:
            tasks.more = power.seeds(tasks.comparison, margin, level)


def _standing(scope: Scope, better: int, margin: float | None) -> Standing:
    p = scope.p_holm
    if p is None:
        return Standing.UNDECIDED
    if p < LEVEL:
        signs, found = scope.signs, scope.comparison
        gain = signs.wins - signs.losses if signs else better * (found.difference if found else 0.0)
        return Standing.SUPPORTED if gain > 0 else Standing.CONTRADICTED
    if margin is None or scope.comparison is None or (scope.p or 0.0) < LEVEL:
        return Standing.UNDECIDED
    inside = _inside(scope.comparison, margin, 2 * LEVEL)
    return Standing.EQUIVALENT if inside else Standing.UNDECIDED


def _inside(found: Comparison | None, margin: float, level: float) -> bool:
    """Whether the interval that leaves out `level` lies within ± the margin."""
    low, high = found.interval(level) if found else (None, None)
    return low is not None and high is not None and -margin < low and high < margin
