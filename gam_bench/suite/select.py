"""Choosing some of a suite's runs: `--seeds 0,1` and `--only optimizer=gam,model=resnet*`."""

from collections.abc import Sequence
from typing import Any

from gam_bench.errors import UserError, did_you_mean
from gam_bench.suite.spec import all_settings
from gam_bench.suite.suite import Run, Suite, load, matches


def parse_seeds(text: str) -> list[int]:
    """`0,1` or `0-9` as a list. Raises UserError for anything else."""
    seeds: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        if not first.strip().isdigit() or (last and not last.strip().isdigit()):
            raise UserError(f"--seeds {text!r}: {part!r} is no seed; write 0,1,2 or 0-9")
        seeds += range(int(first), int(last or first) + 1)
    return list(dict.fromkeys(seeds))


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


def chosen(name: str, seeds: str = "", only: Sequence[str] = ()) -> tuple[Suite, list[Run]]:
    """A suite, and those of its runs that `--seeds` and `--only` name. Raises UserError."""
    suite = load(name, parse_seeds(seeds))
    return suite, select(suite.runs, parse_only(only))


def select(runs: Sequence[Run], where: dict[str, list[Any]]) -> list[Run]:
    """The runs that meet the conditions. Raises UserError when none does, naming what there is."""
    chosen = [run for run in runs if matches(run.spec.flat(), where)]
    if runs and not chosen:
        for key, wanted in where.items():
            there = {str(run.spec.flat().get(key)) for run in runs}
            if not any(matches(run.spec.flat(), {key: wanted}) for run in runs):
                shown = ", ".join(map(str, wanted))
                raise UserError(f"--only {key}={shown}: no run of this suite{did_you_mean(shown, there)}")
        raise UserError("--only: no run of this suite meets all conditions together")
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
