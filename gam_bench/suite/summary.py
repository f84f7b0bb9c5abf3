"""A suite in few rows, as a paper's appendix has it: its grid, and of which runs each setting is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from gam_bench.suite.suite import DEFAULT, VARIED, Run

Column = Sequence[object]
Block = tuple[tuple[object, ...], ...]
Grid = dict[str, tuple[object, ...]]
"""Factor → values; it stands for the product of the lists."""


@dataclass(frozen=True)
class Row:
    """A value of a setting, its source, and the part of the grid that has it.

    `of` leaves out the factors with which the value does not vary.
    """

    setting: str
    value: object
    source: str
    of: Grid


def grids(runs: Sequence[Run]) -> list[Grid]:
    """The runs as products of what the suite varies, and of seeds. A run without a factor has "" there."""
    columns = {name: _column(runs, name) for name in (*factors(runs), "seed")}
    return _products(columns, list(range(len(runs))))


def factors(runs: Sequence[Run]) -> list[str]:
    """What the suite's blocks name, seeds apart: all that a setting can depend on."""
    named = dict.fromkeys(key for run in runs for key, source in run.sources.items() if source == VARIED)
    return [
        key
        for key in named
        if key != "seed"
        and (len(set(_column(runs, key))) > 1 or all(run.sources[key] == VARIED for run in runs))
    ]


def rows(runs: Sequence[Run]) -> list[Row]:
    """Every setting that a rule gives, or is assumed, in some run; what is varied stands in the grids."""
    columns = {name: _column(runs, name) for name in factors(runs)}
    found = []
    for key in dict.fromkeys(key for run in runs for key in run.sources):
        sources = [run.sources.get(key, "") for run in runs]
        if set(sources) <= {"", VARIED, DEFAULT}:
            continue
        values = _column(runs, key)
        deciding = _deciding(values, sources, columns, key)
        having = [i for i, source in enumerate(sources) if source]
        whole = {name: {column[i] for i in having} for name, column in deciding.items()}
        for value, source in dict.fromkeys((values[i], sources[i]) for i in having if sources[i] != VARIED):
            places = [i for i in having if (values[i], sources[i]) == (value, source)]
            for grid in _products(deciding, places):
                of = {name: given for name, given in grid.items() if set(given) != whole[name]}
                found.append(Row(key, value, source, of))
    return found


def left_alone(runs: Sequence[Run]) -> dict[str, object]:
    """The run settings that no rule names in any run, with their defaults."""
    keys = [key for key in runs[0].sources if all(run.sources.get(key) == DEFAULT for run in runs)]
    return {key: runs[0].settings[key] for key in keys}


def _column(runs: Sequence[Run], key: str) -> list[object]:
    return [run.settings.get(key, "") for run in runs]


def _deciding(
    values: Column, sources: Sequence[str], columns: Mapping[str, Column], key: str
) -> dict[str, Column]:
    """The fewest factors that decide whether a run has the setting, and its value and source."""
    others = [name for name in columns if name != key]
    own = [values] if key in columns else []
    having = [bool(source) for source in sources]
    for count in range(len(others) + 1):
        for chosen in combinations(others, count):
            picked = [columns[name] for name in chosen]
            if _decide(picked, having) and _decide(picked + own, list(zip(values, sources, strict=True))):
                return {name: columns[name] for name in chosen}
    return {name: columns[name] for name in others}


def _decide(columns: Sequence[Column], entries: Column) -> bool:
    places = list(zip(*columns, strict=True)) if columns else [()] * len(entries)
    return len(set(zip(places, entries, strict=True))) == len(set(places))


def _products(columns: Mapping[str, Column], places: Sequence[int]) -> list[Grid]:
    """Products that together are these places, merged one factor after the other, the last first."""
    points = dict.fromkeys(tuple(column[i] for column in columns.values()) for i in places)
    blocks: list[Block] = [tuple((value,) for value in point) for point in points]
    for i in reversed(range(len(columns))):
        merged: dict[Block, tuple[object, ...]] = {}
        for block in blocks:
            rest = block[:i] + block[i + 1 :]
            merged[rest] = merged.get(rest, ()) + block[i]
        blocks = [(*rest[:i], values, *rest[i:]) for rest, values in merged.items()]
    return [dict(zip(columns, block, strict=True)) for block in blocks]
