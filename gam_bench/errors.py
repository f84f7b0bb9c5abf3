"""What a user did wrong, said in one line."""

from collections.abc import Iterable
from difflib import get_close_matches


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
