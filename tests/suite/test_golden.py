"""Cells of the suites, their settings copied by hand from the papers and codes that are cited."""

import pytest

from gam_bench.suite.suite import load, matches

GAM_CODE, SAM, SAM_CODE, WATERLOO = "GAM-code", "SAM", "SAM-code", "Waterloo"

RELEASED_RECIPE = {  # main_cifar.py of the released GAM code
    "epochs": (200, GAM_CODE),
    "batch_size": (128, GAM_CODE),
    "lr": (0.1, GAM_CODE),
    "weight_decay": (5e-4, GAM_CODE),
    "momentum": (0.9, GAM_CODE),
    "nesterov": (False, GAM_CODE),
    "schedule": ("cosine", GAM_CODE),
    "schedule_every": ("epoch", GAM_CODE),
    "min_lr": (0.0, GAM_CODE),
}
SAM_RECIPE = {  # appendix C.1, and flags of the released SAM code
    "batch_size": (256, SAM),
    "momentum": (0.9, SAM_CODE),
    "nesterov": (True, SAM_CODE),
    "clip_norm": (5.0, SAM_CODE),
    "label_smoothing": (0.0, SAM_CODE),
    "schedule": ("cosine", SAM_CODE),
    "schedule_every": ("step", SAM_CODE),
}
C10, C100 = 0.1 * 10 / 9, 0.1 * 100 / 99  # the released code's smoothing in torch's terms

