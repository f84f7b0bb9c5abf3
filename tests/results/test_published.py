"""The published figures follow from what was printed, name only what the registry has, and match strictly."""

import csv
from collections import Counter
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from gam_bench.compare.match import matches
from gam_bench.data.catalog import AUGMENTATIONS, DATASETS
from gam_bench.errors import UserError
from gam_bench.files import shipped
from gam_bench.models.catalog import names as model_names
from gam_bench.optim.catalog import BASES, OPTIMIZERS
from gam_bench.report import table
from gam_bench.report.words import differences
from gam_bench.results import load
from gam_bench.results.published import figures, read
from gam_bench.results.single_runs import behind
from gam_bench.suite.sources import known_sources
from gam_bench.suite.spec import all_settings

CELL = {
    "dataset": "cifar100", "label_noise": 0.0, "model": "resnet18_cifar", "augmentation": "basic",
    "optimizer": "sgd", "base": "sgd", "epochs": 200, "batch_size": 128, "label_smoothing": 0.10101,
    "weight_decay": 5e-4,
    "schedule": "cosine",
}  # fmt: skip


def rows(name: str) -> list[dict[str, str]]:
    with shipped("results", "published", name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_value_is_what_was_printed_and_nothing_else():
    for row in rows("accuracy.csv"):
        printed = Decimal(row["printed_value"])
        expected = (100 - printed if row["printed_as"] == "top1_error_pct" else printed) / 100
        assert Decimal(row["value"]) == expected, row
        if row["spread"]:
            assert Decimal(row["spread"]) == Decimal(row["printed_spread"].lstrip("<")) / 100, row


def test_every_name_is_the_registrys():
    models = set(model_names())
    for figure in figures():
        assert figure.dataset in DATASETS
        assert figure.model in models, figure.model
        assert figure.optimizer in OPTIMIZERS
        assert figure.base in BASES
        assert figure.augmentation in ("", *AUGMENTATIONS)
        assert set(figure.settings) <= all_settings(), figure.settings
        assert figure.source in known_sources()


@pytest.mark.parametrize("name", ["runs.csv", "cost.csv", "settings.csv"])
def test_every_source_of_the_other_files_is_cited(name):
    assert {row["source"] for row in rows(name)} <= set(known_sources())


@pytest.mark.parametrize(
    ("source", "table", "dataset", "model", "augmentation", "optimizer", "epochs", "noise", "value"),
    [
        ("SAM", "Table 1", "cifar10", "wrn28_10", "basic", "sam", 200, 0.0, 0.973),
        ("SAM", "Table 1", "cifar100", "wrn28_10", "autoaugment", "sgd", "best of 1800, 3600", 0.0, 0.839),
        ("SAM", "Table 1", "cifar10", "wrn28_10", "basic", "sgd", "best of 200, 400", 0.0, 0.965),
        ("SAM", "Table 5", "fashion_mnist", "wrn28_10", "basic", "sam", None, 0.0, 0.9602),
        ("SAM", "Table 9", "cifar100", "pyramidnet272_a200_bottleneck", "cutout", "sam", None, 0.0, 0.869),
        ("bSAM", "README", "cifar10", "resnet18_cifar", "basic", "sam", 180, 0.0, 0.9569),
        ("SAM", "Table 2", "imagenet", "resnet50", "inception", "sam", 100, 0.0, 0.775),
        ("SAM", "Table 2", "imagenet", "resnet152", "inception", "sgd", 400, 0.0, 0.791),
        ("SAM", "Table 4", "cifar10", "resnet32_cifar", "", "sam", 200, 0.8, 0.779),
        ("davda54", "README", "cifar10", "wrn16_8", "cutout", "sgd", 200, 0.0, 0.968),
        ("GSAM", "Table 1", "imagenet", "vit_small_patch32_224", "inception", "adamw", 300, 0.0, 0.684),
        ("GSAM", "Table 1", "imagenet", "resnet101", "inception", "sam", 90, 0.0, 0.786),
        ("Eigen-SAM", "logs", "cifar100", "resnet18_cifar", "basic", "sam", 200, 0.0, 0.7807),
        ("F-SAM", "logs", "cifar100", "resnet18_cifar", "cutout", "sam", 200, 0.0, 0.8078),
    ],
)
def test_figures_read_by_hand_from_their_sources(
    source, table, dataset, model, augmentation, optimizer, epochs, noise, value
):
    found = [
        figure.value
        for figure in figures()
        if (figure.source, figure.table, figure.dataset, figure.model) == (source, table, dataset, model)
        and (figure.augmentation, figure.optimizer, figure.epochs) == (augmentation, optimizer, epochs)
        and figure.label_noise == noise
    ]
    assert found == [pytest.approx(value, abs=1e-12)]


def test_there_is_no_figure_of_the_gam_papers_own_tables():
    assert {figure.source for figure in figures() if "gam" in figure.optimizer} == {"Waterloo"}


def test_the_single_runs_give_the_published_means_and_spreads():
    rerun = [f for f in figures() if (f.source, f.table) == ("Waterloo", "logs")]
    assert len(rerun) == 52 + 2  # SGD on CIFAR-10 basic has its seven runs of one batch size, too
    for figure in rerun:
        values, batches = behind(figure)
        assert np.mean(values) == pytest.approx(figure.value, abs=6e-6)
        assert np.std(values, ddof=1) / np.sqrt(len(values)) == pytest.approx(figure.spread, abs=6e-6)
        assert len(values) == figure.n == batches.total()


def test_three_of_the_ten_sgd_runs_were_in_batches_of_256():
    key = ("cifar10", "basic", "sgd", "test_accuracy")
    found = [
        r for r in rows("runs.csv") if (r["dataset"], r["augmentation"], r["optimizer"], r["metric"]) == key
    ]
    assert Counter(row["settings"] for row in found) == {"batch_size=128": 7, "batch_size=256": 3}
    mixed, _ = (
        f
        for f in figures()
        if f.source == "Waterloo"
        and (f.dataset, f.augmentation, f.optimizer, f.metric) == key
        and f.table == "logs"
    )
    assert behind(mixed)[1] == {"128": 7, "256": 3}


def test_runs_are_records_that_share_no_seed_with_anything():
    loaded = load(shipped("results", "published", "runs.csv"))
    assert len(loaded) == 256
    assert loaded["seed"].is_unique
    assert loaded["seed"].min() >= 10_000_000
    (one,) = loaded.query("dataset == 'cifar100' and augmentation == 'cutout' and optimizer == 'gam'")[
        :1
    ].to_dict("records")
    assert (one["rho"], one["batch_size"], one["label_smoothing"], one["momentum"]) == (
        0.2,
        256,
        0.10101,
        0.9,
    )
    assert table.build(loaded).cells


def test_the_ten_seed_cell_is_found_with_its_sd():
    (match,) = matches(CELL, "test_accuracy")
    assert match.figure.source == "Waterloo"
    assert match.same
    assert differences(match) == []
    assert match.figure.sd == pytest.approx(0.0017, abs=5e-5)
    assert match.figure.n == 10


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("dataset", "cifar10x"), ("label_noise", 0.2), ("model", "resnet34_cifar"), ("augmentation", "none"),
        ("optimizer", "adam"), ("base", "adamw"), ("epochs", 400),
    ],
)  # fmt: skip
def test_what_matters_must_agree(setting, value):
    assert matches({**CELL, setting: value}, "test_accuracy") == []


