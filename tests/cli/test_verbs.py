"""The group of verbs: what its help says, what a typo is told, what is imported, what a shell completes."""

import inspect
import os
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import gam_bench
from gam_bench.cli import verbs
from gam_bench.cli.verbs import VERBS

LINES = {verb: line for panel in VERBS.values() for verb, line in panel.items()}
MODULES = {path.stem for path in (Path(gam_bench.__file__).parent / "cli").glob("*.py")}

MAIN = """import sys
from gam_bench.cli import main
sys.argv = ["gam-bench", *sys.argv[1:]]
try:
    main()
finally:
    print(*sorted(name for name in sys.modules if name.startswith("gam_bench.cli.")), file=sys.stderr)
    print(*({"torch", "pydantic", "yaml", "pandas", "submitit"} & set(sys.modules)), file=sys.stderr)
"""


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"COLUMNS": "200"} | environment,
    )


def test_help_lists_every_verb_in_its_panel_with_its_first_words_and_imports_none():
    done = command("--help")
    assert done.returncode == 0
    *_, imported, heavy = done.stderr.splitlines()
    assert imported.split() == ["gam_bench.cli.plain", "gam_bench.cli.verbs"]
    assert heavy == ""
    place = 0
    for panel, lines in VERBS.items():
        place = done.stdout.index(f" {panel} ", place)
        for verb, line in lines.items():
            place = done.stdout.index(f"│ {verb} ", place)
            assert line.replace("`", "") in done.stdout[place : place + 200]


@pytest.mark.parametrize("verb", LINES)
def test_a_verbs_line_is_what_it_says_of_itself(verb):
    module = import_module(f"gam_bench.cli.{verb}")
    said = module.app.info.help if hasattr(module, "app") else inspect.getdoc(module.command)
    assert " ".join(said.partition("\n\n")[0].split()) == LINES[verb]


def test_every_verb_is_in_the_help():
    verbs = {
        name
        for name in MODULES - {"__init__"}
        if {"command", "app"} & vars(import_module(f"gam_bench.cli.{name}")).keys()
    }
    assert verbs == set(LINES)


@pytest.mark.parametrize(
    ("arguments", "others"),
    [
        ("list suites", {"list"}),
        ("show quickstart", {"show"}),
        ("plan quickstart", {"plan"}),
        ("status quickstart", {"status"}),
        ("data list", {"data"}),
        ("logs x", {"logs"}),
        ("cancel x", {"cancel"}),
        ("retry quickstart --cluster cpu", {"retry"}),
    ],
)
def test_a_verb_imports_no_other_verb(arguments, others, tmp_path):
    done = command(*arguments.split(), PATH="")
    imported = {name.rpartition(".")[2] for name in done.stderr.splitlines()[-2].split()}
    assert imported & set(LINES) == others


def test_the_version():
    assert command("--version").stdout == f"gam-bench {gam_bench.__version__}\n"


@pytest.mark.parametrize(("typo", "meant"), [("plann", "'plan'"), ("tabel", "'table'")])
def test_a_typo_is_told_the_nearest_verb(typo, meant):
    done = command(typo, "quickstart")
    assert done.returncode == 2
    assert f"No such command '{typo}'. Did you mean {meant}" in done.stderr


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("gam-bench pl", {"plan", "plot"}),
        ("gam-bench run --pro", {"--processes"}),
        ("gam-bench data pre", {"prepare"}),
        ("gam-bench list data", {"datasets"}),
    ],
)
def test_a_shell_completes_verbs_options_and_values(typed, offered):
    words = typed.split()
    told = {"COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1), "_GAM_BENCH_COMPLETE": "complete_bash"}
    assert set(command(**told).stdout.split()) == offered


def examples(text: str, name: str) -> list[list[str]]:
    """The command lines after `Example` in a help text."""
    shown = " ".join(re.split(r"\bExamples?: ", text)[1:])
    return [
        shlex.split(line)[1:] for line in re.findall(rf"`(gam-bench {name}\b[^`]*)`", " ".join(shown.split()))
    ]


@pytest.mark.parametrize("verb", sorted(LINES))
def test_help_has_examples_that_can_be_typed(verb):
    loaded = verbs._verb(verb)
    for own_name, typed in getattr(loaded, "commands", {"": loaded}).items():
        name = f"{verb} {own_name}".strip()
        found = examples(typed.help, name)
        assert found, name
        for words in found:
            arguments = words[len(name.split()) :]
            typed.make_context(name, arguments)  # refuses what the verb does not take
        assert f"gam-bench {name}" in command(*name.split(), "--help").stdout


def test_an_example_with_an_option_that_is_not_there_would_be_found():
    with pytest.raises(Exception, match="No such option: --nonsense"):
        verbs._verb("plan").make_context("plan", ["quickstart", "--nonsense"])
