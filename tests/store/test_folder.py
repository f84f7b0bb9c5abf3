"""Run folders: states, and that nothing in them is lost or silently replaced."""

import json
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gam_bench.errors import UserError
from gam_bench.files import write_atomically
from gam_bench.store.claim import Claim
from gam_bench.store.folder import RunFolder, State
from gam_bench.store.scan import one_run
from gam_bench.suite.spec import RunSpec


@pytest.fixture
def spec(tiny):
    return RunSpec.resolve(tiny)


@pytest.fixture
def folder(tmp_path, spec):
    folder = RunFolder.of(tmp_path, spec.uid)
    folder.begin(spec)
    return folder


def test_states_follow_what_is_in_the_folder(tmp_path, spec):
    folder = RunFolder.of(tmp_path, spec.uid)
    assert folder.state() == State.MISSING
    folder.begin(spec)
    assert folder.state() == State.MISSING
    claim = Claim.take(folder.path)
    assert folder.state() == State.RUNNING
    claim.release()
    assert folder.state() == State.STALE
    folder.write_error("failed: ValueError: x")
    assert folder.state() == State.FAILED
    folder.forgive()
    assert folder.state() == State.STALE
    folder.write_error("diverged: the loss is nan")
    assert folder.state() == State.DIVERGED
    folder.write_result({"test_accuracy": 0.5})
    assert folder.state() == State.DONE
    assert {path.name for path in folder.path.glob("error*")} == {"error.txt", "error-1.txt"}


def test_a_failure_is_its_state_and_first_line(folder):
    assert folder.failure() is None
    folder.write_error("failed: ValueError: diverged", "Traceback\n…")
    assert folder.failure() == (State.FAILED, "failed: ValueError: diverged")
    folder.write_error("diverged: the loss is nan")
    assert folder.failure() == (State.DIVERGED, "diverged: the loss is nan")
    folder.write_error("")  # a full disk leaves no words, and a failure all the same
    assert folder.failure() == (State.FAILED, "failed")
    assert folder.state() == State.FAILED
    folder.forgive()
    assert folder.failure() is None


def test_every_state_is_over_open_or_running():
    assert {state for state in State if state.over} == {State.DONE, State.FAILED, State.DIVERGED}
    assert {state for state in State if state.open} == {State.MISSING, State.STALE}
    assert {state for state in State if state.failure} == {State.FAILED, State.DIVERGED}


def test_a_run_is_found_by_the_unique_beginning_of_its_uid(tmp_path):
    for uid in ("sam-a-s1-00000000", "sam-a-s1-0000", "sam-b-s1-11111111"):
        (tmp_path / "runs" / uid).mkdir(parents=True)
    assert one_run("sam-b", tmp_path) == "sam-b-s1-11111111"
    assert one_run("sam-a-s1-0000", tmp_path) == "sam-a-s1-0000"  # whole, though another begins so
    with pytest.raises(UserError, match="2 runs begin with 'sam-a-s1-'"):
        one_run("sam-a-s1-", tmp_path)
    with pytest.raises(UserError, match="is called 'sem-b-s1-11111111'; did you mean 'sam-b-s1-11111111'"):
        one_run("sem-b-s1-11111111", tmp_path)
    with pytest.raises(UserError, match="no run in"):
        one_run("sam", tmp_path / "nowhere")


def test_the_same_spec_is_welcome_again(folder, spec):
    before = (folder.path / "spec.json").read_bytes()
    folder.begin(spec)
    assert (folder.path / "spec.json").read_bytes() == before


def test_another_spec_is_refused_by_name_and_values(folder, spec):
    path = folder.path / "spec.json"
    stored = json.loads(path.read_text())
    stored["spec"]["lr"] = 0.1
    stored["spec"]["base_settings"]["momentum"] = 0.5
    path.write_text(json.dumps(stored))
    with pytest.raises(UserError) as error:
        folder.begin(spec)
    assert "lr is 0.1, asked for 0.05" in str(error.value)
    assert "momentum is 0.5, asked for 0.9" in str(error.value)


def test_a_spec_of_an_older_version_that_lacks_a_setting_is_the_same_run(folder, spec):
    path = folder.path / "spec.json"
    stored = json.loads(path.read_text())
    del stored["spec"]["clip_norm"]
    path.write_text(json.dumps(stored))
    folder.begin(spec)


def test_a_newer_schema_is_refused(folder, spec):
    (folder.path / "spec.json").write_text(json.dumps({"schema": 99, "spec": {}}))
    with pytest.raises(UserError, match="schema 99"):
        folder.begin(spec)


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00\x01", '{"a": 1'])
def test_a_damaged_result_is_one_clear_line(folder, content):
    path = folder.path / "result.json"
    path.write_text(content)
    with pytest.raises(UserError, match="is damaged") as error:
        folder.result()
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_metrics_that_were_cut_off_are_left_out_and_rewound(folder):
    for epoch in (1, 2, 3):
        folder.add_metrics({"epoch": epoch})
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 4, "test_acc')
    assert [line["epoch"] for line in folder.metrics()] == [1, 2, 3]
    folder.rewind(2)
    folder.add_metrics({"epoch": 3})
    assert [line["epoch"] for line in folder.metrics()] == [1, 2, 3]


def test_setting_a_folder_aside_loses_nothing(folder):
    folder.write_result({"test_accuracy": 0.5})
    target = folder.set_aside()
    assert folder.state() == State.MISSING
    assert json.loads((target / "result.json").read_text())["test_accuracy"] == 0.5


def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path, spec):
    (tmp_path / "runs").write_text("a file where a folder should be")
    with pytest.raises(UserError, match="cannot write to"):
        RunFolder.of(tmp_path, spec.uid).begin(spec)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_writing_is_whole_or_not_at_all(tmp_path_factory, before, after):
    path = tmp_path_factory.mktemp("atomic") / "file"
    write_atomically(path, before)
    write_atomically(path, after)
    assert path.read_bytes() == after
    assert os.listdir(path.parent) == ["file"]


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_files_are_readable_by_the_group_as_the_umask_says(tmp_path):
    path = tmp_path / "file"
    mask = os.umask(0o027)
    try:
        write_atomically(path, "x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
