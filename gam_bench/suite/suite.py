"""A suite: the runs that one file names, and where each of their settings comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from gam_bench.errors import UserError, did_you_mean
from gam_bench.suite import claim
from gam_bench.suite.file import Answer, PlacedRule, SuiteFile, find, read
from gam_bench.suite.sources import known_sources
from gam_bench.suite.spec import OWN_SETTINGS, BadSettings, RunSpec, Scalar, all_settings

VARIED = "suite"
"""The source of what the suite itself varies: the question it asks, not a setting it borrowed."""
ASSUMED = "assumed"
"""The source of a setting that nobody published, a component's own default (its ρ, its momentum) included."""
DEFAULT = "default"
"""The source of a run setting that no rule names, so the run does without: no warm-up, no label noise, …"""


@dataclass(frozen=True)
class Run:
    """A planned run: its spec, its identity, and the source of each setting."""

    spec: RunSpec
    uid: str
    sources: Mapping[str, str] = field(compare=False)

    def changed(self, **settings: Any) -> "Run":
        """The same run but for these settings, whose source is then the one who asks for the change."""
        spec = RunSpec.resolve(self.spec.flat() | settings)
        return Run(spec, spec.uid, {**self.sources, **dict.fromkeys(settings, VARIED)})

    @cached_property
    def settings(self) -> dict[str, Scalar]:
        """All settings in one level."""
        return self.spec.flat()

    @property
    def assumed(self) -> list[str]:
        """The names of the settings that no source gives."""
        return sorted(key for key, source in self.sources.items() if source == ASSUMED)


@dataclass(frozen=True)
class Suite:
    """A named list of runs; `name` is its file's without `.yaml`, `citations` maps source to citation.

    `question`: what its file asks of them.
    """

    name: str
    path: Path
    title: str
    about: str
    answers: tuple[Answer, ...]
    citations: Mapping[str, str]
    runs: tuple[Run, ...]
    question: claim.Question = claim.Question()  # noqa: RUF009, it is frozen


def load(name: str, seeds: Sequence[int] = ()) -> Suite:
    """Read a suite by name or path and resolve its runs; `seeds`, if any, replace those of the file.

    Raises UserError that lists every mistake in the file, a line each.
    """
    path = find(name)
    file, rules = read(path)
    citations = known_sources() | file.sources
    mistakes = _unknown_keys(file, rules, citations) + claim.mistakes(file.claims)
    runs: list[Run] = []
    if not mistakes:
        runs, mistakes = _expand(file, rules, seeds or file.seeds)
    if mistakes:
        raise UserError("\n".join(f"{path}, {mistake}" for mistake in dict.fromkeys(mistakes)))
    question = claim.Question(claims=file.claims, margin=file.margin, seeds=file.seeds)
    answers = tuple(file.answers)
    return Suite(path.stem, path, file.title, file.about, answers, citations, tuple(runs), question)


def matches(settings: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Whether every condition holds; one is a value, a list of them, or text with * and ?.

    A setting that is not given has its default.
    """
    return all(_holds(settings, key, wanted) for key, wanted in where.items())


def _holds(settings: Mapping[str, Any], key: str, wanted: Any) -> bool:
    known = RunSpec.model_fields.get(key)
    value = settings.get(key, known.default if known else None)
    return any(
        fnmatchcase(value, option) if isinstance(value, str) and isinstance(option, str) else value == option
        for option in (wanted if isinstance(wanted, list) else [wanted])
    )


def _unknown_keys(file: SuiteFile, rules: list[PlacedRule], citations: Mapping[str, str]) -> list[str]:
    known = all_settings()
    mistakes = []
    for placed in rules:
        rule = placed.rule
        if rule.source not in (ASSUMED, *citations):
            hint = did_you_mean(rule.source, [ASSUMED, *citations])
            mistakes.append(f"{placed.place}: unknown source {rule.source!r}{hint}")
        for key in (*rule.where, *rule.set):
            if key not in known:
                mistakes.append(f"{placed.place}: unknown setting {key!r}{did_you_mean(key, known)}")
    for number, block in enumerate(file.runs, start=1):
        for key in block.keys() - known:
            mistakes.append(f"runs, block {number}: unknown setting {key!r}{did_you_mean(key, known)}")
    return mistakes


def _expand(file: SuiteFile, rules: list[PlacedRule], seeds: Sequence[int]) -> tuple[list[Run], list[str]]:
    """The runs of all blocks, each once, and the mistakes met on the way."""
    runs: dict[str, Run] = {}
    mistakes: list[str] = []
    matched: set[str] = set()
    for number, block in enumerate(file.runs, start=1):
        factors: dict[str, Any] = {"seed": list(seeds)} | block
        lists = [value if isinstance(value, list) else [value] for value in factors.values()]
        for values in product(*lists):
            settings = _settings(dict(zip(factors, values, strict=True)), rules, f"runs, block {number}")
            matched |= {given.place for given in settings.values()}
            try:
                run = _run(settings)
                runs.setdefault(run.uid, run)
            except BadSettings as error:
                for setting, complaint in error.findings:
                    place = settings[setting].place if setting in settings else f"runs, block {number}"
                    mistakes.append(f"{place}: {setting} {complaint}")
    if not mistakes:
        mistakes = [
            f"{placed.place}: this rule sets nothing in any run (where {dict(placed.rule.where)})"
            for placed in rules
            if placed.own and placed.rule.set and placed.place not in matched
        ]
    return list(runs.values()), mistakes


@dataclass(frozen=True)
class _Given:
    """A setting's value, its source, and the place in the file that gave it."""

    value: Any
    source: str
    place: str


def _settings(factors: dict[str, Any], rules: list[PlacedRule], block: str) -> dict[str, _Given]:
    """The settings of one combination of factors: the rules in order, the factors above them all."""
    values = dict(factors)
    if "optimizer" in factors:
        values.setdefault("base", RunSpec.base_of(factors["optimizer"]))
    given: dict[str, _Given] = {}
    for placed in rules:
        if matches(values, placed.rule.where):
            given |= {k: _Given(v, placed.rule.source, placed.place) for k, v in placed.rule.set.items()}
            values |= placed.rule.set | factors
    return given | {key: _Given(value, VARIED, block) for key, value in factors.items()}


def _run(settings: dict[str, _Given]) -> Run:
    spec = RunSpec.resolve({key: given.value for key, given in settings.items()})
    sources = {
        key: settings[key].source if key in settings else DEFAULT if key in OWN_SETTINGS else ASSUMED
        for key in spec.flat()
    }
    if "base" not in settings and spec.base == spec.optimizer:
        sources["base"] = VARIED
    return Run(spec, spec.uid, sources)
