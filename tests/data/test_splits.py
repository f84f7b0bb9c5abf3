"""Validation images held out, labels spoilt: how many, which, and what stays as it was."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gam_bench.data import derive, load
from gam_bench.errors import UserError


def rows(split) -> list[bytes]:
    return [image.tobytes() for image in split.images.numpy()]


@settings(max_examples=20, deadline=None)
@given(fraction=st.floats(0.01, 0.99), seed=st.integers(0, 2**31))
def test_validation_takes_the_same_share_of_every_class_and_nothing_twice(fraction, seed):
    whole = load("digits").train
    splits = load("digits", validation=fraction, seed=seed)
    assert sorted(rows(splits.train) + rows(splits.validation)) == sorted(rows(whole))
    taken = torch.bincount(splits.validation.labels, minlength=10)
    for label, members in enumerate(torch.bincount(whole.labels, minlength=10).tolist()):
        assert taken[label] == round(fraction * members)


def test_validation_is_chosen_by_the_seed():
    first, again, other = (load("digits", validation=0.2, seed=seed).validation for seed in (0, 0, 1))
    assert torch.equal(first.images, again.images)
    assert rows(first) != rows(other)


@settings(max_examples=20, deadline=None)
@given(fraction=st.floats(0, 0.99), seed=st.integers(0, 2**31))
def test_label_noise_redraws_at_most_the_fraction_of_training_labels(fraction, seed):
    clean, noisy = load("digits"), load("digits", label_noise=fraction, seed=seed)
    changed = int((clean.train.labels != noisy.train.labels).sum())
    assert changed <= round(fraction * 1000)
    assert torch.equal(clean.train.images, noisy.train.images)
    assert torch.equal(clean.test.labels, noisy.test.labels)


def test_label_noise_is_uniform_over_all_classes():
    """Of 40 % redrawn labels a tenth is drawn right: 36 % wrong, within four standard deviations."""
    clean = load("digits").train.labels
    wrong, drawn = [], torch.zeros(10)
    for seed in range(50):
        noisy = load("digits", label_noise=0.4, seed=seed).train.labels
        wrong.append((noisy != clean).double().mean().item())
        drawn += torch.bincount(noisy[noisy != clean], minlength=10)
    assert sum(wrong) / 50 == pytest.approx(0.36, abs=4 * (0.4 * 0.1 * 0.9 / 1000 / 50) ** 0.5)
    share = drawn / drawn.sum()
    assert share.sub(0.1).abs().max() < 0.01


def test_validation_labels_stay_true_under_noise():
    clean = load("digits", validation=0.3, seed=5)
    noisy = load("digits", validation=0.3, label_noise=0.8, seed=5)
    assert torch.equal(clean.validation.labels, noisy.validation.labels)
    assert not torch.equal(clean.train.labels, noisy.train.labels)


@pytest.mark.parametrize("setting", ["validation", "label_noise"])
@pytest.mark.parametrize("value", [-0.1, 1.0, 20])
def test_a_fraction_outside_its_range_is_refused(setting, value):
    with pytest.raises(UserError, match=f"{setting} is {value}"):
        load("digits", **{setting: value})


def test_folders_split_alike(prepared):
    prepared("imagenet")
    splits = load("imagenet", validation=0.5, label_noise=0.5)
    assert len(splits.train) == len(splits.validation) == 20
    assert not set(splits.train.images) & set(splits.validation.images)
    for path, label in zip(splits.validation.images, splits.validation.labels.tolist(), strict=True):
        assert path.parent.name == f"n{label:08d}"


def test_seeds_are_a_fixed_function_of_seed_purpose_and_epoch():
    assert derive(0, "order", 0) == 3955691223199900983  # the first 63 bits of sha256("0/order/0")
    seen = {
        derive(seed, purpose, epoch)
        for seed in range(5)
        for purpose in ("order", "weights")
        for epoch in range(5)
    }
    assert len(seen) == 50
    assert all(0 <= seed < 2**63 for seed in seen)
    code = "from gam_bench.data.randomness import derive; print(derive(0, 'order', 0))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == derive(0, "order", 0)
