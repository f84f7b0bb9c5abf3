"""Made-up results: figures of a run, frames of runs, the ten-seed re-run as if measured here; and fixtures of
them, which a folder's conftest imports."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gam_bench.files import shipped
from gam_bench.results import single_runs
from gam_bench.results.frame import frame, of_suite
from gam_bench.store.folder import RunFolder
from gam_bench.store.scan import standings
from gam_bench.suite.suite import Suite, load

SUITE = """\
title: Small & odd, 100 % <made up>
seeds: [0, 1, 2]
runs:
  - {dataset: digits, label_noise: [0.0, 0.4], model: cnn20k, optimizer: [sgd, sam, gam]}
settings:
  - set: {epochs: 4, batch_size: 64, lr: 0.05, base: sgd}
    source: assumed
"""
STEP = {"sgd": 1, "sam": 2, "gam": 4}
EPOCHS = 4


def result(optimizer: str, noise: float, seed: int) -> dict[str, Any]:
    """Figures of a made-up run: no randomness, so that golden text can hold them."""
    cost = STEP[optimizer]
    accuracy = (0.97 if noise == 0 else 0.75 + 0.02 * cost) + 0.001 * ((seed * 7 + cost * 3) % 5)
    return {
        "epochs": EPOCHS, "test_accuracy": accuracy, "test_loss": 0.3 - 0.02 * cost + 0.001 * seed,
        "best_test_accuracy": accuracy + 0.002, "best_test_epoch": 3, "train_accuracy": 0.99,
        "train_loss": 0.05, "lambda_max": 80 / cost + seed, "hessian_trace": 400 / cost + 3 * seed,
        "hessian_trace_se": 5.0, "forward_backward_passes": 100 * cost, "steps": 100,
        "train_seconds": 2.0 * cost + 0.01 * seed, "eval_seconds": 0.5, "total_seconds": 3.0 * cost,
        "images_per_second": 1000.0 / cost, "peak_memory_bytes": None, "parameters": 19954, "threads": 1,
        "device": "cpu", "device_name": "CPU of a test", "attempts": 1,
        "finished_at": "2026-01-02T03:04:05+00:00",
    }  # fmt: skip


def curve(optimizer: str, noise: float, seed: int) -> list[dict[str, Any]]:
    last = result(optimizer, noise, seed)
    return [
        {
            "epoch": epoch, "lr": 0.05 * (1 - epoch / 5), "train_loss": 1 / epoch,
            "train_accuracy": 1 - 0.5 / epoch, "test_loss": 1 / epoch,
            "test_accuracy": last["test_accuracy"] * (1 - math.exp(-epoch)) / (1 - math.exp(-4)),
            "passes": 25 * STEP[optimizer], "train_seconds": last["train_seconds"] / 4,
        }
        for epoch in range(1, EPOCHS + 1)
    ]  # fmt: skip


def small_suite(folder: Path) -> Suite:
    path = folder / "small.yaml"
    path.write_text(SUITE)
    return load(str(path))


def small_results(root: Path, suite: Suite) -> Path:
    """Run folders of the small suite: one run failed, one diverged, one was never begun."""
    environment = {
        "python": "3.11.7",
        "torch": "2.15.0",
        "cuda": None,
        "git_dirty": False,
        "driver": "550.10",
    }
    for place, run in enumerate(suite.runs):
        if place == 17:
            continue
        folder = RunFolder.of(root, run.uid)
        folder.begin(run.spec)
        folder.write_environment(environment)
        if place in (15, 16):
            summary = "diverged: loss is nan" if place == 16 else "failed: RuntimeError: <out> of memory"
            folder.write_error(summary, "trace")
            continue
        key = (run.spec.optimizer, run.spec.label_noise, run.spec.seed)
        for line in curve(*key):
            folder.add_metrics(line)
        folder.write_result(result(*key))
    return root


def small_frame(folder: Path, *, curves: bool = True) -> pd.DataFrame:
    """The small suite's runs."""
    suite = small_suite(folder)
    results = small_results(folder / "results", suite)
    return of_suite(suite, standings(suite.runs, results), curves=curves)


def published_runs(augmentation: str, metric: str = "test_accuracy") -> pd.DataFrame:
    """The re-run of `runs.csv` as if measured here: its runs numbered, and all SGD in batches of 128."""
    records = []
    counts: Counter[tuple[str, str]] = Counter()
    for record in single_runs.records(shipped("results", "published", "runs.csv")):
        wrong_rho = {"cifar10": 0.1, "cifar100": 0.04}[record["dataset"]]
        if record["augmentation"] == augmentation and (
            record["optimizer"] != "exact-gam" or record["rho"] != wrong_rho
        ):
            group = (record["dataset"], record["optimizer"])
            batch = {"batch_size": 128} if record["optimizer"] == "sgd" else {}
            figures = {name: None for name in ("test_accuracy", "best_test_accuracy") if name != metric}
            named = {"suite": "rerun", "suite_title": "Ten seeds", "seed": counts[group], "sources": ""}
            records.append(record | batch | figures | named)
            counts[group] += 1
    return frame(records)


def runs(values: dict[str, list[float]], **settings: Any) -> pd.DataFrame:
    """A frame of finished runs: optimizer → test accuracies of seeds 0, 1, …"""
    return frame(
        record(optimizer, seed, value, **settings)
        for optimizer, found in values.items()
        for seed, value in enumerate(found)
    )


def record(optimizer: str, seed: int, value: float, **settings: Any) -> dict[str, Any]:
    settings = {
        "dataset": "digits", "label_noise": 0.0, "model": "cnn20k", "augmentation": "none", "epochs": 20,
        "batch_size": 64, "base": "sgd", "state": "done", "suite": "made", "suite_title": "Made up",
        "device": "cpu", "device_name": "one", "threads": 1,
        "forward_backward_passes": 100.0 * STEP.get(optimizer, 1),
        "train_seconds": 10.0 * STEP.get(optimizer, 1),
    } | settings  # fmt: skip
    key = json.dumps([optimizer, seed, settings], sort_keys=True, default=str)
    return {
        "uid": f"{optimizer}-{abs(hash(key))}",
        **settings,
        "optimizer": optimizer,
        "seed": seed,
        "test_accuracy": value,
    }


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    return small_suite(tmp_path)


@pytest.fixture
def results(tmp_path: Path, suite: Suite) -> Path:
    return small_results(tmp_path / "results", suite)


@pytest.fixture(scope="session")
def rerun() -> pd.DataFrame:
    """The ten-seed re-run of `runs.csv`: last epoch, basic augmentation, the radii that were meant."""
    return published_runs("basic")


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(20260101)
