"""RunSpec: what it refuses, in which words, and its identity."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gam_bench.data.catalog import AUGMENTATIONS
from gam_bench.optim.catalog import BASES, OPTIMIZERS
from gam_bench.suite.spec import COMPONENTS, OWN_SETTINGS, BadSettings, RunSpec, all_settings


def test_every_default_is_resolved(tiny):
    flat = RunSpec.resolve(tiny | {"optimizer": "gam"}).flat()
    assert flat["rho"] == 0.2
    assert flat["momentum"] == 0.9
    assert flat["label_noise"] == 0.0
    assert flat["base"] == "sgd"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"optimizer": "gamm"}, "optimizer 'gamm' is unknown; did you mean 'gam'"),
        ({"dataset": "cifar11"}, "dataset 'cifar11' is unknown; did you mean 'cifar1"),
        ({"model": "resnet18_cifr"}, "model 'resnet18_cifr' is unknown; did you mean 'resnet18_cifar'"),
        ({"augmentation": "cutoutt"}, "augmentation 'cutoutt' is unknown; did you mean 'cutout'"),
        ({"lr": "1e-3"}, "lr must be a number, got the text '1e-3'; YAML wants a point in it: 1.0e-3"),
        ({"lr": "fast"}, "lr must be a number, got the text 'fast'"),
        ({"lr": -1.0}, "lr must be > 0, got -1.0"),
        ({"lr": float("nan")}, "lr"),
        ({"epochs": 0}, "epochs must be > 0, got 0"),
        ({"epochs": 1.5}, "epochs must be a whole number, got 1.5"),
        ({"epochs": True}, "epochs"),
        ({"optimizer": "sam", "rho": -1.0}, "rho must be ≥ 0, got -1.0"),
        ({"optimizer": "sam", "gamma": 0.1}, "gamma is no setting of this run; it belongs to optimizer gam"),
        ({"epoch": 3}, "epoch is no setting of this run; did you mean 'epochs'"),
        ({"optimizer": "adamw", "base": "sgd"}, "base of 'adamw' is itself, got 'sgd'"),
        ({"warmup_epochs": 3.0}, "warmup_epochs must be ≤ epochs (2), got 3"),
        ({"min_lr": 0.06}, "min_lr must be ≤ lr (0.05), got 0.06"),
        (
            {"min_lr": 0.05, "optimizer": "sam", "rho_schedule": "proportion"},
            "min_lr must be < lr (0.05) for ρ to follow it, got 0.05",
        ),
        ({"augmentation": "inception"}, "augmentation 'inception' is not for digits"),
        ({"batch_size": 125, "processes": 2}, "batch_size must be a multiple of processes (2), got 125"),
        ({"precision": "fp16"}, "precision must be 'fp32', 'tf32' or 'bf16', got 'fp16'"),
    ],
)
def test_bad_settings_are_refused_in_the_fields_words(tiny, change, complaint):
    with pytest.raises(BadSettings) as error:
        RunSpec.resolve(tiny | change)
    assert complaint in str(error.value)


def test_all_mistakes_are_told_at_once(tiny):
    with pytest.raises(BadSettings) as error:
        RunSpec.resolve(
            tiny | {"lr": -1.0, "epochs": 0, "model": "nope_net", "optimizer": "sam", "rho": -2.0}
        )
    assert {setting for setting, _ in error.value.findings} == {"lr", "epochs", "model", "rho"}


def test_a_timm_model_may_name_its_weights(tiny):
    assert RunSpec.resolve(tiny | {"model": "resnet18.a1_in1k"}).model == "resnet18.a1_in1k"


def test_setting_names_are_unique_over_all_components():
    """Suite files and tables are flat: a run never has two settings of one name."""
    for optimizer in OPTIMIZERS.values():
        for base in BASES.values():
            for augmentation in AUGMENTATIONS.values():
                parts = [set(e.settings.model_fields) for e in (optimizer, base, augmentation)] + [
                    set(OWN_SETTINGS)
                ]
                assert sum(map(len, parts)) == len(set().union(*parts))


def test_every_component_resolves_with_its_defaults(tiny):
    for part, catalogue in COMPONENTS.items():
        for name, entry in catalogue.items():
            if part == "augmentation" and "memory" not in entry.kinds:
                continue
            settings = tiny | {part: name} | ({"optimizer": "sam"} if part == "base" else {})
            assert RunSpec.resolve(settings).flat().keys() >= set(entry.settings.model_fields)
    assert all_settings() >= OWN_SETTINGS


def test_identity_is_known(tiny):
    """A golden uid: if this changes, every result computed so far loses its name."""
    assert RunSpec.resolve(tiny).uid == "sgd-cnn20k-digits-s0-badf20e6"
    assert RunSpec.resolve(tiny | {"optimizer": "gam", "rho": 0.1}).uid == "gam-cnn20k-digits-s0-8a888b58"


def test_identity_does_not_depend_on_process_or_order(tiny):
    code = (
        "import json,sys; from gam_bench.suite.spec import RunSpec;"
        "print(RunSpec.resolve(json.loads(sys.argv[1])).uid)"
    )
    backwards = json.dumps(dict(reversed(tiny.items())))
    env = {"PYTHONHASHSEED": "7", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code, backwards], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == RunSpec.resolve(tiny).uid, done.stderr


def test_naming_a_default_does_not_change_the_identity(tiny):
    settings = tiny | {"optimizer": "gam"}
    assert RunSpec.resolve(settings | {"rho": 0.2, "label_noise": 0.0}).uid == RunSpec.resolve(settings).uid


@given(
    st.fixed_dictionaries(
        {
            "lr": st.floats(1e-6, 10),
            "epochs": st.integers(1, 300),
            "label_noise": st.sampled_from([0.0, 0.2, 0.4]),
            "rho": st.floats(0, 1),
            "seed": st.integers(0, 2**31),
        }
    )
)
def test_a_spec_survives_json_with_its_identity(settings):
    base = {"dataset": "digits", "model": "cnn20k", "optimizer": "sam", "batch_size": 64}
    spec = RunSpec.resolve(base | settings)
    back = RunSpec.model_validate_json(spec.model_dump_json())
    assert back == spec
    assert back.uid == spec.uid


@given(st.lists(st.sampled_from(["lr", "epochs", "rho", "seed", "weight_decay"]), min_size=1, unique=True))
def test_any_change_changes_the_identity(names):
    base = {
        "dataset": "digits",
        "model": "cnn20k",
        "optimizer": "sam",
        "batch_size": 64,
        "lr": 0.1,
        "epochs": 3,
    }
    base |= {"seed": 1, "rho": 0.05, "weight_decay": 0.0}
    changed = base | {name: base[name] + 1 for name in names}
    assert RunSpec.resolve(changed).uid != RunSpec.resolve(base).uid
