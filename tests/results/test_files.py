"""An exported file gives every table and page back byte for byte; merging refuses clashes."""

import json

import pytest
from made_runs import record, small_frame

from gam_bench.errors import UserError
from gam_bench.report.page import page
from gam_bench.report.render import FORMATS, render
from gam_bench.report.table import build
from gam_bench.results import load
from gam_bench.results.files import merge, write
from gam_bench.results.frame import frame


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    return small_frame(tmp_path_factory.mktemp("measured"))


@pytest.fixture(scope="module")
def page_of_measured(measured):
    return page(measured)


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_every_format_comes_out_the_same_without_run_folders(measured, page_of_measured, tmp_path, ending):
    path = tmp_path / "committed" / f"runs.{ending}"
    write(measured, path)
    read = load(path, curves=True)
    for format in FORMATS:
        assert render(build(read), format) == render(build(measured), format), format
    assert page(read) == page_of_measured


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_writing_what_was_read_gives_the_same_bytes(measured, tmp_path, ending):
    one, other = tmp_path / f"one.{ending}", tmp_path / f"other.{ending}"
    write(measured, one)
    write(load(one, curves=True), other)
    assert one.read_bytes() == other.read_bytes()


def test_both_forms_hold_the_same(measured, tmp_path):
    write(measured, tmp_path / "runs.jsonl")
    write(measured, tmp_path / "runs.csv")
    one, other = (load(tmp_path / f"runs.{ending}", curves=True) for ending in ("jsonl", "csv"))
    assert list(one.columns) == list(other.columns)
    write(other, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "runs.jsonl").read_bytes()


def test_an_export_in_a_folder_is_found(measured, tmp_path):
    write(measured, tmp_path / "runs.jsonl")
    assert len(load(tmp_path)) == len(measured)


def test_environment_stays_text(tmp_path):
    write(
        frame([record("sgd", 0, 0.5, env_driver="550.10", env_git_dirty="False", env_python="3.10")]),
        tmp_path / "runs.csv",
    )
    read = load(tmp_path / "runs.csv")
    assert (read["env_driver"].item(), read["env_git_dirty"].item(), read["env_python"].item()) == (
        "550.10",
        "False",
        "3.10",
    )


@pytest.mark.parametrize("value", [0.1 + 0.2, 1 / 3, 1e-300, 0.97])
@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_no_digit_is_lost(tmp_path, ending, value):
    write(frame([record("sgd", 0, value, lr=value, nesterov=True, epochs=20)]), tmp_path / f"runs.{ending}")
    read = load(tmp_path / f"runs.{ending}")
    assert (read["test_accuracy"].item(), read["lr"].item(), read["epochs"].item()) == (value, value, 20)
    assert read["nesterov"].item() is True or read["nesterov"].item() == True  # noqa: E712, numpy's own bool


def test_text_that_csv_must_quote(tmp_path):
    nasty = 'failed: "a, b"\tç — λ'
    write(frame([record("sgd", 0, 0.5, error=nasty, state="failed")]), tmp_path / "runs.csv")
    assert load(tmp_path / "runs.csv")["error"].item() == nasty


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('{"schema": 2, "uid": "a"}\n', "run 1: no export of schema 1"),
        ('{"schema": 1, "uid": "a"}\n{"sch', "line 2 is damaged"),
        ("[1, 2]\n", "line 1 is damaged"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, content, complaint):
    path = tmp_path / "runs.jsonl"
    path.write_text(content)
    with pytest.raises(UserError, match=complaint):
        load(path)


def test_a_csv_of_something_else_is_said(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="it has no columns schema and uid"):
        load(path)


def test_an_unwritable_place_is_said(measured, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        write(measured, tmp_path / "file" / "runs.jsonl")


def run(uid="a", **changes):
    return frame([record("sgd", 0, 0.5) | {"uid": uid} | changes])


def test_merge_joins_and_takes_a_run_once():
    merged = merge([("alice", run("a")), ("bob", run("b")), ("carol", run("a"))])
    assert list(merged["uid"]) == ["a", "b"]


def test_a_finished_run_wins_over_an_unfinished_one():
    unfinished = run(state="failed", test_accuracy=None, error="failed: x")
    for order in ([unfinished, run()], [run(), unfinished]):
        merged = merge(list(zip("xy", order, strict=True)))
        assert (merged["state"].item(), merged["test_accuracy"].item()) == ("done", 0.5)


def test_times_and_machines_may_differ():
    merge(
        [
            ("alice", run()),
            ("bob", run(train_seconds=99.0, device_name="other", threads=8, env_python="3.12")),
        ]
    )


@pytest.mark.parametrize("change", [{"test_accuracy": 0.6}, {"lr": 0.3}, {"forward_backward_passes": 7}])
def test_a_clash_is_refused_and_names_both(change):
    with pytest.raises(UserError, match=f"a is in both alice and bob with different {next(iter(change))}"):
        merge([("alice", run()), ("bob", run(**change))])


def test_a_row_names_its_schema_and_leaves_nothing_unknown_in(measured, tmp_path):
    write(measured, tmp_path / "runs.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "runs.jsonl").read_text().splitlines()]
    assert {row["schema"] for row in rows} == {1}
    assert all(value is not None for row in rows for value in row.values())
    assert json.loads(rows[0]["sources"])["lr"] == "assumed"
