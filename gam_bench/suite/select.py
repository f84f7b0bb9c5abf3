"""Choosing some of a suite's runs: `--seeds 0,1` and `--only optimizer=gam,model=resnet*`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gam_bench.errors import UserError, did_you_mean
from gam_bench.suite.spec import all_settings
from gam_bench.suite.suite import Run, Suite, load, matches

MOST_SEEDS = 10_000


def parse_seeds(text: str) -> list[int]:
    """`0,1` or `0-9` as a list, nothing as an empty one. Raises UserError for anything else."""
    seeds: dict[int, None] = {}
    for part in text.split(",") if text else ():
        found = re.fullmatch(r"\s*([0-9]{1,18})\s*(?:-\s*([0-9]{1,18})\s*)?", part)
        if found is None:
            raise UserError(f"--seeds {text!r}: {part!r} is no seed; write 0,1,2 or 0-9")
        first, last = int(found[1]), int(found[2] or found[1])
        if last < first:
            raise UserError(f"--seeds {text!r}: {part!r} runs backwards; write {last}-{first}")
        if last - first >= MOST_SEEDS:
            raise UserError(f"--seeds {text!r}: {last - first + 1:,} seeds are more than {MOST_SEEDS:,}")
        seeds |= dict.fromkeys(range(first, last + 1))
    return list(seeds)


def parse_only(texts: Sequence[str]) -> dict[str, list[Any]]:
    """`optimizer=sam,gam,model=resnet*` as conditions; a word without `=` is one more value of its key.

    Raises UserError for a key that is no setting.
    """
    where: dict[str, list[Any]] = {}
    for text in texts:
        key = ""
        for part in text.split(","):
            name, equals, value = part.partition("=")
            if equals:
                key = name.strip()
                if key not in all_settings():
                    raise UserError(f"--only: unknown setting {key!r}{did_you_mean(key, all_settings())}")
            elif not key:
                raise UserError(f"--only {text!r}: write SETTING=VALUE, for example optimizer=gam")
            where.setdefault(key, []).append(_scalar(value if equals else name))
    return where


def part(seeds: str, only: Sequence[str]) -> str:
    """Which part of the runs the options leave: `--only optimizer=sam --seeds 0-4`; empty for all."""
    words = [f"--only {text}" for text in only] + [f"--seeds {seeds}"] * bool(seeds)
    return " ".join(words)


def chosen(name: str, seeds: str = "", only: Sequence[str] = ()) -> tuple[Suite, list[Run]]:
    """A suite, and those of its runs that `--seeds` and `--only` name. Raises UserError."""
    suite = load(name, parse_seeds(seeds))
    return suite, select(suite.runs, parse_only(only))


def select(runs: Sequence[Run], where: dict[str, list[Any]]) -> list[Run]:
    """The runs that meet the conditions. Raises UserError when none does, naming what there is."""
    places = meeting([run.settings for run in runs], where)
    return [runs[place] for place in places]


def meeting(settings: Sequence[Mapping[str, Any]], where: dict[str, list[Any]]) -> list[int]:
    """The places of those settings that meet the conditions. Raises UserError as `select`."""
    chosen = [place for place, flat in enumerate(settings) if matches(flat, where)]
    if settings and not chosen:
        for key, wanted in where.items():
            there = {str(flat.get(key)) for flat in settings}
            if not any(matches(flat, {key: wanted}) for flat in settings):
                shown = ", ".join(map(str, wanted))
                raise UserError(f"--only {key}={shown}: there is no such run{did_you_mean(shown, there)}")
        raise UserError("--only: no run meets all conditions together")
    return chosen


def _scalar(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
