"""What may stand in a suite file, and reading it with what it extends."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gam_bench.errors import UserError, complaints, did_you_mean
from gam_bench.files import shipped
from gam_bench.suite import yaml
from gam_bench.suite.claim import Claim
from gam_bench.suite.spec import Scalar


class Answer(BaseModel):
    """A published table that a suite answers."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: str
    table: str = ""


class Rule(BaseModel):
    """`where` a run is like this, `set` these settings, which `source` gives. Later rules win."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    where: dict[str, Scalar | list[Scalar]] = {}
    set: dict[str, Scalar]
    source: str


class SuiteFile(BaseModel):
    """The keys of a suite file. Each block of `runs` is the product of its lists."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    title: str
    about: str = ""
    answers: list[Answer] = []
    extends: str | None = None
    sources: dict[str, str] = {}
    seeds: list[int] = Field(default=[], min_length=1)
    runs: list[dict[str, Scalar | list[Scalar]]] = Field(default=[], min_length=1)
    settings: list[Rule] = []
    claims: list[Claim] = []
    margin: float | None = Field(default=None, gt=0)

    def size(self) -> int:
        """How many runs the blocks name; one that two blocks name counts twice."""
        return sum(
            math.prod(
                len(value) for value in ({"seed": self.seeds} | block).values() if isinstance(value, list)
            )
            for block in self.runs
        )


_ENTRIES: dict[str, type[BaseModel]] = {"answers": Answer, "settings": Rule, "claims": Claim}


@dataclass(frozen=True)
class PlacedRule:
    """A rule and where it stands, for messages; `own` when in the file itself, not in one it extends."""

    rule: Rule
    place: str
    own: bool = True


def suite_names() -> list[str]:
    """The names of the suites that come with the package."""
    return sorted(path.stem for path in shipped("suites").glob("*.yaml"))


def find(name: str) -> Path:
    """The file of a shipped suite, or a user's own: a path that ends in .yaml. Raises UserError."""
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise UserError(f"there is no suite file {name}")
        return Path(name)
    path = shipped("suites", f"{name}.yaml")
    if "/" in name or not path.is_file():
        raise UserError(f"unknown suite {name!r}{did_you_mean(name, suite_names())}")
    return path


def read(path: Path, seen: tuple[Path, ...] = ()) -> tuple[SuiteFile, list[PlacedRule]]:
    """The file, completed by what it extends, and all rules, those of the extended file first."""
    content = yaml.read(path)
    try:
        own = SuiteFile.model_validate(content)
    except ValidationError as error:
        raise UserError("\n".join(f"{path}, {line}" for line in _with_lines(error, content))) from None
    lines = [entry.line for entry in content.get("settings", [])]
    rules = [PlacedRule(rule, f"line {line}") for line, rule in zip(lines, own.settings, strict=True)]
    if own.extends is not None:
        if path.resolve() in seen:
            raise UserError(f"{path} extends itself")
        base, inherited = read(_extended(path, own.extends), (*seen, path.resolve()))
        own = own.model_copy(
            update={
                "runs": own.runs or base.runs,
                "seeds": own.seeds or base.seeds,
                "answers": own.answers if "answers" in own.model_fields_set else base.answers,
                "sources": base.sources | own.sources,
                "claims": own.claims if "claims" in own.model_fields_set else base.claims,
                "margin": own.margin if "margin" in own.model_fields_set else base.margin,
            }
        )
        rules = [PlacedRule(r.rule, f"{own.extends}, {r.place}", own=False) for r in inherited] + rules
    missing = [key for key in ("seeds", "runs") if not getattr(own, key)]
    if missing:
        raise UserError(f"{path}: {' and '.join(missing)} must be given")
    return own, rules


def _extended(path: Path, name: str) -> Path:
    """A file beside the one that extends it, else a shipped suite."""
    beside = path.parent / (name if name.endswith((".yaml", ".yml")) else f"{name}.yaml")
    return beside if beside.is_file() else find(name)


def _with_lines(error: ValidationError, content: yaml.Mapping) -> list[str]:
    """Pydantic's findings, each with its line and, for an unknown key, the nearest known ones."""
    lines = []
    for found, (where, complaint) in zip(error.errors(include_url=False), complaints(error), strict=True):
        node: Any = content
        line = content.line
        for step in found["loc"]:
            if isinstance(node, yaml.Mapping):
                line = node.lines.get(str(step), node.line)
                node = node.get(str(step))
            elif isinstance(node, list) and isinstance(step, int) and step < len(node):
                node = node[step]
                line = node.line if isinstance(node, yaml.Mapping) else line
        if found["type"] == "extra_forbidden":
            model = _ENTRIES.get(str(found["loc"][0]), SuiteFile)
            complaint += did_you_mean(str(found["loc"][-1]), model.model_fields)
        lines.append(f"line {line}: {where} {complaint}")
    return list(dict.fromkeys(lines))
