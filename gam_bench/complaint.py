"""Pydantic's findings in the field's words: `rho must be ≥ 0, got -1`."""

from typing import Any

from pydantic import ValidationError

_BOUNDS = {
    "greater_than": ("gt", ">"),
    "greater_than_equal": ("ge", "≥"),
    "less_than": ("lt", "<"),
    "less_than_equal": ("le", "≤"),
}


def complaints(error: ValidationError) -> list[tuple[str, str]]:
    """(where, what is wrong and what was given), one for each finding; `where` is dotted."""
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
