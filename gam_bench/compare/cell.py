"""A cell of a table: runs that differ in nothing but the seed, what they measured, how it is judged."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
import pandas as pd

from gam_bench.compare.match import Match, matches
from gam_bench.compare.verdict import MARGIN, Judgement, Verdict, judge
from gam_bench.data.catalog import AUGMENTATIONS, DATASETS
from gam_bench.errors import UserError, did_you_mean
from gam_bench.optim.catalog import BASES, OPTIMIZERS
from gam_bench.results.figures import Figure
from gam_bench.results.frame import settings as settings_of
from gam_bench.results.frame import varying

VARIANTS = 3
"""So many values of a setting that one optimizer alone varies stand side by side as columns."""
TASK = ("dataset", "label_noise", "model", "augmentation")
"""What a row of a table is about, by default."""


Machine = tuple[str, float | None]
"""A device's name, and the CPU threads on it."""


@cache
def tuned() -> frozenset[str]:
    """The settings that each optimizer may have its own best of; a fair comparison shares all others."""
    parts = [entry.settings for entry in OPTIMIZERS.values()] + [entry.settings for entry in BASES.values()]
    brought = {key for part in parts for key in part.model_fields}
    schedule = {"lr", "weight_decay", "schedule", "schedule_every", "warmup_epochs", "min_lr", "clip_norm"}
    return frozenset(brought | schedule | {"optimizer", "perturbation", "micro_batch", "seed"})


@dataclass(frozen=True)
class Sample:
    """One figure of a cell's finished runs: seed → value, in stored units.

    `machines`: how many unlike ones they ran on, where that matters; of more than one there is no mean.
    """

    metric: Figure
    values: dict[int, float]
    machines: int = 1

    @property
    def n(self) -> int:
        return len(self.values)

    @cached_property
    def mean(self) -> float | None:
        return float(np.mean(list(self.values.values()))) if self.values and self.machines == 1 else None

    @cached_property
    def sd(self) -> float | None:
        """Sample standard deviation over seeds; None below two."""
        if self.n < 2 or self.machines > 1:
            return None
        return float(np.std(list(self.values.values()), ddof=1))


@dataclass
class Cell:
    """Runs with equal settings, one a seed.

    `key`: the settings that tell cells of the table apart; those in `variants` tell the columns of an
    optimizer apart (see `following`). `samples`: what was measured, the table's main
    figure first. `states`: how many runs are in each state. `numerics`: seed → numerics version of the
    finished runs, and `machines`: seed → their device and threads. `diverged`: the seeds whose training
    diverged. `assumed`: how many of the settings no source gives; None if unknown. `published`: the
    figures that answer to the main one, the best supported first, those of the same recipe with a verdict.
    """

    key: dict[str, Any]
    settings: dict[str, Any]
    samples: tuple[Sample, ...]
    states: Counter[str]
    variants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    numerics: dict[int, int] = field(default_factory=dict)
    machines: dict[int, Machine] = field(default_factory=dict)
    diverged: frozenset[int] = frozenset()
    assumed: int | None = None
    runs: list[str] = field(default_factory=list)
    published: list[Match] = field(default_factory=list)

    @property
    def judgements(self) -> list[Judgement]:
        """The verdicts, one for each published figure of the same recipe."""
        return [match.judgement for match in self.published if match.judgement is not None]

    @property
    def judgement(self) -> Judgement:
        """The one beside the best supported of them."""
        return self.judgements[0] if self.judgements else Judgement(Verdict.NONE)

    @property
    def main(self) -> Sample:
        """Of the figure that the table is about."""
        return self.samples[0]

    @property
    def place(self) -> tuple[Any, ...]:
        """Where in the table it stands: no other cell has it."""
        return tuple(self.key.values())

    @property
    def row(self) -> tuple[Any, ...]:
        """The settings that tell cells apart, but for the optimizer and its variants."""
        return tuple(value for name, value in self.key.items() if name not in ("optimizer", *self.variants))

    @property
    def optimizer(self) -> str:
        return str(self.settings["optimizer"])

    @property
    def variant(self) -> dict[str, Any]:
        """What tells this cell from others of its row and optimizer: `{"batch_size": 256}`."""
        return {name: self.key[name] for name, having in self.variants.items() if self.optimizer in having}

    @property
    def planned(self) -> int:
        return sum(self.states.values())

    def sample(self, metric: str) -> Sample:
        """What was measured of the figure of this name."""
        return next(sample for sample in self.samples if sample.metric.name == metric)


def telling(table: pd.DataFrame) -> list[str]:
    """The settings that tell the runs of a table apart besides optimizer and seed.

    Of the task (data set, label noise, model, augmentation) those that vary, and every other setting that
    still varies among the runs of one optimizer on one task. Settings that merely follow the task or the
    optimizer are left out.
    """
    task = varying(table, [name for name in TASK if name in table])
    group = [*task, "optimizer"]
    others = varying(table, [name for name in settings_of(table) if name not in (*TASK, "optimizer", "seed")])
    if not others:
        return task
    per_group = table.groupby(group, dropna=False, sort=False)[others].nunique(dropna=False)
    return task + [name for name in others if (per_group[name] > 1).any()]


