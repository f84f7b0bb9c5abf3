"""The re-run's flatness as it was printed: names are the registry's, and every cell is there."""

import csv

import pytest

from gam_bench.data.catalog import AUGMENTATIONS, DATASETS
from gam_bench.files import shipped
from gam_bench.flatness import MEASUREMENTS
from gam_bench.models.catalog import names
from gam_bench.optim.catalog import BASES, OPTIMIZERS
from gam_bench.suite.sources import known_sources
from gam_bench.suite.spec import all_settings


def rows() -> list[dict[str, str]]:
    with shipped("results", "published", "flatness.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_name_is_the_registrys():
    for row in rows():
        assert row["source"] in known_sources()
        assert row["dataset"] in DATASETS
        assert row["model"] in names()
        assert row["augmentation"] in AUGMENTATIONS
        assert row["optimizer"] in OPTIMIZERS
        assert row["base"] in BASES
        assert row["measurement"] in MEASUREMENTS
        assert {pair.partition("=")[0] for pair in row["settings"].split()} <= all_settings()


def test_every_value_has_its_place_in_the_source():
    """The log of one run: its name says optimizer and epochs."""
    for row in rows():
        run = {"sgd": "/sgd-", "gam": "/gam-", "exact-gam": "/nonaccelgam-"}[row["optimizer"]]
        assert run in row["place"]
        assert f"-{row['epochs']}" in row["place"]
        assert row["n"] == "1"
        assert float(row["value"]) * (-1 if row["metric"] == "lambda_min" else 1) > 0


@pytest.mark.parametrize(
    ("metric", "epochs", "printed"),
    [
        ("lambda_max", "50", ["21.053", "32.4005", "56.9458"]),
        ("lambda_max", "200", ["25.0349", "45.6671", "59.2035"]),
        ("gradient_norm", "50", ["0.13016", "0.91871", "0.65926"]),
        ("gradient_norm", "200", ["0.057379", "0.39629", "0.27311"]),
        ("lambda_min", "50", ["-0.2442", "-2.5729", "-2.8427"]),
        ("lambda_min", "200", ["-0.172", "-2.5961", "-1.71"]),
    ],
)
def test_figures_read_by_hand_from_the_logs(metric, epochs, printed):
    found = [
        row["value"]
        for optimizer in ("sgd", "gam", "exact-gam")
        for row in rows()
        if (row["metric"], row["epochs"], row["optimizer"]) == (metric, epochs, optimizer)
    ]
    assert found == printed


def test_that_is_all():
    keys = [(row["metric"], row["epochs"], row["optimizer"]) for row in rows()]
    assert len(keys) == len(set(keys)) == 18
