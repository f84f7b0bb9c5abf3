"""The command line: one file a verb, which parses, calls and renders."""

import os
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

import gam_bench
from gam_bench.cli import plain, verbs
from gam_bench.errors import UserError

app = typer.Typer(
    name="gam-bench",
    cls=verbs.Verbs,
    help="Does GAM beat SAM beat SGD, by how much, and at what cost? Run it on your machine.",
    epilog="Begin with: gam-bench run quickstart",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
verbs.add_to(app)
_RENAMED = {"--gpus-per-run": "--processes"}
"""Old names of options, which are still read."""


def _version(asked: bool) -> None:
    if asked:
        print(f"gam-bench {gam_bench.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    return


def main() -> None:
    """Run the command line. Bad input is one line on stderr and exit code 2, never a traceback."""
    plain.on_narrow_terminals()
    try:
        app([*_current(sys.argv[1:])])
    except UserError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


def _current(words: Iterable[str]) -> Iterable[str]:
    """The words of the command line, with options under their names of today; an old name is noted."""
    for word in words:
        name, sign, value = word.partition("=")
        if name in _RENAMED:
            print(f"note: {name} is called {_RENAMED[name]} now", file=sys.stderr)
        yield _RENAMED.get(name, name) + sign + value
