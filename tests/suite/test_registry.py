"""The shipped suites: how many runs each has, that they load, quickly, and that all they cite exists."""

import csv
import time
from collections import Counter
from fnmatch import fnmatch
from functools import cache

import pytest

from gam_bench.compare.match import matches
from gam_bench.files import shipped
from gam_bench.suite.file import find, read, suite_names
from gam_bench.suite.suite import ASSUMED, DEFAULT, VARIED, load

RUNS = {
    "adamw": 2 * 3 * 3,  # data sets × optimizers × seeds
    "asam": 3 * 3,  # SGD, SAM, ASAM
    "cifar10": 5 * 4 * 5 * 3,  # models × augmentations × optimizers × seeds
    "cifar100": 5 * 4 * 5 * 3,
    "equal-compute": (3 + 2 + 1) * 3,  # SGD at 1, 2, 4 times the epochs, SAM at 1, 2, GAM at 1
    "equal-compute-digits": 2 * (3 + 2 + 1) * 3,  # clean and noisy
    "fashion-mnist": (2 + 1) * 3 * 3,  # the MLP clean and noisy, the CNN clean
    "fine-tuning": 4 * (2 + 3) * 3,  # data sets × (B7 with SGD, SAM; ResNet-50 with SGD, SAM, GAM) × seeds
    "imagenet": (2 * 2 * 3 + 2 + 2 * 3) * 3,  # SGD and SAM at three lengths, GAM at one; ViTs with three
    "label-noise": 4 * 3 * 3,
    "quickstart": 2 * 3 * 3,
    "rho-sweep": 4 * 6 * 3,  # methods × values × seeds
    "rho-sweep-digits": 3 * 6 * 3,
    "sam-table1": 2 * 3 * (2 * 2 + 2 + 2) * 5,  # SGD also for twice as long
    "waterloo": (2 * 3 * 2 + 2 * 4 + 3 + 3 + 2 * 4) * 10,
}


@pytest.fixture(params=sorted(RUNS))
def name(request):
    return request.param


def test_every_suite_is_counted_here():
    assert set(suite_names()) == set(RUNS)


def test_number_of_runs(name):
    suite = load(name)
    assert len(suite.runs) == RUNS[name]
    assert read(find(name))[0].size() == RUNS[name]  # what `list suites` says without resolving them
    assert len({run.uid for run in suite.runs}) == RUNS[name]


def test_every_setting_has_a_known_source(name):
    suite = load(name)
    for run in suite.runs:
        assert run.sources.keys() == run.spec.flat().keys()
        assert set(run.sources.values()) <= {VARIED, ASSUMED, DEFAULT, *suite.citations}


def test_a_suite_answers_tables_that_published_figures_are_from(name):
    with shipped("results", "published", "accuracy.csv").open(encoding="utf-8", newline="") as file:
        tables = {(row["source"], row["table"]) for row in csv.DictReader(file)}
    assert {(answer.source, answer.table) for answer in load(name).answers} <= tables


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("asam", {"davda54"}),
        ("cifar10", {"SAM", "Waterloo"}),
        ("cifar100", {"SAM", "Waterloo", "F-SAM", "Eigen-SAM"}),
        ("equal-compute", {"Waterloo"}),
        ("imagenet", {"SAM", "GSAM"}),
        ("label-noise", {"SAM"}),
        ("sam-table1", {"SAM"}),
        ("waterloo", {"Waterloo"}),
    ],
)
def test_published_figures_stand_beside_the_cells_that_answer_them(name, published):
    cells = {run.spec.model_copy(update={"seed": 0}).uid: run.spec.flat() for run in load(name).runs}
    found = {
        match.figure.source
        for settings in cells.values()
        for metric in ("test_accuracy", "best_test_accuracy")
        for match in matches(settings, metric)
    }
    assert found == published


def test_the_waterloo_grid_meets_its_figures_without_a_difference():
    """For each accuracy of the grid there is a cell of its recipe, but for mixed batches and 50 epochs."""
    from gam_bench.results.published import figures

    met = {
        (match.figure.metric, match.figure.value)
        for run in load("waterloo", [0]).runs
        for metric in ("test_accuracy", "best_test_accuracy")
        for match in matches(run.spec.flat(), metric)
        if match.same and set(match.remarks) <= {match.figure.note}
    }
    wanted = {
        (f.metric, f.value)
        for f in figures()
        if f.source == "Waterloo" and f.epochs == 200 and "×" not in f.settings["batch_size"]
    }
    assert met == wanted


