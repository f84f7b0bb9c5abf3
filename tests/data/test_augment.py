"""Whole-batch augmentation against plain operations image by image, for the same draws: equal bit for bit."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor
from torchvision import transforms
from torchvision.transforms.functional import equalize, pil_to_tensor, to_pil_image

from gam_bench.data.augment import CropAndMirror, Cutout, Normalise
from gam_bench.data.policies import BatchAutoAugment, BatchRandAugment

CPU = torch.device("cpu")


def generator(seed: int = 0) -> Generator:
    return torch.Generator().manual_seed(seed)


def random_images(count: int, size: int = 32, channels: int = 3, seed: int = 0) -> Tensor:
    return torch.randint(256, (count, size, size, channels), dtype=torch.uint8, generator=generator(seed))


def crop_one(image: Tensor, padding: int, top: int, left: int, mirrored: bool) -> Tensor:
    height, width, _ = image.shape
    padded = F.pad(image, (0, 0, padding, padding, padding, padding))
    crop = padded[top : top + height, left : left + width]
    return crop.flip(1) if mirrored else crop


@pytest.mark.parametrize("mirror", [True, False])
@given(
    count=st.integers(1, 9),
    size=st.integers(4, 12),
    channels=st.sampled_from([1, 3]),
    padding=st.integers(0, 4),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_crop_and_mirror_equals_slicing_and_flipping(mirror, count, size, channels, padding, seed):
    images = random_images(count, size, channels, seed)
    step = CropAndMirror(padding, mirror)
    draws = step.draw(count, generator(seed))
    varied = step.apply(images, draws)
    for index, image in enumerate(images):
        one = (draws[name][index].item() for name in ("top", "left", "mirrored"))
        assert torch.equal(varied[index], crop_one(image, padding, *one))


def test_every_crop_and_mirroring_is_right_and_drawn():
    """All 9·9·2 draws at once, and all of them turn up among random ones."""
    cases = list(itertools.product(range(9), range(9), (False, True)))
    top, left, mirrored = (torch.tensor(column) for column in zip(*cases, strict=True))
    image = random_images(1)
    step = CropAndMirror(4)
    varied = step.apply(image.repeat(len(cases), 1, 1, 1), {"top": top, "left": left, "mirrored": mirrored})
    for result, case in zip(varied, cases, strict=True):
        assert torch.equal(result, crop_one(image[0], 4, *case))
    drawn = step.draw(20_000, generator())
    assert set(zip(*(drawn[name].tolist() for name in ("top", "left", "mirrored")), strict=True)) == set(
        cases
    )


def test_without_mirroring_none_is_mirrored():
    assert not CropAndMirror(4, mirror=False).draw(1000, generator())["mirrored"].any()


@pytest.mark.parametrize("size", [1, 7, 8, 16, 64])
def test_cutout_equals_zeroing_a_square(size):
    images = torch.randn(64, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    expected = images.clone()
    step = Cutout(size, 32)
    draws = step.draw(64, generator(1))
    for image, y, x in zip(expected, draws["centre_y"].tolist(), draws["centre_x"].tolist(), strict=True):
        top, left = y - size // 2, x - size // 2
        image[:, max(0, top) : max(0, top + size), max(0, left) : max(0, left + size)] = 0
    assert torch.equal(step.apply(images, draws), expected)
    assert {draws["centre_y"].min().item(), draws["centre_y"].max().item()} <= set(range(32))


@pytest.mark.parametrize("channels", [1, 3])
def test_normalising_equals_torchvisions_to_tensor_and_normalize(channels):
    mean, std = (0.4914, 0.4822, 0.4465)[:channels], (0.2023, 0.1994, 0.2010)[:channels]
    images = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).repeat(2, 1, 1, channels)
    reference = transforms.Compose([transforms.ToTensor(), transforms.Normalize(mean, std)])
    normalised = Normalise(mean, std, CPU)(images)
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    for image, result in zip(images, normalised, strict=True):
        assert torch.equal(result, reference(to_pil_image(image.permute(2, 0, 1))))


class _Replayed(transforms.RandAugment):
    """torchvision's own, drawing what it is told to."""

    def __init__(self, draws: list[int], magnitude: int) -> None:
        super().__init__(len(draws) // 2, magnitude)
        self.draws = iter(draws)

    def forward(self, image):
        original = torch.randint
        torch.randint = lambda *_, **__: torch.tensor(next(self.draws))  # type: ignore[assignment]
        try:
            return super().forward(image)
        finally:
            torch.randint = original


@pytest.mark.parametrize("channels", [1, 3])
def test_randaugment_equals_torchvisions_image_by_image(channels):
    """Every pair of operations with every sign: torchvision draws an operation, and a sign if it has one."""
    policy = BatchRandAugment(2, 11, 32)
    space = transforms.RandAugment()._augmentation_space(31, (32, 32))
    signed = [is_signed for _, is_signed in space.values()]
    chosen = [
        (first, a, second, b)
        for first, second in itertools.product(range(len(space)), repeat=2)
        for a, b in itertools.product((0, 1), repeat=2)
    ]
    images = random_images(len(chosen), channels=channels)
    numbers = torch.tensor(
        [[policy.table[first, a], policy.table[second, b]] for first, a, second, b in chosen]
    )
    varied = policy.apply(images, {"operation": numbers})
    for index, (first, a, second, b) in enumerate(chosen):
        draws = [first, *[a] * signed[first], second, *[b] * signed[second], 0]
        replayed = _Replayed(draws, 11)
        replayed.num_ops = 2
        expected = replayed(images[index].permute(2, 0, 1))
        assert torch.equal(varied[index].permute(2, 0, 1), expected), chosen[index]


@pytest.mark.parametrize("name", ["cifar10", "imagenet", "svhn"])
def test_autoaugment_equals_torchvisions_image_by_image(name, monkeypatch):
    """Every policy, sign and outcome of its two chances."""
    policy = BatchAutoAugment(name, 32)
    reference = transforms.AutoAugment(transforms.AutoAugmentPolicy(name))
    outcomes = list(
        itertools.product(range(25), ((0, 0), (0, 1), (1, 0), (1, 1)), ((0.0, 0.0), (0.0, 1.1), (1.1, 0.0)))
    )
    images = random_images(len(outcomes))
    numbers = torch.tensor(
        [
            [
                policy.table[number, k, signs[k]] if chances[k] <= policy.probabilities[number, k] else 0
                for k in (0, 1)
            ]
            for number, signs, chances in outcomes
        ]
    )
    varied = policy.apply(images, {"operation": numbers})
    for index, (number, signs, chances) in enumerate(outcomes):
        drawn = number, torch.tensor(chances), torch.tensor(signs)
        monkeypatch.setattr(reference, "get_params", lambda _, drawn=drawn: drawn)
        assert torch.equal(varied[index].permute(2, 0, 1), reference(images[index].permute(2, 0, 1))), (
            outcomes[index]
        )


def test_randaugment_is_within_a_grey_level_of_pil_for_most_operations():
    """The usual pipeline applies the same operations to PIL images, where colour and contrast round anew."""
    policy = BatchRandAugment(1, 9, 32)
    images = random_images(8)
    for number, (name, magnitude) in enumerate(policy.operations):
        varied = policy.apply(images, {"operation": torch.full((8, 1), number)})
        for image, result in zip(images, varied, strict=True):
            from torchvision.transforms.autoaugment import _apply_op

            pil = to_pil_image(image.permute(2, 0, 1))
            expected = pil_to_tensor(
                _apply_op(pil, name, magnitude, transforms.InterpolationMode.NEAREST, None)
            )
            different = (result.permute(2, 0, 1).int() - expected.int()).abs()
            assert different.median() <= 1, name


def test_randaugment_draws_every_operation_equally_and_each_image_its_own():
    policy = BatchRandAugment(2, 9, 32)
    drawn = policy.draw(14_000, generator())["operation"]
    names = [policy.operations[number][0] for number in drawn.flatten().tolist()]
    counts = torch.tensor([names.count(name) for name in set(names)])
    assert len(counts) == 14
    assert (counts - 2000).abs().max() < 6 * 2000**0.5
    same = random_images(1).repeat(64, 1, 1, 1)
    assert len(policy.apply(same, policy.draw(64, generator())).flatten(1).unique(dim=0)) > 32


def test_autoaugment_applies_operations_with_their_probabilities():
    policy = BatchAutoAugment("cifar10", 32)
    drawn = policy.draw(50_000, generator())["operation"]
    applied = (drawn != 0).double().mean(0)
    assert torch.allclose(applied, policy.probabilities.double().mean(0), atol=0.01)


def test_equalizing_flat_and_coarse_images_equals_torchvisions_image_by_image():
    policy = BatchRandAugment(1, 9, 32)
    number = next(index for index, (name, _) in enumerate(policy.operations) if name == "Equalize")
    images = random_images(6)
    images[0], images[1] = 0, 7
    images[2] //= 128
    images[3, 3:] = 200
    images[4, :, :, 0] = 5
    varied = policy.apply(images, {"operation": torch.full((6, 1), number)})
    for image, result in zip(images, varied, strict=True):
        assert torch.equal(result.permute(2, 0, 1), equalize(image.permute(2, 0, 1)))