CELLS = [
    (
        "cifar10",
        {"model": "resnet18_cifar", "augmentation": "basic", "optimizer": "gam"},
        RELEASED_RECIPE
        | {"rho": (0.2, GAM_CODE), "rho_prime": (0.03, GAM_CODE), "alpha": (0.1, GAM_CODE)}
        | {"beta": (0.1, GAM_CODE), "gamma": (0.05, GAM_CODE), "variant": ("official-code", GAM_CODE)}
        | {"adaptive": (False, GAM_CODE), "rho_schedule": ("constant", GAM_CODE)}
        | {"label_smoothing": (C10, GAM_CODE)},
    ),
    (
        "cifar10",
        {"model": "pyramidnet110_a270_bottleneck", "augmentation": "basic", "optimizer": "gam"},
        RELEASED_RECIPE
        | {"rho": (0.2, GAM_CODE), "rho_prime": (0.03, GAM_CODE), "alpha": (0.1, GAM_CODE)}
        | {"beta": (0.1, GAM_CODE), "gamma": (0.03, GAM_CODE)},
    ),
    (
        "cifar100",
        {"model": "resnet101_cifar", "augmentation": "basic", "optimizer": "gam"},
        RELEASED_RECIPE
        | {"rho": (0.2, GAM_CODE), "rho_prime": (0.02, GAM_CODE), "alpha": (0.6, GAM_CODE)}
        | {"beta": (0.5, GAM_CODE), "gamma": (0.03, GAM_CODE), "label_smoothing": (C100, GAM_CODE)},
    ),
    (
        "cifar100",
        {"model": "pyramidnet110_a270_bottleneck", "augmentation": "cutout", "optimizer": "gam"},
        RELEASED_RECIPE
        | {"rho": (0.2, GAM_CODE), "rho_prime": (0.04, GAM_CODE), "alpha": (0.5, GAM_CODE)}
        | {"beta": (0.3, GAM_CODE), "gamma": (0.05, GAM_CODE), "cutout_size": (8, WATERLOO)},
    ),
    (
        "cifar10",
        {"model": "wrn28_10", "augmentation": "cutout", "optimizer": "sam"},
        {"rho": (0.05, SAM), "adaptive": (False, SAM), "cutout_size": (16, WATERLOO), "lr": (0.1, "assumed")}
        | {"weight_decay": (5e-4, "assumed"), "epochs": (200, "assumed"), "batch_size": (128, "assumed")},
    ),
    (
        "cifar100",
        {"model": "wrn28_10", "augmentation": "basic", "optimizer": "sam"},
        {"rho": (0.1, SAM)},
    ),
    (
        "cifar100",
        {"model": "resnet18_cifar", "augmentation": "basic", "optimizer": "sam"},
        RELEASED_RECIPE | {"rho": (0.1, "Eigen-SAM")},
    ),
    (
        "cifar100",
        {"model": "wrn28_2", "augmentation": "basic", "optimizer": "gam"},
        {"rho": (0.2, "assumed"), "rho_prime": (0.02, "assumed"), "alpha": (0.6, "assumed")},
    ),
    (
        "cifar10",
        {"model": "resnet101_cifar", "augmentation": "autoaugment", "optimizer": "exact-gam"},
        {"rho": (0.04, WATERLOO), "alpha": (0.1, WATERLOO), "cutout_size": (16, WATERLOO)}
        | {"autoaugment_policy": ("cifar10", WATERLOO)},
    ),
    (
        "cifar100",
        {"model": "resnet18_cifar", "augmentation": "randaugment", "optimizer": "exact-gam"},
        {"rho": (0.1, WATERLOO), "alpha": (0.3, WATERLOO), "cutout_size": (8, WATERLOO)}
        | {"randaugment_n": (1, WATERLOO), "randaugment_m": (2, WATERLOO)},
    ),
    (
        "waterloo",
        {"dataset": "cifar10", "augmentation": "randaugment", "optimizer": "gam", "batch_size": 256},
        {"batch_size": (256, WATERLOO), "randaugment_n": (3, WATERLOO), "randaugment_m": (4, WATERLOO)}
        | {"cutout_size": (16, WATERLOO), "variant": ("official-code", GAM_CODE), "rho": (0.2, GAM_CODE)}
        | {"epochs": (200, GAM_CODE), "lr": (0.1, GAM_CODE), "weight_decay": (5e-4, GAM_CODE)},
    ),
    (
        "waterloo",
        {"dataset": "cifar100", "augmentation": "autoaugment", "optimizer": "sgd"},
        RELEASED_RECIPE | {"autoaugment_policy": ("cifar10", WATERLOO), "cutout_size": (8, WATERLOO)},
    ),
    (
        "sam-table1",
        {
            "dataset": "cifar100",
            "model": "wrn28_10",
            "augmentation": "basic",
            "optimizer": "sam",
            "epochs": 200,
        },
        SAM_RECIPE
        | {"lr": (0.1, SAM), "weight_decay": (5e-4, SAM), "rho": (0.1, SAM), "micro_batch": (32, SAM)},
    ),
    (
        "sam-table1",
        {"dataset": "cifar10", "model": "wrn28_10", "augmentation": "autoaugment", "optimizer": "sam"}
        | {"epochs": 1800},
        SAM_RECIPE
        | {
            "lr": (0.05, SAM),
            "weight_decay": (1e-3, SAM),
            "rho": (0.05, SAM),
            "cutout_size": (16, "assumed"),
        },
    ),
    (
        "sam-table1",
        {
            "dataset": "cifar100",
            "model": "wrn28_10",
            "augmentation": "cutout",
            "optimizer": "sgd",
            "epochs": 400,
        },
        SAM_RECIPE | {"lr": (0.1, SAM), "weight_decay": (5e-4, SAM), "cutout_size": (16, SAM_CODE)},
    ),
    (
        "sam-table1",
        {"dataset": "cifar100", "model": "pyramidnet*", "augmentation": "basic", "optimizer": "sam"},
        SAM_RECIPE
        | {"lr": (0.05, SAM), "weight_decay": (5e-4, SAM), "rho": (0.2, SAM), "epochs": (1800, "assumed")},
    ),
    (
        "label-noise",
        {"label_noise": [0.2, 0.4, 0.6], "optimizer": "sam"},
        SAM_RECIPE | {"rho": (0.1, SAM), "epochs": (200, SAM), "lr": (0.1, "assumed")},
    ),
    (
        "label-noise",
        {"label_noise": 0.8, "optimizer": "sam"},
        SAM_RECIPE | {"rho": (0.05, SAM), "epochs": (200, SAM), "model": ("resnet32_cifar", "suite")},
    ),
    (
        "imagenet",
        {"model": "resnet50", "optimizer": "sam", "epochs": 100},
        {"batch_size": (4096, SAM), "lr": (1.0, SAM), "momentum": (0.9, SAM), "weight_decay": (1e-4, SAM)}
        | {"label_smoothing": (0.1, SAM), "rho": (0.05, SAM), "schedule": ("cosine", SAM)},
    ),
    (
        "imagenet",
        {"model": "vit_small_patch32_224", "optimizer": "adamw"},
        {
            "lr": (3e-3, "GSAM"),
            "min_lr": (3e-5, "GSAM"),
            "weight_decay": (0.3, "GSAM"),
            "epochs": (300, "GSAM"),
        }
        | {"batch_size": (4096, "GSAM-code"), "clip_norm": (1.0, "GSAM-code")}
        | {"schedule": ("linear", "GSAM-code"), "base": ("adamw", "suite")},
    ),
    (
        "imagenet",
        {"model": "vit_base_patch32_224", "optimizer": "sam"},
        {"rho": (0.6, "assumed"), "rho_min": (0.1, "assumed"), "rho_schedule": ("proportion", "assumed")}
        | {"lr": (3e-3, "GSAM"), "weight_decay": (0.3, "GSAM")},
    ),
    (
        "asam",
        {"optimizer": "sam", "adaptive": True},
        {"rho": (2.0, "davda54"), "batch_size": (128, "davda54"), "epochs": (200, "davda54")}
        | {"lr": (0.1, "davda54"), "weight_decay": (5e-4, "davda54"), "label_smoothing": (C10, "davda54")},
    ),
    (
        "fine-tuning",
        {"dataset": "stanford_cars", "model": "tf_efficientnet_b7*", "optimizer": "sgd"},
        {
            "lr": (0.016, SAM),
            "weight_decay": (1e-5, SAM),
            "batch_size": (1024, SAM),
            "pretrained": (True, SAM),
        }
        | {"momentum": (0.9, SAM), "schedule": ("cosine", SAM)},
    ),
]


