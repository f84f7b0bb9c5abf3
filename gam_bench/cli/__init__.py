"""The command line: one file a verb, which parses, calls and renders."""

import os
import sys

import typer

from gam_bench.cli import (
    bench,
    cancel,
    data,
    export,
    logs,
    merge,
    plain,
    plan,
    plot,
    report,
    retry,
    run,
    show,
    status,
    submit,
    table,
)
from gam_bench.cli import list as list_
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
_VERBS = {
    "Look": {"list": list_, "show": show, "plan": plan},
    "Run here": {"run": run, "bench": bench},
    "Run on a cluster": {"submit": submit, "status": status, "logs": logs, "retry": retry, "cancel": cancel},
    "Compare": {"table": table, "report": report, "plot": plot, "export": export, "merge": merge},
}
for _panel, _verbs in _VERBS.items():
    for _name, _module in _verbs.items():
        app.command(_name, rich_help_panel=_panel)(_module.command)
app.add_typer(data.app, name="data", rich_help_panel="Prepare")


def main() -> None:
    """Run the command line. Bad input is one line on stderr and exit code 2, never a traceback."""
    plain.on_narrow_terminals()
    try:
        app()
    except UserError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read our output has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
