"""The benchmark of batches: that both ways make the same kind of batch, and that what it reports adds up."""

import pytest
import torch

from gam_bench.bench.data import CASES, measure, plain_loader
from gam_bench.data import Batches, Split, catalog


@pytest.mark.parametrize("augmentation", list(CASES))
def test_both_ways_make_batches_of_like_form_and_statistics(augmentation):
    torch.manual_seed(0)
    entry = catalog.DATASETS["cifar10"]
    smooth = torch.linspace(0, 255, 32).to(torch.uint8).view(1, 32, 1, 1).expand(1000, 32, 32, 3).contiguous()
    split = Split(entry, smooth, torch.zeros(1000, dtype=torch.int64), 32)
    ours, _ = next(Batches(split, 1000, augmentation, CASES[augmentation], seed=0).epoch())
    plain, _ = next(iter(plain_loader(smooth, 1000, augmentation, CASES[augmentation])))
    assert ours.shape == plain.shape
    assert ours.dtype == plain.dtype
    torch.testing.assert_close(ours.mean((0, 3)), plain.mean((0, 3)), rtol=0, atol=0.25)
    torch.testing.assert_close(ours.std((0, 3)), plain.std((0, 3)), rtol=0, atol=0.25)


def test_the_ratio_is_of_the_two_speeds():
    result = measure("basic", rounds=3, images=2048, plain_images=256)
    assert result["ratio_low"] <= result["ratio"] <= result["ratio_high"]
    assert result["ratio"] == pytest.approx(
        result["images_per_second"] / result["plain_images_per_second"], rel=0.75
    )
