"""Suite files: products, rules, sources, and what a stranger gets wrong."""

import textwrap

import pytest

from gam_bench.errors import UserError
from gam_bench.suite.file import suite_names
from gam_bench.suite.select import parse_only, parse_seeds, select
from gam_bench.suite.suite import load, matches

GOOD = """
title: A test
seeds: [0, 1]
runs:
  - {dataset: digits, model: [cnn20k, mlp], optimizer: [sgd, sam]}
settings:
  - set: {epochs: 2, batch_size: 64, lr: 0.05}
    source: assumed
  - where: {optimizer: sam}
    set: {rho: 0.1}
    source: SAM
  - where: {optimizer: sam, model: "ml*"}
    set: {rho: 0.2}
    source: assumed
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.yaml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return str(path)

    return write


def test_a_suite_is_the_product_of_its_lists_times_seeds(write):
    suite = load(write(GOOD))
    assert len(suite.runs) == 2 * 2 * 2
    assert len({run.uid for run in suite.runs}) == 8


def test_later_rules_win_and_every_setting_has_a_source(write):
    suite = load(write(GOOD))
    for run in suite.runs:
        assert run.sources.keys() == run.spec.flat().keys()
        if run.spec.optimizer == "sam":
            expected = (0.2, "assumed") if run.spec.model == "mlp" else (0.1, "SAM")
            assert (run.spec.flat()["rho"], run.sources["rho"]) == expected
            assert ("rho" in run.assumed) == (run.spec.model == "mlp")
        assert run.sources["dataset"] == "suite"
        assert run.sources["label_noise"] == "default"
        assert run.sources["momentum"] == "assumed"  # a component's own default is nobody's published choice


def test_factors_stand_above_rules(write):
    text = GOOD.replace("optimizer: [sgd, sam]}", "optimizer: [sam], rho: [0.3, 0.4]}")
    suite = load(
        write(
            text.replace("  - where: {optimizer: sam}\n    set: {rho: 0.1}\n    source: SAM\n", "").replace(
                "set: {rho: 0.2}", "set: {rho: 0.2, momentum: 0.8}"
            )
        )
    )
    assert {run.spec.flat()["rho"] for run in suite.runs} == {0.3, 0.4}


def test_blocks_are_united_without_doubles(write):
    doubled = GOOD.replace("settings:", "  - {dataset: digits, model: cnn20k, optimizer: sgd}\nsettings:")
    assert len(load(write(doubled)).runs) == 8


def test_extending_adds_rules_after_those_of_the_base(write):
    write(GOOD, "base.yaml")
    suite = load(write("title: More\nextends: base\nsettings:\n  - {set: {lr: 0.2}, source: assumed}\n"))
    assert len(suite.runs) == 8
    assert {run.spec.lr for run in suite.runs} == {0.2}
    assert suite.title == "More"


def test_extending_itself_is_refused(write):
    with pytest.raises(UserError, match="extends itself"):
        load(write("title: Loop\nextends: mine\n"))


FIVE_MISTAKES = """
title: A stranger's
seeds: [0]
runs:
  - {dataset: digits, model: cnn20k, optimizer: [sgd, sam]}
settings:
  - set: {epochs: 0, batch_size: 64, lr: 1e-3}
    source: assumed
  - where: {optimizer: sam}
    set: {rho: -1}
    source: assumed
  - where: {base: sgd}
    set: {momentum: 1.5, gamma: 0.1}
    source: assumed
