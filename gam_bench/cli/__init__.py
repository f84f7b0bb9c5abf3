"""The command line: one file a verb, which parses, calls and renders."""

import os
import sys

import typer

from gam_bench.cli import list as list_
from gam_bench.cli import plan, run, show, table
from gam_bench.errors import UserError

app = typer.Typer(
    name="gam-bench",
    help="Does GAM beat SAM beat SGD, by how much, and at what cost? Run it on your machine.",
    epilog="Begin with: gam-bench run quickstart",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _verb in (list_, show, plan, run, table):
    app.command(_verb.__name__.rpartition(".")[2])(_verb.command)


def main() -> None:
    """Run the command line. Bad input is one line on stderr and exit code 2, never a traceback."""
    try:
        app()
    except UserError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
