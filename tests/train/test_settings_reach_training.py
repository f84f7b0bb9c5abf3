"""Every setting that a run can have, changed alone, changes what it should in the training, and nothing else.

The settings come from the models and catalogues themselves: a new one without a case here fails.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from torch import Tensor
from watched import EFFECTS, observe, observe_in_two

from gam_bench import models
from gam_bench.data.catalog import AUGMENTATIONS
from gam_bench.data.randomness import derive
from gam_bench.optim.catalog import BASES, OPTIMIZERS
from gam_bench.suite.spec import COMPONENTS, OWN_SETTINGS, RunSpec

COMMON = {
    "dataset": "digits", "model": "mlp", "optimizer": "sam", "lr": 0.05, "epochs": 1, "batch_size": 250,
    "seed": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """Changing a setting to any of `values`, in a run with `given` settings, changes these effects."""

    values: list[Any]
    changes: set[str]
    given: dict[str, Any] = field(default_factory=dict)


SPLIT = {"images", "labels", "order", "batches", "held out", "gradient"}
DECAYS = {"warmup_epochs": 1.0, "schedule_every": "step"}  # the first rate is a quarter of the highest
FOLLOWS = DECAYS | {"rho_schedule": "proportion"}
OTHER_OPTIMIZER = {"passes", "radii", "gradient"}

OWN: dict[str, list[Case]] = {
    "dataset": [Case(["others"], {"images", "gradient"})],
    "validation": [Case([0.2], SPLIT)],
    "label_noise": [Case([0.4], {"labels", "gradient"})],
    "image_size": [Case([12], {"images", "gradient"}, {"model": "cnn20k"})],
    "augmentation": [Case(["basic", "cutout", "autoaugment", "randaugment"], {"images", "gradient"})],
    "model": [Case(["cnn20k"], {"weights", "gradient"})],
    "pretrained": [Case([True], {"weights", "gradient"}, {"model": "test_resnet"})],
    "optimizer": [
        Case(["sgd", "gam", "sam+gam"], OTHER_OPTIMIZER),
        Case(["exact-gam"], OTHER_OPTIMIZER - {"passes"}),  # two forward passes, as SAM has
        Case(["adam", "adamw"], OTHER_OPTIMIZER | {"update"}),
    ],
    "base": [Case(["adam", "adamw"], {"update"})],
    "lr": [Case([0.1], {"rates"})],
    "weight_decay": [Case([0.1], {"update"}), Case([0.1], {"update"}, {"base": "adamw"})],
    "schedule": [Case(["cosine", "linear"], {"rates"}, {"epochs": 2})],
    "schedule_every": [Case(["step"], {"rates"}, {"schedule": "cosine"})],
    "warmup_epochs": [Case([0.5], {"rates"}, {"schedule_every": "step"})],
    "min_lr": [
        Case([0.01], {"rates"}, {"schedule": "cosine", "schedule_every": "step"}),
        Case([0.01], {"radii", "gradient"}, FOLLOWS),
    ],
    "epochs": [Case([2], {"epochs", "rates", "radii"})],
    "batch_size": [Case([500], {"batches", "passes", "rates", "radii", "gradient"})],
    "label_smoothing": [Case([0.1], {"loss", "gradient"})],
    "clip_norm": [Case([0.01], {"gradient"})],
    "precision": [Case(["tf32"], {"arithmetic"}), Case(["bf16"], {"arithmetic", "gradient"})],
    "perturbation": [Case(["global"], {"gradient"}, {"processes": 2})],
    "processes": [Case([2], {"images", "labels", "batches", "passes", "gradient"})],
    "micro_batch": [Case([50], {"passes", "gradient"})],
    "seed": [
        Case([1], {"weights", "order", "dropout", "gradient"}),
        Case([1], {"weights", "order", "dropout", "gradient", "labels"}, {"label_noise": 0.4}),
        Case([1], {"weights", "order", "dropout", "gradient", "images"}, {"augmentation": "basic"}),
        Case([1], {"weights", "order", "dropout", "gradient", "images", "labels"}, {"validation": 0.2}),
    ],
}  # fmt: skip
"""Of each setting of RunSpec. Its component settings are below."""

BROUGHT: dict[str, list[Case]] = {
    "cutout_size": [Case([4], {"images", "gradient"})],
    "autoaugment_policy": [Case(["imagenet", "svhn"], {"images", "gradient"})],
    "randaugment_n": [Case([1], {"images", "gradient"})],
    "randaugment_m": [Case([20], {"images", "gradient"})],
    "rho": [Case([0.1], {"gradient", "radii"})],
    "rho_prime": [Case([0.1], {"gradient", "radii"})],
    "rho_schedule": [Case(["proportion"], {"gradient", "radii"}, DECAYS)],
    "rho_min": [Case([0.01], {"gradient", "radii"}, FOLLOWS)],
    "rho_prime_min": [Case([0.01], {"gradient", "radii"}, FOLLOWS)],
    "sam_rho": [Case([0.1], {"gradient"})],
    "adaptive": [Case([True], {"gradient"})],
    "alpha": [Case([0.5], {"gradient"})],
    "beta": [Case([0.7], {"gradient"})],
    "gamma": [Case([0.1], {"gradient"})],
    "variant": [Case(["official-code"], {"gradient"})],
    "momentum": [Case([0.5], {"update"})],
    "nesterov": [Case([True], {"update"})],
    "beta1": [Case([0.5], {"update"})],
    "beta2": [Case([0.9], {"update"})],
    "eps": [Case([1e-2], {"update"})],
}
"""Of each setting that an augmentation, optimizer or base optimizer brings, for all that bring it."""


def brought() -> list[tuple[str, str, str]]:
    """Part, entry and setting: all that some catalogue's entry brings."""
    return [
        (part, name, setting)
        for part, catalogue in COMPONENTS.items()
        for name, entry in catalogue.items()
        for setting in entry.settings.model_fields
    ]