def stated(row):
    """What `accuracy.csv` and `settings.csv` say of a figure, read without the code under test."""
    known = {}
    codes = {"SAM": "SAM-code", "GSAM": "GSAM-code"}
    for source in (codes.get(row["source"]), row["source"]):
        for line in published("settings.csv"):
            model, _, but = line["model"].partition(", not ")
            if (
                line["source"] == source
                and line["dataset"] == row["dataset"]
                and line["label_noise"] in ("", row["label_noise"])
                and (not line["epochs"] or line["epochs"] in row["epochs"].replace(",", "").split())
                and any(fnmatch(row["optimizer"], name) for name in line["optimizer"].split("|"))
                and any(fnmatch(row["model"], name) for name in model.split("|"))
                and row["model"] != but
            ):
                known[line["setting"]] = line["value"]
    known |= dict(entry.split("=") for entry in row["settings"].split())
    known |= {name: row[name] for name in ("augmentation", "epochs") if row[name]}
    return {name: value for name, value in known.items() if name != "seed"}


@cache
def published(name):
    with shipped("results", "published", name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def agree(text, value):
    if isinstance(value, bool):
        return text == str(value).lower()
    try:
        return value is not None and abs(float(text) - value) <= 1e-5 * abs(value)
    except (ValueError, TypeError):
        return text == value


def test_a_figure_has_a_verdict_if_and_only_if_all_that_is_known_of_both_agrees(name):
    """Over every cell of every suite and every figure of the same task."""
    cells = {run.spec.model_copy(update={"seed": 0}).uid: run.spec.flat() for run in load(name).runs}
    for settings in cells.values():
        wanted = {
            (row["source"], row["table"], row["value"], row["settings"], row["epochs"])
            for row in published("accuracy.csv")
            if row["metric"] == "test_accuracy"
            and all(row[part] == settings[part] for part in ("dataset", "model", "optimizer", "base"))
            and float(row["label_noise"]) == settings["label_noise"]
            and all(agree(text, settings[key]) for key, text in stated(row).items() if key in settings)
        }
        given = {
            (
                f.source,
                f.table,
                f"{f.value:g}",
                " ".join(map("=".join, f.settings.items())),
                str(f.epochs or ""),
            )
            for f in (match.figure for match in matches(settings, "test_accuracy") if match.same)
        }
        assert given == wanted


def test_differences_that_were_once_overlooked():
    def unlike(suite, **wanted):
        (settings,) = {
            run.uid: run.spec.flat()
            for run in load(suite, [0]).runs
            if all(run.spec.flat()[name] == value for name, value in wanted.items())
        }.values()
        return {
            (m.figure.source, m.figure.table): {d.setting for d in m.unlike}
            for m in matches(settings, "test_accuracy")
        }

    noted = unlike("cifar100", model="resnet18_cifar", augmentation="cutout", optimizer="sam")
    assert noted == {("F-SAM", "logs"): {"rho", "lr", "weight_decay"}}
    wide = unlike("cifar100", model="wrn28_10", augmentation="basic", optimizer="sam")[("SAM", "Table 1")]
    assert {"batch_size", "label_smoothing", "nesterov", "clip_norm"} <= wide
    best_of = unlike("sam-table1", model="wrn28_10", dataset="cifar10", augmentation="basic",
                     optimizer="sgd", epochs=400)  # fmt: skip
    assert best_of == {("SAM", "Table 1"): {"epochs"}}


def test_runs_that_two_suites_name_are_one_run():
    def uids(name):
        return {run.uid for run in load(name).runs}

    assert len(uids("equal-compute") & uids("cifar10")) == 3 * 3  # SGD, SAM, GAM at 200 epochs
    assert len(uids("equal-compute-digits") & uids("quickstart")) == 18
    assert len(uids("waterloo") & uids("cifar10")) == (3 + 3 + 4) * 3  # SGD, exact GAM, GAM in batches of 128


@pytest.mark.parametrize("name", ["rho-sweep", "rho-sweep-digits"])
def test_a_sweep_gives_every_method_as_many_runs_of_as_many_epochs(name):
    suite = load(name)
    assert len(set(Counter(run.spec.optimizer for run in suite.runs).values())) == 1
    assert len({run.spec.epochs for run in suite.runs}) == 1
    assert all(run.spec.validation > 0 for run in suite.runs)


def test_the_largest_suite_loads_in_well_under_half_a_second():
    largest = max(RUNS, key=RUNS.__getitem__)
    load(largest)
    times = []
    for _ in range(3):
        start = time.process_time()
        load(largest)
        times.append(time.process_time() - start)
    assert min(times) < 0.4