def test_the_best_test_epoch_is_not_the_last_epoch():
    (match,) = matches(CELL, "best_test_accuracy")
    assert match.figure.selection == "best-test"
    assert matches(CELL, "test_loss") == []


def test_other_differences_are_named():
    (match,) = matches({**CELL, "batch_size": 256}, "test_accuracy")
    assert differences(match) == ["batch_size 128 there, 256 here"]


def test_the_best_supported_figure_comes_first_and_those_of_the_same_recipe_are_told():
    sgd = {**CELL, "dataset": "cifar10", "label_smoothing": 0.111111}
    gam = {**sgd, "optimizer": "gam", "variant": "official-code"}
    assert [(m.figure.n, m.same) for m in matches(gam, "test_accuracy")] == [(10, False), (1, True)]
    large = matches({**gam, "batch_size": 256}, "test_accuracy")
    assert [(m.figure.n, m.same) for m in large] == [(10, True), (1, False)]
    found = matches(sgd, "test_accuracy")
    assert [(m.figure.n, m.same) for m in found] == [(10, False), (7, True), (1, True)]
    assert differences(found[0]) == ["batch_size 7×128+3×256 there, 128 here"]


def test_an_augmentation_that_the_source_does_not_state_is_said():
    cell = {**CELL, "dataset": "cifar10", "label_noise": 0.4, "model": "resnet32_cifar"}
    (match,) = matches(cell, "test_accuracy")
    assert "augmentation not stated there" in differences(match)


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("value", "0.98", "value is not what was printed"),
        ("value", "much", "could not convert"),
        ("metric", "accuracy", "metric 'accuracy' is none of"),
        ("selection", "best-test", "cannot be 'best-test'"),
        ("spread_kind", "iqr", "spread_kind 'iqr' is unknown"),
        ("spread_kind", "", "go together"),
        ("source", "", "source is empty"),
        ("epochs", "many", "invalid literal"),
        ("epochs", "best of 200", "invalid literal"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, column, value, complaint):
    good = rows("accuracy.csv")[:2]
    good[1] |= {column: value}
    path = tmp_path / "accuracy.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(good[0]))
        writer.writeheader()
        writer.writerows(good)
    with pytest.raises(UserError, match=f"line 3: .*{complaint}"):
        read(path)


def test_missing_columns_are_named(tmp_path: Path):
    path = tmp_path / "accuracy.csv"
    path.write_text("source,value\nSAM,0.5\n")
    with pytest.raises(UserError, match="the columns must be source, table"):
        read(path)
