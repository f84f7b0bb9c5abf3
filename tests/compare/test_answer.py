"""Answers: what a claim of order comes to over the rows of a table."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import record, runs

from gam_bench.compare.answer import Standing, answers, like_these
from gam_bench.compare.cell import cells, telling
from gam_bench.compare.paired import compare
from gam_bench.compare.question import asked
from gam_bench.errors import UserError
from gam_bench.results.figures import metric
from gam_bench.results.frame import frame
from gam_bench.suite.claim import USUAL, Claim

ACCURACY = metric("test_accuracy")
BEHIND = [ACCURACY, metric("forward_backward_passes"), metric("validation_accuracy")]


def answered(made, claims=USUAL, metrics=(ACCURACY,), seeds=0, margin=0.005):
    found = cells(made, [*telling(made), "optimizer"], list(dict.fromkeys([*metrics, *BEHIND])))
    return answers(found, claims, list(metrics), margin, seeds)


def primary(made, **options):
    return answered(made, **options)[0]


def rows_of(gains, **settings):
    """SGD at 0.8 and GAM above it: one list of gains a row, in points; NaN for a seed that is not there."""
    parts = []
    for place, row in enumerate(gains):
        for seed, gain in enumerate(row):
            if gain == gain:
                extra = {"label_noise": place / 100} | settings
                base = 0.8 + 0.001 * seed + 0.01 * place
                parts += [record("sgd", seed, base, **extra), record("gam", seed, base + gain / 100, **extra)]
    return frame(parts)


def with_state(made, optimizer, seeds, state="diverged"):
    made.loc[(made["optimizer"] == optimizer) & made["seed"].isin(seeds), "state"] = state
    return made


def test_the_headline_is_students_t_of_each_seeds_mean_over_rows(random):
    gains = random.normal(0.4, 0.3, (5, 4))
    found = primary(rows_of(gains))
    reference = scipy.stats.ttest_1samp(gains.mean(axis=0) / 100, 0)
    assert found.tasks.comparison.p == pytest.approx(reference.pvalue, rel=1e-6)
    assert found.tasks.comparison.low == pytest.approx(reference.confidence_interval().low)
    assert (found.claim.better, found.worse, len(found.rows), found.seeds) == ("gam", "sgd", 5, [0, 1, 2, 3])
    assert not found.interim


@pytest.mark.parametrize(
    ("gains", "standing", "within"),
    [
        ([1.0, 1.1, 0.9], Standing.SUPPORTED, False),
        ([0.2, 0.21, 0.19], Standing.SUPPORTED, True),
        ([-1.0, -1.1, -0.9], Standing.CONTRADICTED, False),
        ([0.05, -0.05, 0.04, -0.02], Standing.EQUIVALENT, True),
        ([2.0, -1.0, 0.5], Standing.UNDECIDED, False),
        ([0.5, 0.5, 0.5], Standing.UNDECIDED, False),  # no spread decides nothing
        ([0.0, 0.0, 0.0], Standing.UNDECIDED, False),
        ([0.5], Standing.UNDECIDED, False),
    ],
)
def test_verdicts_by_their_rule(gains, standing, within):
    found = primary(rows_of([gains]))
    assert (found.standing, found.tasks.within) == (standing, within)


def test_less_is_better_where_it_is():
    made = rows_of([[0.0, 0.1, 0.2]])
    made["test_loss"] = np.where(made["optimizer"] == "gam", 0.2, 0.3) + made["seed"] ** 2 * 0.001
    made.loc[0, "test_loss"] += 0.001
    found = answered(made, metrics=(ACCURACY, metric("test_loss")))
    (loss,) = [answer for answer in found if answer.metric.name == "test_loss"]
    assert (loss.standing, loss.claim.primary, loss.tasks.within) == (Standing.SUPPORTED, False, False)
    assert loss.tasks.comparison.difference < 0


seeds = st.integers(2, 6)
points = st.floats(-3, 3).map(lambda value: round(value, 2))


@st.composite
def tables(draw):
    n = draw(seeds)
    return draw(st.lists(st.lists(points, min_size=n, max_size=n), min_size=1, max_size=4))


@settings(max_examples=60, deadline=None)
@given(tables())
def test_a_row_that_repeats_the_claims_means_changes_nothing(gains):
    one = primary(rows_of(gains))
    two = primary(rows_of([*gains, list(np.mean(gains, axis=0))]))
    assert two.standing == one.standing
    assert two.tasks.comparison.difference == pytest.approx(one.tasks.comparison.difference)
    assert two.tasks.p == pytest.approx(one.tasks.p)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**31), st.integers(6, 12), st.integers(2, 6), st.floats(0.01, 100))
def test_a_data_set_that_repeats_the_means_never_takes_away_a_verdict(seed, number, n, ratio):
    random = np.random.default_rng(seed)
    table = random.normal(1, ratio, (number, 1)) + random.normal(0, 1, (number, n))
    one, two = like_these(table), like_these(np.vstack([table, table.mean(axis=0)]))
    assert two.high - two.low <= (one.high - one.low) * (1 + 1e-9)


def test_one_more_row_of_equal_effect_does_not_lower_power():
    def power(rows):
        random = np.random.default_rng(rows)
        means = (random.normal(0.3, 0.21, (rows, 3)).mean(axis=0) for _ in range(3000))
        return np.mean([compare(values).p < 0.05 for values in means])

    found = [power(rows) for rows in (1, 2, 4, 8, 16)]
    assert found == sorted(found)
    assert found[-1] > 0.95


def test_data_sets_like_these_by_hand(random):
    gains = random.normal(0.5, 0.1, (7, 3)) + random.normal(0, 1, (7, 1))
    parts = [rows_of([row], dataset=f"d{place}") for place, row in enumerate(gains)]
    found = primary(pd.concat(parts, ignore_index=True))
    between, noise = gains.mean(axis=1).var(ddof=1) / 7, gains.mean(axis=0).var(ddof=1) / 3
    df = (between + noise) ** 2 / (between**2 / 6 + noise**2 / 2)
    half = scipy.stats.t.ppf(0.975, df) * np.sqrt(between + noise) / 100
    comparison = found.data_sets.comparison
    assert found.data_sets.units == 7
    assert comparison.high - comparison.difference == pytest.approx(half)
    assert found.standing == found.tasks.standing  # what becomes available does not replace the headline
    few = primary(pd.concat(parts[:5], ignore_index=True))
    assert few.data_sets is None


def test_augmentations_of_one_data_set_are_no_further_data_sets():
    parts = [rows_of([[0.5, 0.6, 0.7]], augmentation=name) for name in "abcdefgh"]
    assert primary(pd.concat(parts, ignore_index=True)).data_sets is None


def test_seeds_are_those_of_all_rows_and_what_is_dropped_is_named():
    nan = float("nan")
    found = primary(rows_of([[0.5, 0.6, 0.7, 0.8], [0.4, nan, 0.6, 0.5], [nan] * 4]), seeds=4)
    assert (found.seeds, found.dropped, found.planned) == ([0, 2, 3], [1], 4)
    assert found.interim
    late = with_state(rows_of([[0.5, 0.6], [0.4, 0.5]]), "gam", [0, 1], "missing")
    late.loc[late["label_noise"] == 0, "state"] = "done"
    half = primary(late)
    assert (len(half.rows), len(half.left_out), half.interim) == (1, 1, True)


def test_a_verdict_before_all_planned_seeds_is_interim():
    assert primary(rows_of([[0.5, 0.6, 0.7]]), seeds=5).interim
    failed = primary(with_state(rows_of([[0.5, 0.6, 0.7]]), "gam", [2], "failed"))
    assert (failed.interim, failed.seeds, failed.planned) == (True, [0, 1], 3)


def test_nothing_run_yet_is_not_run():
    found = primary(with_state(rows_of([[0.5, 0.6]]), "gam", [0, 1], "missing"))
    assert (found.standing, found.tasks) == (Standing.NOT_RUN, None)


def test_three_diverged_runs_of_twelve_are_no_support():
    gains = 2 + np.linspace(-0.1, 0.1, 12)
    assert primary(rows_of([gains])).standing == Standing.SUPPORTED
    found = primary(with_state(rows_of([gains]), "gam", [1, 5, 7]))
    assert (found.tasks.signs.wins, found.tasks.signs.losses) == (9, 3)
    assert found.tasks.p == pytest.approx(0.146, abs=5e-4)
    assert (found.standing, found.tasks.comparison) == (Standing.UNDECIDED, None)
    assert found.diverged == ((3, 12), (0, 12))
    one = primary(with_state(rows_of([gains]), "gam", [1]))
    assert (one.standing, one.tasks.p) == (Standing.SUPPORTED, pytest.approx(0.006, abs=5e-4))
    assert primary(with_state(rows_of([gains]), "sgd", [1])).standing == Standing.SUPPORTED


def test_a_seed_is_won_by_the_rows_that_it_wins_and_two_diverged_runs_are_a_tie():
    made = rows_of([[0.5] * 8, [-0.5] * 8, [0.5] * 8])
    made.loc[(made["label_noise"] == 0.02) & (made["seed"] == 3), "state"] = "diverged"  # both
    found = primary(made).tasks.signs
    assert (found.wins, found.losses, found.ties) == (7, 0, 1)
    made.loc[made["label_noise"] == 0.01, "test_accuracy"] += made["optimizer"].eq("gam") * 0.01
    found = primary(made).tasks.signs  # the tie of one row takes nothing from the others
    assert (found.wins, found.losses, found.ties) == (8, 0, 0)


def test_the_primary_claim_is_tested_alone_and_the_others_together(random):
    noise = {name: list(0.8 + random.normal(0, 0.001, 5)) for name in ("sgd", "sam", "gam", "exact-gam")}
    found = answered(runs(noise))
    assert [answer.claim.primary for answer in found] == [True, False, False, False]
    assert found[0].tasks.p_holm == found[0].tasks.p
    lowest = min((answer.tasks for answer in found[1:]), key=lambda scope: scope.p)
    assert lowest.p_holm == pytest.approx(min(1, 3 * lowest.p))


def test_further_figures_cost_the_claims_nothing(random):
    made = runs({name: list(0.8 + random.normal(0, 0.001, 5)) for name in ("sgd", "sam", "gam")})
    made["test_loss"] = random.normal(0.3, 0.01, len(made))
    few, many = answered(made), answered(made, metrics=(ACCURACY, metric("test_loss")))
    for one, other in zip(few, many, strict=False):
        assert other.tasks.p_holm == one.tasks.p_holm


def test_the_base_is_the_runs_own():
    made = pd.concat([
        runs({"sgd": [0.80, 0.81, 0.82], "gam": [0.82, 0.84, 0.83]}),
        runs({"adamw": [0.70, 0.71, 0.72], "gam": [0.72, 0.74, 0.73]}, base="adamw"),
    ], ignore_index=True)  # fmt: skip
    found = primary(made)
    assert (len(found.rows), found.worse) == (2, "base")
    assert {row.worse[0].optimizer for row in found.rows} == {"sgd", "adamw"}
    assert primary(made[made["base"] == "adamw"].reset_index(drop=True)).worse == "adamw"


def sweep(validation):
    made = [record("sgd", s, 0.80 + 0.001 * s, validation_accuracy=0.8) for s in range(3)]
    for rho, accuracy in ((0.05, 0.82), (0.1, 0.84), (0.2, 0.86)):
        picked = {"validation_accuracy": 0.9 - rho} if validation else {}
        made += [record("gam", s, accuracy + 0.002 * s, rho=rho, **picked) for s in range(3)]
    return primary(frame(made))


def test_tuning_values_are_no_tasks():
    chosen, averaged = sweep(validation=True), sweep(validation=False)
    assert len(chosen.rows) == len(averaged.rows) == 1
    assert [cell.settings["rho"] for cell in chosen.rows[0].better] == [0.05]  # not what is best on the test
    assert chosen.tasks.comparison.difference == pytest.approx(0.021)
    assert averaged.tasks.comparison.difference == pytest.approx(0.041)


def test_equal_compute_is_a_claim_of_its_own():
    made = frame(
        [record("sgd", s, 0.80 + 0.010 * s, epochs=20, forward_backward_passes=100) for s in range(3)]
        + [record("sgd", s, 0.84 + 0.010 * s, epochs=80, forward_backward_passes=400) for s in range(3)]
        + [record("gam", s, 0.86 + 0.011 * s, epochs=20, forward_backward_passes=400) for s in range(3)]
    )
    differences = {answer.claim.at: answer.tasks.comparison.difference for answer in answered(made)}
    assert differences == {"epochs": pytest.approx(0.061), "passes": pytest.approx(0.021)}


def test_runs_of_unlike_recipes_are_no_evidence():
    made = pd.concat([runs({"sgd": [0.8] * 3}), runs({"gam": [0.9] * 3}, batch_size=256)], ignore_index=True)
    found = primary(made)
    assert (found.standing, found.rows) == (Standing.NOT_RUN, [])
    assert [(d.setting, d.one, d.other) for d in found.unlike] == [("batch_size", 256, 64)]


def test_runs_without_common_seeds_are_judged_by_welch():
    sgd, gam = (0.80, 0.81, 0.83), (0.85, 0.87)
    made = frame(
        [record("sgd", s, value) for s, value in enumerate(sgd)]
        + [record("gam", 7 + s, value) for s, value in enumerate(gam)]
    )
    found = primary(made).tasks.comparison
    assert not found.paired
    assert found.p == pytest.approx(scipy.stats.ttest_ind(gam, sgd, equal_var=False).pvalue)


def test_two_suites_questions_become_one():
    made = runs({"sgd": [0.8], "gam": [0.9]})
    assert [c.order for c in asked(made).claims] == [c.order for c in USUAL]
    own = '{"claims":[{"better":"sam","primary":true}],"margin":0.2,"seeds":[0,1]}'
    alone = asked(made.assign(question=own))
    assert (alone.claims[0].order, alone.margin, alone.seeds) == (Claim(better="sam").order, 0.2, [0, 1])
    assert sum(claim.primary for claim in alone.claims) == 1
    both = asked(made.assign(question=[own, '{"seeds":[0,1,2]}']))
    assert not any(claim.primary for claim in both.claims)  # they do not agree what is asked
    assert (both.margin, both.seeds) == (0.2, [0, 1, 2])
    for wrong, complaint in (
        ('{"claims":[{"better":"sam","metric":"test_acuracy"}]}', "did you mean 'test_accuracy'"),
        ('{"claims":[{"better":"sam","metric":"train_seconds"}]}', "no figure to be better in"),
        ("{", "holds no question"),
    ):
        with pytest.raises(UserError, match=complaint):
            asked(made.assign(question=wrong))
