"""The verbs: table, report, plot, export, merge."""

import json

import pytest
import typer
from typer.testing import CliRunner

from gam_bench.cli import export, merge, plot, report, table
from gam_bench.errors import UserError

app = typer.Typer(pretty_exceptions_enable=False)
for verb in (table, report, plot, export, merge):
    app.command(verb.__name__.rpartition(".")[2])(verb.command)


@pytest.fixture
def call(suite, results, monkeypatch, tmp_path):
    """Run a verb; `SUITE` and `RESULTS` in its arguments stand for the small suite and its results."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        words = {"SUITE": str(suite.path), "RESULTS": str(results)}
        done = CliRunner().invoke(app, [words.get(word, word) for word in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_a_suite_shows_its_planned_runs_and_a_folder_those_begun(call):
    assert "15 of 18 runs done" in call("table", "SUITE", "--results", "RESULTS")
    assert "15 of 17 runs done" in call("table", "RESULTS")


def test_a_pipe_gets_plain_text(call):
    assert "\x1b" not in call("table", "SUITE", "--results", "RESULTS")


def test_table_as_asked(call, tmp_path):
    text = call(
        "table", "SUITE", "--results", "RESULTS", "--format", "json", "--metric", "lambda_max,test_loss",
        "--only", "optimizer=sgd,gam", "--seeds", "0,1",
    )  # fmt: skip
    cells = json.loads(text)["cells"]
    assert {cell["optimizer"] for cell in cells} == {"sgd", "gam"}
    assert {cell["metric"] for cell in cells} == {"lambda_max", "test_loss"}
    assert {cell["planned"] for cell in cells} == {2}
    assert call("table", "SUITE", "--results", "RESULTS", "--format", "latex", "-o", "out/table.tex") == ""
    assert (tmp_path / "out" / "table.tex").read_text().startswith("% needs \\usepackage{booktabs}")


def test_export_then_table_without_run_folders(call, results):
    before = call("table", "SUITE", "--results", "RESULTS")
    call("export", "SUITE", "--results", "RESULTS")
    call("export", "SUITE", "--results", "RESULTS", "--format", "csv")
    (results / "runs").rename(results / "away")
    assert call("table", str(results / "small" / "runs.jsonl")) == before
    assert call("table", str(results / "small" / "runs.csv")) == before
    assert call("table", str(results / "small")) == before


def test_report_writes_a_page(call, results):
    call("report", "SUITE", "--results", "RESULTS")
    assert (results / "report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(("format", "magic"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_plot_writes_a_file_a_kind(call, tmp_path, format, magic):
    call("plot", "SUITE", "--results", "RESULTS", "--format", format, "-o", "figures")
    files = sorted((tmp_path / "figures").iterdir())
    assert [path.name for path in files] == [
        f"{kind}.{format}" for kind in ("cost", "curves", "flatness", "trace")
    ]
    assert all(path.read_bytes().startswith(magic) for path in files)


def test_merge_of_two_halves_is_the_whole(call, tmp_path):
    call("export", "SUITE", "--results", "RESULTS", "-o", "all.jsonl")
    call("export", "SUITE", "--results", "RESULTS", "--seeds", "0", "-o", "one.jsonl")
    call("export", "SUITE", "--results", "RESULTS", "--seeds", "1,2", "-o", "two.csv")
    call("merge", "one.jsonl", "two.csv", "-o", "both.jsonl")
    lines = [set((tmp_path / name).read_text().splitlines()) for name in ("all.jsonl", "both.jsonl")]
    assert lines[0] == lines[1]
    assert call("table", "both.jsonl") == call("table", "one.jsonl", "two.csv") == call("table", "all.jsonl")


def test_a_clash_writes_nothing(call, tmp_path):
    call("export", "SUITE", "--results", "RESULTS", "-o", "one.jsonl")
    text = (tmp_path / "one.jsonl").read_text()
    (tmp_path / "two.jsonl").write_text(text.replace('"lambda_max": 80', '"lambda_max": 81'))
    with pytest.raises(UserError, match=r"is in both one\.jsonl and two\.jsonl with different lambda_max"):
        call("merge", "one.jsonl", "two.jsonl", "-o", "both.jsonl")
    assert not (tmp_path / "both.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["table", "SUITE", "--metric", "loss"], "unknown metric 'loss'"),
        (["table", "SUITE", "--rows", "modell"], "did you mean 'model'"),
        (["table", "nosuch.jsonl"], "cannot read nosuch.jsonl: No such file"),
        (["table", "quickstrat"], "unknown suite 'quickstrat'"),
        (["plot", "SUITE", "--results", "empty"], "no finished run to draw"),
        (["export", "SUITE", "--results", "RESULTS", "-o", "runs.parquet"], "as .jsonl or .csv"),
    ],
)
def test_bad_input_is_one_clear_line(call, arguments, complaint):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert complaint in str(caught.value)