def cases() -> list[Any]:
    """Settings before, the setting, its other value, and the effects that change."""
    several: list[tuple[str, Case, dict[str, Any]]] = []
    for name, own in OWN.items():
        several += [(name, case, {}) for case in own]
    for part, name, setting in brought():
        several += [(setting, case, {part: name}) for case in BROUGHT.get(setting, [])]
    return [
        pytest.param(
            COMMON | owner | case.given, setting, value, case.changes,
            id="-".join(map(str, [*owner.values(), setting, value, *case.given])),
        )
        for setting, case, owner in several
        for value in case.values
    ]  # fmt: skip


def pairs() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The settings of each case, before and after the change."""
    values = (case.values for case in cases())
    return [(before, before | {setting: value}) for before, setting, value, _ in values]


@cache
def seen(settings: str) -> dict[str, Any]:
    """The effects of the run with these settings (JSON)."""
    values = json.loads(settings)
    return seen_in_two()[settings] if "processes" in values else observe(values)


@cache
def seen_in_two() -> dict[str, dict[str, Any]]:
    """The effects of all runs of the cases that have two processes, in the first of them."""
    return observe_in_two({json.dumps(one) for pair in pairs() for one in pair if "processes" in one})


def same(one: Any, other: Any) -> bool:
    """Equal, to the last bit."""
    if isinstance(one, Tensor):
        return one.shape == other.shape and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


@pytest.mark.parametrize(("before", "setting", "value", "changes"), cases())
def test_a_changed_setting_changes_its_effects_and_no_others(before, setting, value, changes):
    one, two = (seen(json.dumps(settings)) for settings in (before, before | {setting: value}))
    assert one.keys() == two.keys() == EFFECTS.keys()
    assert {effect for effect in EFFECTS if not same(one[effect], two[effect])} == changes


def test_every_setting_has_a_case():
    assert OWN.keys() == OWN_SETTINGS
    assert BROUGHT.keys() == {setting for *_, setting in brought()}


def choices() -> Iterator[tuple[str, set[str], str]]:
    """Settings with a list of possible values: those, and the default, all of which a case must reach."""
    yield "optimizer", set(OPTIMIZERS), "sam"
    yield "base", set(BASES), "sgd"
    yield "augmentation", {name for name, entry in AUGMENTATIONS.items() if "memory" in entry.kinds}, "none"
    models = [RunSpec, *(entry.settings for part in COMPONENTS.values() for entry in part.values())]
    for name, info in (item for model in models for item in model.model_fields.items()):
        if get_origin(info.annotation) is Literal:
            yield name, set(get_args(info.annotation)), info.default


@pytest.mark.parametrize(("setting", "possible", "default"), list(choices()))
def test_every_choice_has_a_case(setting, possible, default):
    tried = {value for case in (OWN | BROUGHT)[setting] for value in case.values}
    assert tried | {default} == possible


def test_the_same_settings_have_the_same_effects():
    """What the contract stands on: no effect varies by itself."""
    one, two = (observe(COMMON | {"optimizer": "gam", "augmentation": "basic"}) for _ in range(2))
    assert [effect for effect in EFFECTS if not same(one[effect], two[effect])] == []


def test_initial_weights_and_dropout_are_functions_of_the_seed_and_their_purpose():
    """In the words of `data.randomness`: with other words all old results would be of other draws."""
    found = observe(COMMON | {"seed": 3})
    assert found["dropout"] == derive(3, "dropout", 1)
    torch.manual_seed(derive(3, "weights"))
    assert same(found["weights"], dict(models.create("mlp", 10, 1, 8).state_dict()))
