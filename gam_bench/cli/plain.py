"""Text for streams that cannot hold all of Unicode: `PYTHONIOENCODING=ascii`, `LANG=C`, old consoles."""

import codecs
import sys
from io import TextIOWrapper

PLAIN = {
    "−": "-", "±": "+-", "×": "x", "·": "|", "…": "...", "–": "-", "—": "-", "≤": "<=", "≥": ">=", "→": "->",
    "’": "'", "‘": "'", "“": '"', "”": '"', "λ": "lambda", "ρ": "rho", "α": "alpha", "β": "beta",
    "γ": "gamma", "²": "2", "ⁿ": "n", "√": "sqrt", "✓": "ok", "✗": "x",
}  # fmt: skip


def on_narrow_terminals() -> None:
    """From here on a character that standard output or error cannot hold is written plainly, or as `?`."""
    codecs.register_error("plain", _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="plain")


def _plain(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(PLAIN.get(char, "?") for char in text), error.end
