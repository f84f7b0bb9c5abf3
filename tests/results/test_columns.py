"""Every figure is declared once: what runs write, frames hold and documents list are the same names."""

import json

import pandas as pd
import pytest
import torch

from gam_bench.files import shipped
from gam_bench.results import columns
from gam_bench.results.figures import CURVES, FIGURES, METRICS, STORED
from gam_bench.results.files import load, write
from gam_bench.results.frame import NO_SETTINGS, of_folder
from gam_bench.suite.spec import RunSpec, all_settings
from gam_bench.train.environment import environment
from gam_bench.train.run import train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A real run with a validation split: (its folder, its result)."""
    settings = {"dataset": "digits", "model": "cnn20k", "optimizer": "sam", "lr": 0.05, "epochs": 2}
    spec = RunSpec.resolve(settings | {"batch_size": 250, "validation": 0.2, "seed": 0})
    results = tmp_path_factory.mktemp("trained")
    assert train(spec, results).state == "done"
    return results, json.loads((results / "runs" / spec.uid / "result.json").read_text())


def test_a_result_holds_the_declared_figures_and_no_other(trained):
    _, result = trained
    assert set(result) == set(STORED) | {"schema", "uid", "epochs"}
    for name, value in result.items():
        if name in STORED and value is not None:
            kinds = {"number": (int, float), "text": str, "flag": bool}
            assert isinstance(value, kinds[STORED[name].kind]), name


def test_an_export_drops_none_of_them(trained, tmp_path):
    results, result = trained
    for ending in ("jsonl", "csv"):
        path = tmp_path / f"runs.{ending}"
        write(of_folder(results, curves=True), path)
        (row,) = load(path, curves=True).to_dict("records")
        for name in STORED:
            assert row[name] == result[name] or (result[name] is None and pd.isna(row[name])), name
        assert {f"curve_{figure.name}" for figure in CURVES} <= set(row)


def test_the_document_is_what_the_declarations_say():
    text = shipped("results", "COLUMNS.md").read_text(encoding="utf-8")
    assert text == columns.page(), "python -m gam_bench.results.columns > results/COLUMNS.md"


def test_the_document_lists_every_column_of_a_frame(trained):
    results, _ = trained
    listed = columns.page()
    for name in of_folder(results, curves=True).columns:
        assert f"\n| {name} |" in listed, name


def test_every_setting_and_figure_says_what_it_means():
    rows = [line for line in columns.page().splitlines() if line.startswith("| ") and "---" not in line]
    silent = [row for row in rows if row.split(" | ")[-1].strip(" |") == ""]
    assert silent == []


def test_the_environment_is_the_declared_one():
    assert set(environment(torch.device("cpu"))) <= set(columns.ENVIRONMENT)


def test_no_figure_has_the_name_of_a_setting():
    assert not {figure.name for figure in FIGURES} & all_settings()
    assert not NO_SETTINGS & all_settings()


def test_names_are_declared_once():
    for declared in (FIGURES, CURVES):
        names = [figure.name for figure in declared]
        assert len(names) == len(set(names))
    assert len({(m.heading, m.selection) for m in METRICS.values()}) == len(METRICS)
