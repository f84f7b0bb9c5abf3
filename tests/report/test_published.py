"""A source's own comparison, from `results/published/` alone, against its single runs."""

import csv
import json
import re

import numpy as np
import pytest
import scipy.stats

from gam_bench.compare.contrast import rows, sources
from gam_bench.errors import UserError
from gam_bench.files import shipped
from gam_bench.report.page import of_published
from gam_bench.report.published import build, conclusion
from gam_bench.report.render import FORMATS, render

GAPS = {
    ("cifar10", "basic", "gam"): (0.51, 0.38, 0.64),
    ("cifar10", "cutout", "gam"): (0.23, 0.11, 0.36),
    ("cifar10", "autoaugment", "gam"): (0.07, None, None),
    ("cifar100", "basic", "gam"): (0.15, None, None),
    ("cifar100", "cutout", "gam"): (0.06, None, None),
    ("cifar100", "autoaugment", "gam"): (0.87, 0.68, 1.07),
    ("cifar10", "basic", "exact-gam"): (0.19, None, None),
    ("cifar10", "cutout", "exact-gam"): (-0.10, None, None),
    ("cifar10", "autoaugment", "exact-gam"): (0.05, None, None),
    ("cifar100", "basic", "exact-gam"): (0.63, None, None),
    ("cifar100", "cutout", "exact-gam"): (0.92, None, None),
    ("cifar100", "autoaugment", "exact-gam"): (1.05, None, None),
}
"""Points, with the interval where it is known, of ten runs a side."""


@pytest.fixture(scope="module")
def waterloo():
    return build("Waterloo")


@pytest.fixture(scope="module")
def contrasts():
    return {
        (row.task["dataset"], row.task["augmentation"], found.one.figure.optimizer): found
        for row in rows("Waterloo", "test_accuracy")
        if row.task["table"] == "logs"
        for found in row.contrasts
        if not found.one.tag
    }


@pytest.mark.parametrize("key", GAPS)
def test_the_ten_seed_gaps(contrasts, key):
    difference, low, high = GAPS[key]
    found = contrasts[key]
    assert 100 * found.difference == pytest.approx(difference, abs=0.01)
    assert (found.one.n, found.other.n) == (10, 10)
    if low is not None:
        assert 100 * found.unpaired.low == pytest.approx(low, abs=0.01)
        assert 100 * found.unpaired.high == pytest.approx(high, abs=0.01)
    elif key[2] == "gam":
        assert not (found.unpaired.p < 0.05)


def test_a_gap_is_welchs_of_the_single_runs(contrasts):
    with shipped("results", "published", "runs.csv").open(newline="") as file:
        table = list(csv.DictReader(file))

    def runs(optimizer, **settings):
        return [
            float(row["value"])
            for row in table
            if (row["dataset"], row["augmentation"], row["metric"]) == ("cifar100", "cutout", "test_accuracy")
            and row["optimizer"] == optimizer
            and settings.items() <= dict(entry.split("=") for entry in row["settings"].split()).items()
        ]

    exact, sgd = runs("exact-gam", rho="0.1"), runs("sgd")
    low, high = scipy.stats.ttest_ind(exact, sgd, equal_var=False).confidence_interval(0.95)
    found = contrasts["cifar100", "cutout", "exact-gam"]
    assert (found.unpaired.low, found.unpaired.high) == (pytest.approx(low), pytest.approx(high))
    assert found.difference == pytest.approx(np.mean(exact) - np.mean(sgd))


def test_other_batches_are_named_and_get_no_verdict(contrasts):
    told = {key: conclusion(found) for key, found in contrasts.items()}
    assert told["cifar100", "autoaugment", "gam"] == "confounded by batch 256 against 128"
    assert told["cifar10", "basic", "gam"] == "confounded by batch 256 against 7 × 128 and 3 × 256"
    assert told["cifar100", "autoaugment", "exact-gam"] == "ExactGAM is better"
    assert told["cifar10", "autoaugment", "exact-gam"] == "n.s."
    assert not any("better" in text for (_, _, name), text in told.items() if name == "gam")


def test_the_table_says_what_it_stands_on(waterloo):
    text = render(waterloo, "terminal")
    row = next(line for line in text.splitlines() if line.startswith("logs") and "cifar10 " in line)
    assert "95.42 ± 0.15 (n = 10, batch 7 × 128 and 3 × 256)" in row
    assert "95.93 ± 0.13 (n = 10, batch 256)" in row
    assert "+0.51 [+0.38, +0.64]" in text
    assert re.search(r"seconds an epoch +24\.9 +91\.4 +236\.2", text)
    assert "The tables of the GAM paper itself (CVPR 2023) could not be obtained" in text


@pytest.mark.parametrize("source", ["Waterloo", "SAM", "GSAM", "davda54", "bSAM"])
@pytest.mark.parametrize("format", FORMATS)
def test_every_source_in_every_format(source, format):
    table = build(source)
    text = render(table, format)
    assert source in text
    if format == "json":
        assert len(json.loads(text)["cells"]) == len(table.data)
    if format == "csv":
        assert len(list(csv.DictReader(text.splitlines()))) == len(table.data)


def test_sams_sgd_is_told_as_the_better_of_two_lengths():
    text = render(build("SAM"), "markdown")
    assert "(n = 5, best of 200, 400 epochs)" in text
    assert "SAM is better" in text


def test_the_page_has_the_table_and_no_sections_of_runs(waterloo):
    html = of_published(waterloo)
    assert "confounded by batch 256 against 128" in html
    assert 'id="runs"' not in html
    assert "published figures above" in html


def test_what_cannot_be_compared_is_said():
    with pytest.raises(UserError, match="did you mean 'Waterloo'"):
        build("Waterlo")
    with pytest.raises(UserError, match="F-SAM has no test_accuracy of two optimizers"):
        build("F-SAM")
    assert "F-SAM" in sources()
