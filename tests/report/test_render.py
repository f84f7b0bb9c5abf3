"""The text of each format, held by golden files; escaping; LaTeX by a real pdflatex.

After a change that is meant, `GOLDEN=write python -m pytest tests/report/test_render.py` writes the files
anew: read the diff.
"""

import csv
import html.parser
import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import published_runs, runs, small_frame

from gam_bench.report.render import FORMATS, SHOWN_FINDINGS, _latex, _markdown, render, terminal
from gam_bench.report.table import build

GOLDEN = Path(__file__).parent / "golden"
NASTY = r"50 % & more_of $x^2$ #1 {a} \cmd ~ <b>|`*` [1](x) “q” 'é' λ ± — 漢"


SOURCES = {"lr": "assumed", "rho": "assumed", "epochs": "GAM-code"}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Sources are set here, so that golden text does not follow the suites' provenance."""
    measured = small_frame(tmp_path_factory.mktemp("small"), curves=False)
    return build(measured.assign(sources=json.dumps(SOURCES)))


@pytest.fixture(scope="module")
def published(rerun):
    return build(rerun)


@pytest.fixture(scope="module")
def nasty():
    return build(
        pd.concat(
            [runs({"sgd": [0.8] * 3, "sam": [0.9] * 3}, model=name) for name in (NASTY, "plain")],
            ignore_index=True,
        )
    )


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ["small", "published"])
def test_the_text_of_each_format(request, format, name):
    text = render(request.getfixturevalue(name), format)
    path = GOLDEN / f"{name}.{format}"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_json_is_a_list_of_cells(small):
    cells = json.loads(render(small, "json"))["cells"]
    wanted = {
        "dataset",
        "label_noise",
        "augmentation",
        "model",
        "optimizer",
        "metric",
        "mean",
        "sd",
        "n",
        "planned",
    }
    assert all(wanted <= set(cell) for cell in cells)
    (cell,) = [
        cell for cell in cells
        if (cell["optimizer"], cell["label_noise"], cell["metric"]) == ("sam", 0.0, "test_accuracy")
    ]  # fmt: skip
    assert (cell["n"], cell["planned"], cell["seeds"]) == (3, 3, [0, 1, 2])
    assert cell["mean"] == pytest.approx(0.97 + 0.001 * (1 + 3 + 0) / 3)


def cell_rows(table):
    return [row for row in csv.DictReader(io.StringIO(render(table, "csv"))) if row["record"] == "cell"]


def test_csv_has_the_same_cells(small):
    cells, rows = json.loads(render(small, "json"))["cells"], cell_rows(small)
    assert [(row["optimizer"], row["metric"], row["n"]) for row in rows] == [
        (cell["optimizer"], cell["metric"], str(cell["n"])) for cell in cells
    ]
    assert [float(row["mean"]) for row in rows if row["mean"]] == [
        c["mean"] for c in cells if c["mean"] is not None
    ]


def test_the_published_figure_and_its_source_stand_beside_the_measured_one(published):
    text = render(published, "markdown")
    row = next(line for line in text.splitlines() if line.startswith("| cifar100"))
    below = text.splitlines()[text.splitlines().index(row) + 1]
    measured = [entry.strip() for entry in row.split("|")[3:6]]
    assert measured == ["79.23 ± 0.17", "79.38 ± 0.30", "79.86 ± 0.26"]
    assert "79.23 ± 0.17 (n = 10) Waterloo" in below
    assert "Waterloo: github thomask902/2024-Numerical-Optimization-Research" in text


def test_json_names_every_published_figure_and_what_differs(published):
    cells = json.loads(render(published, "json"))["cells"]
    (cell,) = [c for c in cells if (c["dataset"], c["optimizer"]) == ("cifar10", "gam")]
    assert [figure["n"] for figure in cell["published"]] == [10, 1]
    assert cell["published"][1]["differences"] == ["batch_size 128 there, 256 here"]
    assert cell["verdict"]["verdict"] == "reproduced"


@pytest.mark.parametrize("format", ["terminal", "markdown", "latex", "html"])
def test_many_findings_are_cut_and_counted(format):
    made = [runs({"sgd": [0.8] * 3, "sam": [0.9] * 3}, label_noise=n / 100) for n in range(30)]
    text = render(build(pd.concat(made, ignore_index=True)), format)
    assert f"{30 - SHOWN_FINDINGS} more comparisons are in --format json and csv" in text


def test_colour_is_only_for_terminals(small):
    assert "\x1b" not in render(small, "terminal")
    assert "\x1b[1m" in terminal(small, colour=True, width=60)


def test_the_title_says_which_epoch(small):
    for format in ("terminal", "markdown", "latex", "html"):
        assert "last epoch" in render(small, format)
    table = build(published_runs("basic", "best_test_accuracy"), ["best_test_accuracy"])
    assert "picked on the test set" in render(table, "latex")


@given(st.text(max_size=40))
def test_markdown_keeps_its_cells(text):
    escaped = _markdown(text)
    assert "\n" not in escaped
    bare = escaped.replace("\\\\", "")
    assert all(bare[place - 1] == "\\" for place, char in enumerate(bare) if char in "|<*_`")


def cells_of(line: str) -> int:
    return line.replace("\\|", "").count("|") - 1


def test_markdown_rows_have_as_many_cells_as_the_head(nasty):
    lines = [line for line in render(nasty, "markdown").splitlines() if line.startswith("|")]
    assert len({cells_of(line) for line in lines}) == 1


class Text(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def test_html_shows_text_and_runs_none_of_it(nasty):
    parser = Text()
    parser.feed(render(nasty, "html"))
    assert NASTY in parser.text
    assert parser.tags <= {"style", "table", "caption", "thead", "tbody", "tr", "th", "td", "p", "ul", "li"}


@given(st.text(max_size=40))
def test_latex_is_plain(text):
    escaped = _latex(text)
    assert all(char.isascii() or (char.isalpha() and ord(char) < 0x180) for char in escaped)


@pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="needs pdflatex (texlive-latex-base, -recommended)"
)
@pytest.mark.parametrize("name", ["small", "published", "nasty"])
def test_latex_compiles_as_it_stands(request, tmp_path, name):
    table = render(request.getfixturevalue(name), "latex")
    (tmp_path / "table.tex").write_text(table, encoding="utf-8")
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{table}\end{document}"
    (tmp_path / "paper.tex").write_text(document)
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