def following(table: pd.DataFrame) -> dict[str, frozenset[str]]:
    """The telling settings that one optimizer alone has several of on one task, with that optimizer.

    They make columns of that optimizer (GAM in batches of 128 and of 256) beside the one of the others, and
    no rows, in which it would stand alone. More than `VARIANTS` of them are a sweep, and make rows.
    Epochs and base are part of what is asked, and always make rows.
    """
    task = varying(table, [name for name in TASK if name in table])
    found = {}
    for name in (name for name in telling(table) if name not in (*TASK, "epochs", "base")):
        counts = table.groupby([*task, "optimizer"], dropna=False, sort=False)[name].nunique(dropna=False)
        having = frozenset(counts[counts > 1].index.get_level_values("optimizer"))
        if len(having) == 1 < table["optimizer"].nunique() and counts.max() <= VARIANTS:
            found[name] = having
    return found


def check_key(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Raise UserError for an unknown setting, or when `names` would leave different runs in one cell."""
    known = settings_of(table)
    for name in names:
        if name not in known:
            raise UserError(f"{name!r} is no setting of these runs{did_you_mean(name, known)}")
    mixed = [
        name
        for name in (*telling(table), "optimizer")
        if name not in names and name in varying(table, [name])
    ]
    if mixed:
        per_cell = table.groupby(list(names), dropna=False, sort=False)[mixed].nunique(dropna=False)
        mixed = [name for name in mixed if (per_cell[name] > 1).any()]
    if mixed:
        raise UserError(
            f"a cell would mix runs that differ in {', '.join(mixed)}; add it to --rows or --columns"
        )


def cells(
    table: pd.DataFrame,
    key: Sequence[str],
    metrics: Sequence[Figure],
    margin: float = MARGIN,
    variants: Mapping[str, frozenset[str]] | None = None,
) -> list[Cell]:
    """All cells in order of first appearance, judged by the first of `metrics` within `margin`.

    `variants`: those of `key` that make columns and no rows (see `following`).
    """
    constant = [name for name in settings_of(table) if name != "seed"]
    columns = [(metric, _column(table, metric.name)) for metric in metrics]
    states, seeds, uids = table["state"].tolist(), table["seed"].tolist(), table["uid"].tolist()
    sources, numerics = table["sources"].tolist(), _column(table, "numerics")
    machines = list(zip(table["device_name"].tolist(), map(_known, _column(table, "threads")), strict=True))
    groups = _groups(table, list(key))
    firsts = table[constant].iloc[[rows[0] for rows in groups]].to_dict("records")
    made = []
    for rows, first in zip(groups, firsts, strict=True):
        settings = {str(name): value for name, value in first.items() if not _missing(value)}
        done = [row for row in rows if states[row] == "done"]
        ran_on = {seeds[row]: machines[row] for row in done}
        samples = tuple(
            _sample(metric, {seeds[row]: column[row] for row in done if math.isfinite(column[row])}, ran_on)
            for metric, column in columns
        )
        cell = Cell(
            key={name: settings.get(name) for name in key},
            settings=settings,
            samples=samples,
            states=Counter(states[row] for row in rows),
            variants=variants or {},
            numerics={seeds[row]: int(numerics[row]) for row in done},
            machines=ran_on,
            diverged=frozenset(seeds[row] for row in rows if states[row] == "diverged"),
            assumed=_assumed(sources[rows[0]]),
            runs=[uids[row] for row in rows],
            published=matches(settings, metrics[0].name),
        )
        cell.published = _judged(cell, margin)
        made.append(cell)
    return made


def _sample(metric: Figure, values: dict[int, float], ran_on: dict[int, Machine]) -> Sample:
    matters = metric.by_machine and metric.unit != "ratio"  # a ratio is of one machine already
    return Sample(metric, values, max(1, len({ran_on[seed] for seed in values})) if matters else 1)


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _judged(cell: Cell, margin: float) -> list[Match]:
    """The published figures, those of the same recipe judged."""
    return [replace(m, judgement=_judgement(cell, m, margin)) if m.same else m for m in cell.published]


def _judgement(cell: Cell, match: Match, margin: float) -> Judgement:
    if cell.main.mean is None:
        return Judgement(Verdict.UNDECIDED, reason="no finished run")
    return judge(cell.main.n, cell.main.mean, cell.main.sd, match.figure, margin)


def _groups(table: pd.DataFrame, key: list[str]) -> list[list[int]]:
    """Row numbers of each group, in order of first appearance."""
    numbers = table.groupby(key, dropna=False, sort=False).ngroup().tolist() if key else [0] * len(table)
    groups: list[list[int]] = [[] for _ in range(max(numbers, default=-1) + 1)]
    for row, number in enumerate(numbers):
        groups[number].append(row)
    return groups


def _column(table: pd.DataFrame, name: str) -> list[float]:
    return table[name].tolist() if name in table else [math.nan] * len(table)


def _missing(value: Any) -> bool:
    return value is None or value != value


@cache
def _assumed(sources: str) -> int | None:
    return sum(source == "assumed" for source in json.loads(sources).values()) if sources else None


def sort_key(name: str, value: Any) -> tuple[Any, ...]:
    """The catalogue's order where there is one, else numbers by size and names by the numbers in them."""
    if value is None:
        return (0, 0, ())
    if isinstance(value, int | float):
        return (1, float(value), ())
    catalogues: dict[str, Iterable[str]] = {
        "dataset": DATASETS, "augmentation": AUGMENTATIONS, "optimizer": OPTIMIZERS,
    }  # fmt: skip
    known = list(catalogues.get(name, ()))
    place = known.index(value) if value in known else len(known)
    parts = tuple(
        (1, int(part)) if part.isdigit() else (0, part) for part in re.split(r"(\d+)", str(value)) if part
    )
    return (2, place, tuple((kind, str(part).zfill(12) if kind else part) for kind, part in parts))
