"""YAML as suites are written in: safe, no key twice, and every mapping knows its lines."""

from pathlib import Path
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from gam_bench.errors import UserError


class Mapping(dict[str, Any]):
    """A YAML mapping that remembers the line (from 1) on which it and each of its keys stand."""

    line: int
    lines: dict[str, int]


class _Lines(SafeConstructor):
    def construct_mapping_with_lines(self, node: yaml.MappingNode) -> Mapping:
        mapping = Mapping()
        mapping.line = node.start_mark.line + 1
        mapping.lines = {}
        self.flatten_mapping(node)
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise UserError(f"line {line}: the key {key!r} is no text; put it in quotes")
            if key in mapping:
                raise UserError(f"line {line}: {key!r} is there twice (first on line {mapping.lines[key]})")
            mapping[key] = self.construct_object(value_node, deep=True)
            mapping.lines[key] = line
        return mapping


_Lines.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _Lines.construct_mapping_with_lines)  # type: ignore[type-var]


class _Loader(_Lines, yaml.SafeLoader):
    """In Python, whose complaints say more."""


class _Quick(_Lines, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """In C, where PyYAML has it: several times faster."""


def read(path: Path) -> Mapping:
    """The mapping in a YAML file. Raises UserError for a file that cannot be read or is no mapping."""
    try:
        content = _load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{place}: {getattr(error, 'problem', None) or 'is no YAML'}") from None
    except UserError as error:
        raise UserError(f"{path}, {error}") from None
    if not isinstance(content, Mapping):
        raise UserError(f"{path} must be a mapping of keys to values (title:, runs:, settings:, …)")
    return content


def _load(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Quick)  # noqa: S506, a SafeLoader
    except yaml.YAMLError:
        return yaml.load(text, Loader=_Loader)  # noqa: S506, a SafeLoader