"""


def test_five_mistakes_are_all_told_each_with_its_line(write):
    with pytest.raises(UserError) as error:
        load(write(FIVE_MISTAKES))
    lines = str(error.value).splitlines()
    assert len(lines) == 5, lines
    for wanted in (
        "line 7: epochs must be > 0, got 0",
        "line 7: lr must be a number, got the text '1e-3'; YAML wants a point in it: 1.0e-3",
        "line 9: rho must be ≥ 0, got -1",
        "line 12: momentum must be < 1, got 1.5",
        "line 12: gamma is no setting of this run",
    ):
        assert any(wanted in line for line in lines), (wanted, lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("title:", "titel:"), "line 2: titel is unknown here; did you mean 'title'"),
        (GOOD.replace("source: SAM", "source: SAMM"), "unknown source 'SAMM'; did you mean 'SAM'"),
        (GOOD.replace("{rho: 0.1}", "{rhoo: 0.1}"), "line 9: unknown setting 'rhoo'; did you mean 'rho"),
        (
            GOOD.replace("dataset: digits", "dataset: digitz"),
            "dataset 'digitz' is unknown; did you mean 'digits'",
        ),
        (GOOD.replace("lr: 0.05}", "lr: 0.05, lr: 0.1}"), "line 7: 'lr' is there twice"),
        (GOOD.replace('"ml*"', "resnet18_cifar"), "line 12: this rule sets nothing in any run"),
        (GOOD.replace("seeds: [0, 1]", "seeds: []"), "seeds"),
        (GOOD.replace("seeds: [0, 1]", "seeds: [0, -1]"), "seed must be ≥ 0, got -1"),
        (GOOD.replace("runs:", "runs: 3 #"), "line"),
        ("- a\n- b\n", "must be a mapping"),
        ("title: [\n", "line 2: expected"),
        (
            GOOD.replace("set: {rho: 0.2}", "sett: {rho: 0.2}"),
            "settings.2.sett is unknown here; did you mean 'set'",
        ),
        ("title: x\nseeds: [0]\n", "runs must be given"),
    ],
)
def test_mistakes_name_file_line_and_the_mend(write, text, message):
    with pytest.raises(UserError) as error:
        load(write(text))
    assert message in str(error.value)
    assert "mine.yaml" in str(error.value)


def test_unknown_suites_and_files(tmp_path):
    with pytest.raises(UserError, match=r"unknown suite 'quickstat'; did you mean 'quickstart'"):
        load("quickstat")
    with pytest.raises(UserError, match="there is no suite file"):
        load(str(tmp_path / "none.yaml"))


def test_yaml_cannot_run_code(write):
    with pytest.raises(UserError, match="could not determine a constructor"):
        load(write("title: !!python/object/apply:os.system ['true']\n"))


def test_seeds_replace_those_of_the_file(write):
    assert {run.spec.seed for run in load(write(GOOD), [7, 8, 9]).runs} == {7, 8, 9}


def test_selection():
    assert parse_seeds("0,2,5-7") == [0, 2, 5, 6, 7]
    assert parse_only(["optimizer=sam,gam,label_noise=0.4"]) == {
        "optimizer": ["sam", "gam"],
        "label_noise": [0.4],
    }
    runs = load("quickstart").runs
    assert len(select(runs, parse_only(["optimizer=g*,label_noise=0.4"]))) == 3
    for bad in ("optimzer=sam", "sam"):
        with pytest.raises(UserError, match="--only"):
            parse_only([bad])
    with pytest.raises(UserError, match="there is no such run; did you mean 'gam'"):
        select(runs, parse_only(["optimizer=gan"]))
    assert parse_seeds("") == []
    assert parse_seeds("3, 1 - 2,3") == [3, 1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "0;1",
        "5-2",
        ",",
        "0,",
        "1,,2",
        " ",
        "²",
        "٣",
        "-1",
        "1-",
        "0-99999999999",
        "9" * 5000,
        "1.0",
        "0-10000",
    ],
)
def test_seeds_that_are_none_are_refused_in_one_line(text):
    with pytest.raises(UserError, match="--seeds") as caught:
        parse_seeds(text)
    assert "\n" not in str(caught.value)


def test_conditions():
    settings = {"model": "resnet18_cifar", "epochs": 200, "optimizer": "sam"}
    assert matches(settings, {"model": "resnet*", "epochs": [100, 200]})
    assert not matches(settings, {"model": "wrn*"})
    assert matches(settings, {"label_noise": 0.0, "base": "sgd"})  # not given: the default


@pytest.mark.parametrize("name", suite_names())
def test_every_shipped_suite_loads_and_names_only_known_sources(name):
    suite = load(name)
    assert suite.title
    assert suite.runs
    for run in suite.runs:
        assert set(run.sources.values()) <= {"suite", "assumed", "default", *suite.citations}


ASKING = """
title: Asking
seeds: [0, 1]
margin: 0.3
claims:
  - {better: sam, worse: base, metric: test_loss, primary: true}
runs:
  - {dataset: digits, model: cnn20k, optimizer: [sgd, sam]}
settings:
  - set: {epochs: 1, batch_size: 64, lr: 0.1}
    source: assumed
"""


def test_a_suite_asks_what_its_file_says_and_the_usual(write):
    question = load(write(ASKING), seeds=[5]).question
    assert (question.margin, question.seeds) == (0.3, [0, 1])  # planned, whatever was asked for now
    first, *others = question.asked()
    assert first.order == ("sam", "base", "test_loss", "epochs")
    assert first.primary
    assert not any(claim.primary for claim in others)
    assert ("gam", "base", "test_accuracy", "epochs") in {claim.order for claim in others}
    (primary,) = [claim for claim in load("cifar10").question.asked() if claim.primary]
    assert primary.order == ("gam", "base", "test_accuracy", "epochs")


def test_claims_are_extended_with_the_rest(write):
    asking = write(ASKING, "asking.yaml")
    mine = write("title: Mine\nextends: asking\n")
    assert load(mine).question == load(asking).question
    assert load("label-noise").question.asked()[0].better == "gam"  # it extends sam-table1, which asks of SAM


@pytest.mark.parametrize(
    ("claim", "complaint"),
    [
        ("{better: gma}", "claims, entry 1: unknown optimizer 'gma'; did you mean 'gam'"),
        ("{better: sam, worse: sdg}", "claims, entry 1: unknown optimizer 'sdg'; did you mean 'sgd'"),
        ("{better: sam, worse: sam}", "claims, entry 1: 'sam' cannot be better than itself"),
        ("{better: sam, wrose: sgd}", "line 6: claims.0.wrose is unknown here; did you mean 'worse'"),
        ("{better: sam, at: steps}", "line 6: claims.0.at must be 'epochs' or 'passes', got 'steps'"),
        ("{better: sam}\n  - {better: sam}", "claims, entry 2: sam > base is there twice"),
        ("{better: sam, primary: true}\n  - {better: gam, primary: true}", "this is the second"),
    ],
)
def test_a_claim_that_is_none_is_told_with_its_place(write, claim, complaint):
    with pytest.raises(UserError) as error:
        load(write(ASKING.replace("{better: sam, worse: base, metric: test_loss, primary: true}", claim)))
    assert complaint in str(error.value)
