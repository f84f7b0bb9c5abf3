"""What a table compares, refuses to compare, marks and notes."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from made_runs import published_runs, record, runs

from gam_bench.errors import UserError
from gam_bench.report.claims import sentence
from gam_bench.report.render import render
from gam_bench.report.table import build
from gam_bench.report.words import conclusion, names
from gam_bench.results.frame import frame, of_suite
from gam_bench.store.scan import standings
from gam_bench.suite.suite import load


def entries(table, kind="measured"):
    return [[entry.text for entry in line.entries] for line in table.lines if line.kind == kind]


def told(table):
    return {names(finding): finding for _, finding in table.findings}


def spread(mean, n, width=0.002):
    return list(mean + width * (np.arange(n) - (n - 1) / 2) / n)


def test_rows_are_what_varies_and_columns_are_optimizers_in_the_catalogues_order():
    made = pd.concat([
        runs({"gam": [0.9], "sgd": [0.8]}, label_noise=0.4),
        runs({"sam": [0.7], "sgd": [0.6]}, label_noise=0.0),
    ], ignore_index=True)  # fmt: skip
    table = build(made, ["test_accuracy"])
    assert table.row_names == ("label noise",)
    assert table.columns == ("SGD", "SAM", "GAM")
    assert [line.labels for line in table.lines] == [("0",), ("0.4",)]
    assert entries(table) == [["60.00 (1/1)", "70.00 (1/1)", ""], ["80.00 (1/1)", "", "90.00 (1/1)"]]
    assert table.about.startswith(
        "digits · cnn20k · no augmentation · 20 epochs · batch 64 · 4 of 4 runs done"
    )


def test_a_setting_that_only_follows_the_task_makes_no_row():
    made = pd.concat([
        runs({"sgd": [0.9], "sam": [0.9]}, dataset="cifar10", cutout_size=16),
        runs({"sgd": [0.7], "sam": [0.7]}, dataset="cifar100", cutout_size=8),
    ], ignore_index=True)  # fmt: skip
    assert build(made, ["test_accuracy"]).row_names == ("dataset",)


def test_a_sweep_makes_rows_and_each_is_compared_with_the_one_base():
    made = frame(
        [record("sgd", s, 0.80 + 0.001 * s) for s in range(3)]
        + [
            record("sam", s, 0.81 + rho + 0.001 * s, rho=rho)
            for rho in (0.05, 0.1, 0.2, 0.5)
            for s in range(3)
        ]
    )
    table = build(made, ["test_accuracy"])
    assert table.row_names == ("rho",)
    assert [line.labels for line in table.lines] == [("—",), ("0.05",), ("0.1",), ("0.2",), ("0.5",)]
    found = [(where, f.comparison.difference) for where, f in table.findings]
    assert found[:2] == [("rho 0.05", pytest.approx(0.06)), ("rho 0.1", pytest.approx(0.11))]


def test_what_one_optimizer_alone_varies_makes_columns_and_no_rows():
    """As in the suite waterloo: GAM in two batch sizes, exact GAM with two radii, on each of two tasks."""
    made = pd.concat(
        [
            runs({name: [value, value + 0.001, value + 0.003]}, dataset=dataset, rho=rho, batch_size=batch)
            for dataset, right, wrong in (("cifar10", 0.04, 0.1), ("cifar100", 0.1, 0.04))
            for name, rho, batch, value in (
                ("sgd", None, 128, 0.80), ("gam", 0.2, 256, 0.82), ("gam", 0.2, 128, 0.83),
                ("exact-gam", right, 128, 0.84), ("exact-gam", wrong, 128, 0.81),
            )
        ],
        ignore_index=True,
    )  # fmt: skip
    table = build(made, ["test_accuracy"])
    assert table.row_names == ("dataset",)
    assert table.columns == (
        "SGD", "GAM, batch size 128", "GAM, batch size 256", "ExactGAM, rho 0.04", "ExactGAM, rho 0.1",
    )  # fmt: skip
    assert [len([text for text in line if text]) for line in entries(table)] == [5, 5]
    found = {(where, names(finding)): finding.comparison for where, finding in table.findings}
    assert found["cifar10", "GAM (batch size 128) − SGD"].difference == pytest.approx(0.03)
    assert found["cifar10", "GAM (batch size 256) − SGD"] is None
    assert found["cifar100", "ExactGAM (rho 0.04) − SGD"].difference == pytest.approx(0.01)


def test_the_suite_waterloo_has_a_row_a_task():
    suite = load("waterloo", [0])
    table = build(of_suite(suite, standings(suite.runs, Path("nowhere"))))
    assert table.row_names == ("dataset", "augmentation")
    assert [line.row for line in table.lines if line.kind == "measured"] == [
        f"{dataset}, {augmentation}"
        for dataset in ("cifar10", "cifar100")
        for augmentation in ("basic", "cutout", "autoaugment", "randaugment")
    ]


def test_rows_and_columns_as_asked():
    made = pd.concat([runs({"sgd": [0.9], "sam": [0.8]}, augmentation=name) for name in ("basic", "none")])
    table = build(made.reset_index(drop=True), ["test_accuracy"], ["optimizer"], ["augmentation"])
    assert table.columns == ("augmentation none", "augmentation basic")
    assert [line.labels for line in table.lines] == [("sgd",), ("sam",)]


def test_different_runs_are_never_mixed_in_a_cell():
    made = pd.concat(
        [runs({"sgd": [0.9]}, dataset=name) for name in ("digits", "cifar10")], ignore_index=True
    )
    with pytest.raises(UserError, match="mix runs that differ in dataset"):
        build(made, rows=["model"])
    with pytest.raises(UserError, match="mix runs that differ in optimizer"):
        build(runs({"sgd": [0.9], "sam": [0.8]}), rows=["model"], columns=["dataset"])


def test_unknown_names_have_near_ones():
    made = runs({"sgd": [0.9]})
    with pytest.raises(UserError, match="unknown metric 'test_acuracy'; did you mean 'test_accuracy'"):
        build(made, ["test_acuracy"])
    with pytest.raises(UserError, match="'modle' is no setting of these runs; did you mean 'model'"):
        build(made, rows=["modle"])


def test_no_runs():
    with pytest.raises(UserError, match="no runs to show"):
        build(runs({}))


def test_missing_and_failed_runs_are_seen_and_stand_in_no_statistic():
    made = runs({"sgd": [0.80, 0.81, 0.82, 0.83], "sam": [0.9, 0.9, 0.9, 0.9], "gam": [0.9, 0.9, 0.9, 0.9]})
    made.loc[made["optimizer"] == "gam", "state"] = ["missing", "failed", "failed", "diverged"]
    made.loc[5, "state"] = "missing"
    table = build(made, ["test_accuracy"])
    assert entries(table) == [["81.50 ± 1.29", "90.00 ± 0.00 (3/4)", "— (0/4, 2 failed, 1 diverged)"]]
    finding = told(table)["SAM − SGD"]
    assert finding.comparison.n == 3
    assert finding.comparison.difference == pytest.approx(0.9 - np.mean([0.80, 0.82, 0.83]))
    assert "7 of 12 runs done, 1 diverged, 2 failed" in table.about


def test_nothing_run_yet_is_a_table_of_dashes():
    made = runs({"sgd": [np.nan] * 3, "sam": [np.nan] * 3})
    made["state"] = "missing"
    table = build(made)
    assert entries(table) == [["—", "—"]]
    assert table.findings == []
    assert render(table, "terminal")


def test_bold_needs_a_significant_difference_to_the_runner_up(random):
    few = build(runs({"sgd": spread(0.80, 5), "gam": spread(0.90, 5)}), ["test_accuracy"])
    assert not any(entry.best for line in few.lines for entry in line.entries)
    many = build(
        runs({"sgd": spread(0.80, 8), "gam": list(random.permutation(spread(0.90, 8)))}), ["test_accuracy"]
    )
    assert [entry.best for entry in many.lines[0].entries] == [False, True]
    assert "* 90.00" in render(many, "terminal")
    assert "**90.00" in render(many, "markdown")
    same = build(
        runs({"sgd": spread(0.80, 8), "gam": list(random.permutation(spread(0.80, 8)))}), ["test_accuracy"]
    )
    assert not any(entry.best for entry in same.lines[0].entries)


def test_less_is_better_where_it_is(random):
    made = runs({"sgd": [0.5] * 8, "gam": [0.5] * 8})
    made["test_loss"] = [*spread(0.3, 8), *random.permutation(spread(0.2, 8))]
    table = build(made, ["test_loss"])
    assert [entry.best for entry in table.lines[0].entries] == [False, True]
    assert conclusion(told(table)["GAM − SGD"]) == "GAM is better"
    assert table.scoreboard[0].startswith("GAM > SGD: supported; −0.100 nats")


def test_few_seeds_say_what_they_cannot_say():
    def told_of(n, width=0.004):
        made = build(runs({"sgd": spread(0.80, n), "gam": spread(0.805, n, width)}))
        return sentence(told(made)["GAM − SGD"])

    assert told_of(1).endswith("+0.50 points, n = 1: one seed tells nothing of chance")
    assert told_of(3, 0.002).endswith("n = 3: without any spread nothing is decided")
    assert re.search(r"\+0.50 points \[.*\], p = 0.063, n = 2: no difference shown", told_of(2))
    assert re.search(r"\+0.50 points \[.*\], p = 0.0059, n = 3: GAM is better", told_of(3))
    assert "by sign flips p = 0.0078, n = 8: GAM is better" in told_of(8)


def test_holm_is_over_all_comparisons_of_the_table(random):
    one = runs({"sgd": spread(0.80, 7), "gam": list(random.permutation(spread(0.85, 7)))})
    two = pd.concat([one, one.assign(label_noise=0.4), one.assign(label_noise=0.2)], ignore_index=True)
    alone, together = build(one).findings[0][1], build(two).findings[0][1]
    assert alone.p_holm == alone.comparison.p
    assert together.p_holm == pytest.approx(3 * alone.p_holm)


def test_only_like_is_compared_with_like():
    made = pd.concat([runs({"sgd": [0.8] * 3}), runs({"gam": [0.9] * 3}, batch_size=256)], ignore_index=True)
    finding = told(build(made))["GAM − SGD"]
    assert finding.comparison is None
    assert sentence(finding) == "GAM − SGD: not compared, batch_size 256 against 64"
    tuned = pd.concat(
        [runs({"sgd": [0.8] * 3}, lr=0.1), runs({"gam": [0.9] * 3}, lr=0.05, rho=0.2)], ignore_index=True
    )
    assert told(build(tuned))["GAM − SGD"].comparison.n == 3


def test_without_common_seeds_means_are_compared_unpaired_and_it_is_named():
    made = frame(
        [record("sgd", s, 0.80 + 0.001 * s) for s in range(3)]
        + [record("sam", s, 0.82 + 0.001 * s) for s in (5, 6)]
    )
    table = build(made)
    assert re.fullmatch(
        r"SAM − SGD \+2.45 points \[.*\], p .*, unpaired, n = 2 and 3: SAM is better",
        sentence(told(table)["SAM − SGD"]),
    )
    assert "unpaired, n = 2 and 3" in table.scoreboard[0]
    lone = frame([record("sgd", 0, 0.8), record("sam", 5, 0.9)])
    assert sentence(told(build(lone))["SAM − SGD"]) == "SAM − SGD: not compared, no finished seed in common"


def test_equal_compute_sets_sgd_with_four_times_the_epochs_beside_gam():
    made = frame(
        [record("sgd", s, 0.80 + 0.01 * s, epochs=20, forward_backward_passes=100) for s in range(3)]
        + [record("sgd", s, 0.84 + 0.01 * s, epochs=80, forward_backward_passes=400) for s in range(3)]
        + [record("gam", s, 0.86 + 0.01 * s, epochs=20, forward_backward_passes=400) for s in range(3)]
    )
    table = build(made, ["test_accuracy"])
    assert table.row_names == ("epochs",)
    found = told(table)
    assert set(found) == {"GAM − SGD", "GAM (20 epochs) − SGD (80 epochs)"}
    assert found["GAM (20 epochs) − SGD (80 epochs)"].comparison.difference == pytest.approx(0.02)
    assert found["GAM − SGD"].comparison.difference == pytest.approx(0.06)


def test_equal_passes_stand_side_by_side_with_their_epochs():
    steps = {"sgd": 1, "sam": 2, "gam": 4}
    made = frame(
        record(optimizer, s, 0.8 + 0.001 * epochs + 0.002 * s, epochs=epochs,
               forward_backward_passes=100 * epochs * steps[optimizer])
        for optimizer, lengths in (("sgd", (20, 40, 80)), ("sam", (20, 40)), ("gam", (20,)))
        for epochs in lengths for s in range(2)
    )  # fmt: skip
    table = build(made, ["test_accuracy"])
    equal = [line for line in table.lines if line.kind == "equal"]
    assert [line.what for line in equal] == ["8,000 passes", "4,000 passes"]
    assert [entry.text for entry in equal[0].entries] == [
        "88.10 ± 0.14 (80 epochs)", "84.10 ± 0.14 (40 epochs)", "82.10 ± 0.14 (20 epochs)",
    ]  # fmt: skip
    assert any(text.startswith("GAM > SAM at equal passes: ") for text in table.scoreboard)


@pytest.mark.parametrize("name", ["train_seconds", "images_per_second", "relative_seconds", "total_seconds"])
def test_no_time_or_throughput_is_compared_across_machines(name):
    made = runs({"sgd": [0.8] * 3, "gam": [0.9] * 3})
    made[name] = [10.0, 11.0, 12.0, 40.0, 41.0, 43.0]
    made["train_seconds"] = made["train_seconds"] if name == "relative_seconds" else made[name]
    assert told(build(made, [name]))["GAM − SGD"].comparison.n == 3
    made.loc[3:, "device_name"] = "fast"
    if name == "relative_seconds":  # of which the fast machine has none, without a base on it
        assert told(build(made, [name])) == {}
        return
    assert conclusion(told(build(made, [name]))["GAM − SGD"]) == (
        "not compared, their seeds in common ran on unlike machines"
    )
    made["device_name"] = ["slow", "slow", "fast"] * 2
    table = build(made, [name])
    assert entries(table) == [["— (2 machines)"] * 2]
    assert told(table)["GAM − SGD"].comparison.n == 3  # each seed on one machine


def test_bold_is_off_and_no_interval_is_printed_where_runs_diverged(random):
    made = runs({"sgd": spread(0.80, 8), "gam": list(random.permutation(spread(0.90, 8)))})
    assert any(entry.best for entry in build(made, ["test_accuracy"]).lines[0].entries)
    made.loc[15, "state"] = "diverged"
    table = build(made, ["test_accuracy"])
    assert not any(entry.best for line in table.lines for entry in line.entries)
    text = render(table, "terminal")
    assert "GAM wins 7 and loses 1 of 8 seeds (1 of 8 GAM runs diverged), sign test, p = 0.07" in text
    assert "interval [" not in text


def test_each_base_has_its_own_row_and_reference():
    made = pd.concat([
        runs({"sgd": [0.8] * 3, "sam": [0.9] * 3}),
        runs({"adamw": [0.5] * 3, "sam": [0.7] * 3}, base="adamw"),
    ], ignore_index=True)  # fmt: skip
    table = build(made, ["test_accuracy"])
    assert table.row_names == ("base",)
    assert {name: f.comparison.difference for name, f in told(table).items()} == {
        "SAM − SGD": pytest.approx(0.1), "SAM − AdamW": pytest.approx(0.2),
    }  # fmt: skip


def test_the_rerun_reproduces_its_own_figures(rerun):
    table = build(rerun[rerun["dataset"] == "cifar100"].reset_index(drop=True), ["test_accuracy"])
    assert entries(table) == [["79.23 ± 0.17", "79.38 ± 0.30", "79.86 ± 0.26"]]
    assert entries(table, "published")[0][0] == "79.23 ± 0.17 (n = 10) Waterloo"
    assert entries(table, "verdict")[0] == ["reproduced"] * 3
    assert table.scoreboard[-1] == "Published figures: 3 reproduced, 1 of other recipes, not counted."
    # batch 256 against 128: accelerated GAM is not compared with SGD
    assert conclusion(told(table)["GAM − SGD"]) == "not compared, batch_size 256 against 128"
    assert told(table)["ExactGAM − SGD"].significant


def test_another_margin_is_another_verdict(rerun):
    one = rerun[rerun["dataset"] == "cifar100"].reset_index(drop=True)
    assert entries(build(one, ["test_accuracy"], margin=0.0001), "verdict")[0][0] == "undecided"


def test_the_best_test_epoch_is_named_in_the_title():
    table = build(published_runs("basic", "best_test_accuracy"), ["best_test_accuracy"])
    assert "best test epoch (picked on the test set)" in table.title


def test_times_of_different_hardware_are_never_divided():
    made = pd.concat([
        runs({"sgd": [0.8] * 2}, device_name="slow"), runs({"gam": [0.9] * 2}, device_name="fast"),
    ], ignore_index=True)  # fmt: skip
    table = build(made, ["test_accuracy", "relative_passes", "relative_seconds"])
    assert entries(table, "side") == [["1.0", "4.0"], ["1.0 ± 0.0", "—"]]
    assert any("compared only within each" in note for note in table.notes)


def test_the_number_of_assumed_settings_is_noted(suite, results):
    from gam_bench.results.frame import of_suite
    from gam_bench.store.scan import standings

    table = build(of_suite(suite, standings(suite.runs, results)))
    counts = sorted({len(run.assumed) for run in suite.runs})
    assert any(f"(assumed): {counts[0]} to {counts[-1]}" in note for note in table.notes)
    assert sorted({cell.assumed for cell in table.cells}) == counts


def test_a_large_table_keeps_to_the_main_metric():
    made = pd.concat([runs({"sgd": [0.8]}, label_noise=n / 10) for n in range(8)], ignore_index=True)
    made["test_loss"] = 0.5
    assert {line.kind for line in build(made).lines} == {"measured"}
    assert "side" in {line.kind for line in build(made.head(3)).lines}


def test_low_precision_is_told_below_the_table():
    made = runs({"sgd": [0.8, 0.8], "gam": [0.9]})
    assert not any("Precision" in note for note in build(made).notes)
    made["precision"] = ["bf16", "fp32", "fp32"]
    assert any(note.startswith("Precision bf16 in 1 of 3 runs") for note in build(made).notes)


def test_runs_of_different_numerics_versions_are_not_paired_and_the_row_says_so():
    made = runs({"sgd": spread(0.80, 4), "gam": spread(0.85, 4)})
    assert told(build(made))["GAM − SGD"].comparison.n == 4
    assert not any("numerics" in note for note in build(made).notes)
    made.loc[made["optimizer"] == "gam", "numerics"] = [2, 1, 2, 1]  # results without a version are of 1
    table = build(made)
    assert told(table)["GAM − SGD"].comparison.n == 2
    assert "Runs of different numerics versions, which are not paired, in: all (1, 2)." in table.notes
    made.loc[made["optimizer"] == "gam", "numerics"] = 2
    (finding,) = told(build(made)).values()
    assert finding.comparison is None
    assert conclusion(finding) == "not compared, their seeds in common are of different numerics versions"


def test_a_claim_between_numerics_versions_says_why_it_has_no_answer():
    made = runs({"sgd": spread(0.80, 4), "gam": spread(0.85, 4)})
    made.loc[made["optimizer"] == "gam", "numerics"] = 2
    (line,) = [line for line in build(made).scoreboard if line.startswith("GAM > SGD")]
    assert line.endswith("not compared, their seeds in common are of different numerics versions.")


def test_rows_that_share_no_seeds_at_all_are_judged_by_their_own_noise():
    """Other people's runs have numbers and no seeds: no two rows of one optimizer share one."""
    made = frame(
        record(
            optimizer, 100 * row + 10 * side + seed, mean + 0.01 * row + 0.001 * seed, label_noise=row / 10
        )
        for row in range(3)
        for side, (optimizer, mean) in enumerate((("sgd", 0.80), ("gam", 0.82)))
        for seed in range(4)
    )
    (line,) = [line for line in build(made).scoreboard if line.startswith("GAM > SGD")]
    error = (
        np.sqrt(2 * np.var([0, 1, 2, 3], ddof=1) / 4 / 3) * 0.1
    )  # points: six equal variances over 3² rows
    half = scipy.stats.t.ppf(0.975, 18) * error
    assert f"supported; +2.00 points, 95 % interval [+{2 - half:.2f}, +{2 + half:.2f}]" in line
    assert line.endswith("over 3 rows, unpaired, n = 4 and 4.")


def test_tuning_values_of_other_runs_say_why_there_is_no_answer():
    made = frame(
        [record("sgd", s, 0.8 + s / 1000) for s in range(3)]
        + [record("sam", 10 * k + s, 0.9, rho=k / 10) for k in (1, 2) for s in range(3)]
    )
    (line,) = [line for line in build(made).scoreboard if line.startswith("SAM > SGD")]
    assert line == "SAM > SGD: not compared, tuning values of one side share no seeds."
