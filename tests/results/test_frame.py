"""The frame holds a row a run with the documented columns, wherever it was read from."""

import pytest

from gam_bench.errors import UserError
from gam_bench.results import load
from gam_bench.results.figures import NUMBERS
from gam_bench.results.frame import of_suite, settings
from gam_bench.store.scan import standings


def test_a_row_for_every_planned_run_in_the_suites_order(suite, results):
    table = of_suite(suite, standings(suite.runs, results))
    assert list(table["uid"]) == [run.uid for run in suite.runs]
    assert table["state"].value_counts().to_dict() == {"done": 15, "failed": 1, "diverged": 1, "missing": 1}


def test_a_folder_knows_the_runs_that_were_begun(suite, results):
    table = load(results)
    assert len(table) == 17
    assert list(table["uid"]) == sorted(table["uid"])
    assert "missing" not in set(table["state"])


def test_documented_columns_and_dtypes(results):
    table = load(results)
    for name in set(NUMBERS) - {"relative_passes", "relative_seconds", "relative_process_seconds"}:
        assert table[name].dtype == float, name
    assert table["test_accuracy"].notna().sum() == 15
    done = table[table["state"] == "done"]
    assert (done["seconds_per_epoch"] == done["train_seconds"] / 4).all()
    assert set(table["env_driver"]) == {"550.10"}  # text, not the number 550.1
    assert table.loc[table["state"] == "failed", "error"].item() == "failed: RuntimeError: <out> of memory"


def test_settings_are_those_of_the_runs(suite, results):
    table = of_suite(suite, standings(suite.runs, results))
    assert set(settings(table)) == {key for run in suite.runs for key in run.spec.flat()}
    assert table.loc[table["optimizer"] == "sgd", "rho"].isna().all()
    assert (table.loc[table["optimizer"] == "gam", "rho"] == 0.2).all()


def test_curves_only_when_asked_for(results):
    assert not [name for name in load(results) if name.startswith("curve_")]
    table = load(results, curves=True)
    done = table[table["state"] == "done"]
    assert {len(curve) for curve in done["curve_test_accuracy"]} == {4}
    assert [curve[-1] for curve in done["curve_test_accuracy"]] == pytest.approx(list(done["test_accuracy"]))


def test_without_environment(results):
    assert not [name for name in load(results, environment=False) if name.startswith("env_")]


def test_what_is_no_results_is_said(tmp_path):
    with pytest.raises(UserError, match="holds no results"):
        load(tmp_path)
    with pytest.raises(UserError, match=r"as \.jsonl or \.csv"):
        load(tmp_path / "results.parquet")


@pytest.mark.parametrize("name", ["result.json", "spec.json"])
def test_a_damaged_file_is_named(suite, results, name):
    path = results / "runs" / suite.runs[0].uid / name
    path.write_text('{"schema": 1, "te')
    with pytest.raises(UserError, match=f"{suite.runs[0].uid}/{name} is damaged"):
        load(results)
