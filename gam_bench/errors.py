"""What a user did wrong, said in one line."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


class UserError(Exception):
    """Bad input. The command line prints the message as one line and exits with 2."""


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """The end of an error message: the nearest of `options`, or the first few of them, or nothing."""
    options = sorted(options)
    near = get_close_matches(word, options, n=3, cutoff=0.6)
    if near:
        return f"; did you mean {' or '.join(repr(name) for name in near)}?"
    if not options:
        return ""
    shown = ", ".join(options[:12])
    return f"; there is {shown}{f' and {len(options) - 12} more' if len(options) > 12 else ''}"


_BOUNDS = {
    "greater_than": ("gt", ">"),
    "greater_than_equal": ("ge", "≥"),
    "less_than": ("lt", "<"),
    "less_than_equal": ("le", "≤"),
}


def complaints(error: "ValidationError") -> list[tuple[str, str]]:
    """Pydantic's findings in the field's words, as (where, `must be ≥ 0, got -1`); `where` is dotted."""
    findings = error.errors(include_url=False)
    return [(".".join(str(step) for step in found["loc"]), _complaint(found)) for found in findings]


def _complaint(found: Any) -> str:
    kind, value = found["type"], found.get("input")
    if kind in _BOUNDS:
        key, sign = _BOUNDS[kind]
        return f"must be {sign} {found['ctx'][key]:g}, got {value}"
    if kind == "missing":
        return "is not set"
    if kind == "extra_forbidden":
        return "is unknown here"
    if kind == "literal_error":
        return f"must be {found['ctx']['expected']}, got {value!r}"
    if kind in ("float_type", "int_type", "float_parsing", "int_parsing") and isinstance(value, str):
        return f"must be a number, got the text {value!r}{_number_hint(value)}"
    if kind in ("int_type", "int_from_float"):
        return f"must be a whole number, got {value!r}"
    said = found["msg"].removeprefix("Value error, ").replace("Input should be ", "must be ")
    return f"{said}, got {value!r}"


def _number_hint(text: str) -> str:
    """YAML 1.1 reads 1e-3 as text: only a mantissa with a point makes it a number."""
    try:
        float(text)
    except ValueError:
        return ""
    mantissa, mark, exponent = text.lower().partition("e")
    if mark and "." not in mantissa:
        return f"; YAML wants a point in it: {mantissa}.0e{exponent}"
    return "; write it without quotes"