@pytest.mark.parametrize(
    ("name", "where", "expected"),
    CELLS,
    ids=[f"{name}-{'-'.join(map(str, where.values()))}" for name, where, _ in CELLS],
)
def test_settings_are_the_published_ones(name, where, expected):
    runs = [run for run in load(name).runs if matches(run.spec.flat(), where)]
    assert runs
    for run in runs:
        found = {key: (run.spec.flat()[key], run.sources[key]) for key in expected}
        assert {key: source for key, (_, source) in found.items()} == {k: s for k, (_, s) in expected.items()}
        for key, (value, _) in expected.items():
            wanted = pytest.approx(value, rel=1e-4) if isinstance(value, float) else value
            assert found[key][0] == wanted, key


@pytest.mark.parametrize(("name", "images"), [("stanford_cars", 8144), ("oxford_pets", 3680)])
def test_fine_tuning_takes_the_5000_steps_of_the_paper(name, images):
    where = {"dataset": name, "model": "tf_efficientnet_b7*"}
    (epochs,) = {run.spec.epochs for run in load("fine-tuning").runs if matches(run.spec.flat(), where)}
    assert epochs * -(-images // 1024) == pytest.approx(5000, rel=0.01)


def test_vision_transformers_warm_up_for_10000_steps():
    spec = next(run.spec for run in load("imagenet").runs if run.spec.base == "adamw")
    assert spec.warmup_epochs * 1_281_167 / spec.batch_size == pytest.approx(10_000, rel=0.01)


def test_nothing_of_gam_is_claimed_to_be_published_where_no_paper_has_it():
    """GAM's settings are known for ResNets and PyramidNets on CIFAR and for nothing else."""
    gam = ("rho", "rho_prime", "alpha", "beta", "gamma", "sam_rho")
    others = ("imagenet", "fine-tuning", "label-noise", "fashion-mnist", "adamw", "quickstart")
    assumed = dict.fromkeys(others, "gam") | {"cifar10": "sam+gam", "cifar100": "sam+gam"}
    for name, optimizer in assumed.items():
        runs = [run for run in load(name).runs if run.spec.optimizer == optimizer]
        found = {run.sources[key] for run in runs for key in gam if key in run.sources}
        assert found == {"assumed"}, name
