"""The digest that `gam-bench show` prints says of every run what its spec says, and no more."""

from itertools import product

import pytest

from gam_bench.suite.file import suite_names
from gam_bench.suite.suite import DEFAULT, VARIED, load
from gam_bench.suite.summary import factors, grids, left_alone, rows

MINE = """
title: A test
seeds: [0, 1]
runs:
  - {dataset: digits, model: [cnn20k, mlp], optimizer: [sgd, sam]}
settings:
  - set: {epochs: 2, batch_size: 64, lr: 0.05, momentum: 0.9, nesterov: false}
    source: assumed
  - where: {optimizer: sam}
    set: {rho: 0.1, adaptive: false, rho_schedule: constant, rho_min: 0.0}
    source: SAM
  - where: {optimizer: sam, model: mlp}
    set: {rho: 0.2}
    source: assumed
"""


def test_a_small_suite_in_few_rows(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE)
    runs = load(str(tmp_path / "mine.yaml")).runs
    assert grids(runs) == [
        {"dataset": ("digits",), "model": ("cnn20k", "mlp"), "optimizer": ("sgd", "sam"), "seed": (0, 1)}
    ]
    found = [(row.setting, row.value, row.source, row.of) for row in rows(runs)]
    assert [entry for entry in found if entry[0] in ("epochs", "rho", "adaptive")] == [
        ("epochs", 2, "assumed", {}),
        ("rho", 0.1, "SAM", {"model": ("cnn20k",)}),
        ("rho", 0.2, "assumed", {"model": ("mlp",)}),
        ("adaptive", False, "SAM", {}),
    ]
    assert left_alone(runs)["validation"] == 0.0


@pytest.mark.parametrize("name", suite_names())
def test_grids_are_the_runs_each_once(name):
    runs = load(name).runs
    names = (*factors(runs), "seed")
    points = [point for grid in grids(runs) for point in product(*grid.values())]
    assert len(points) == len(runs)
    assert set(points) == {tuple(run.spec.flat().get(key, "") for key in names) for run in runs}


@pytest.mark.parametrize("name", suite_names())
def test_rows_say_of_each_run_its_settings_and_nothing_else(name):
    runs = load(name, [0]).runs
    varied = factors(runs)
    found = rows(runs)
    spoken = {row.setting for row in found}
    for run in runs:
        flat = run.spec.flat()
        said: dict[str, set[tuple[object, str]]] = {}
        for row in found:
            if row.setting in flat and all(flat.get(key, "") in values for key, values in row.of.items()):
                said.setdefault(row.setting, set()).add((row.value, row.source))
        for key in flat.keys() - {"seed"}:
            true = (flat[key], run.sources[key])
            if key not in spoken:
                assert true[1] in (VARIED, DEFAULT)
            elif key not in varied:
                assert said[key] == {true}
            elif true[1] != VARIED:
                assert true in said[key]
