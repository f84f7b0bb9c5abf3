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


def test_a_claim_over_chosen_runs_says_so(call):
    """Otherwise whoever drops a row, or a seed, until a claim holds would have an answer."""
    said = "Over a part of the runs (--only label_noise=0.4 --seeds 0-1), so no answer of the whole."
    chosen = ("--results", "RESULTS", "--only", "label_noise=0.4", "--seeds", "0-1")
    for source in ("SUITE", "RESULTS"):
        assert said in call("table", source, *chosen)
        assert "a part of the runs" not in call("table", source, "--results", "RESULTS")


def test_export_then_table_without_run_folders(call, results):
    before = call("table", "SUITE", "--results", "RESULTS")
    call("export", "SUITE", "--results", "RESULTS")
    call("export", "SUITE", "--results", "RESULTS", "--format", "csv")
    (results / "runs").rename(results / "away")
    assert call("table", str(results / "small" / "runs.jsonl")) == before
    assert call("table", str(results / "small" / "runs.csv")) == before
    assert call("table", str(results / "small")) == before


@pytest.mark.parametrize("ending", ["jsonl", "csv", ""])
def test_seeds_and_only_choose_from_files_and_folders_as_from_suites(call, ending):
    chosen = ["--only", "optimizer=sgd,gam,label_noise=0.4", "--seeds", "0-1"]
    source = f"all.{ending}" if ending else "RESULTS"
    call("export", "SUITE", "--results", "RESULTS", "-o", f"all.{ending or 'csv'}")
    planned = json.loads(call("table", "SUITE", "--results", "RESULTS", "--format", "json", *chosen))["cells"]
    read = json.loads(call("table", source, "--format", "json", *chosen))["cells"]
    assert {(cell["optimizer"], cell["label_noise"]) for cell in read} == {("sgd", 0.4), ("gam", 0.4)}
    assert [(c["optimizer"], c["mean"], c["seeds"]) for c in sorted(read, key=str)] == [
        (c["optimizer"], c["mean"], c["seeds"]) for c in sorted(planned, key=str)
    ]


def test_nothing_to_draw_is_said(call, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no finished run to draw"):
        call("plot", "SUITE", "--results", "empty")


def test_published_figures_need_no_runs(call, tmp_path):
    assert "+0.51 [+0.38, +0.64]" in call("table", "--published", "Waterloo", "--format", "markdown")
    call("report", "--published", "Waterloo", "-o", "page.html")
    assert "+0.51 [+0.38, +0.64]" in (tmp_path / "page.html").read_text()


def test_an_export_of_nothing_is_refused(call, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no run of .*small.yaml was begun in empty"):
        call("export", "SUITE", "--results", "empty")
    assert not list((tmp_path / "empty").iterdir())


def test_a_suites_name_is_the_suite_also_where_a_folder_has_it(call, tmp_path, results, capfd):
    (tmp_path / "quickstart").symlink_to(results)
    assert "0 of 18 runs done" in call("table", "quickstart", "--format", "markdown")
    assert "15 of 17 runs done" in call("table", "./quickstart", "--format", "markdown")


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
        (["table", "no/such/folder/"], "no/such/folder/ is no folder, and neither"),
        (["plot", "SUITE", "--results", "empty"], "there is no folder empty"),
        (["table", "SUITE", "--results", "resluts"], "there is no folder resluts"),
        (["export", "SUITE", "--results", "resluts"], "there is no folder resluts"),
        (["table"], "name a suite or a file of results, or --published SOURCE"),
        (["table", "SUITE", "--published", "SAM"], "--published takes no runs"),
        (["report", "--published", "SAM", "--seeds", "0"], "--published takes no runs"),
        (["table", "RESULTS", "--only", "optimizer=gamm"], "--only optimizer=gamm: there is no such run"),
        (["table", "RESULTS", "--only", "optimiser=gam"], "unknown setting 'optimiser'"),
        (["table", "RESULTS", "--seeds", "77"], "has no run of seed 77"),
        (["table", "RESULTS", "--seeds", "2-0"], "'2-0' runs backwards; write 0-2"),
        (["export", "SUITE", "--results", "RESULTS", "-o", "runs.parquet"], "as .jsonl or .csv"),
    ],
)
def test_bad_input_is_one_clear_line(call, arguments, complaint):
    with pytest.raises(UserError) as caught:
        call(*arguments)
    assert complaint in str(caught.value)
