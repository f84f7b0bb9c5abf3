"""Epochs of batches: every image once, by seed and epoch, the same for all processes, workers and devices."""

import pytest
import torch
from torch import Tensor

from gam_bench.data import Batches, Split, catalog, load
from gam_bench.data.augment import CropAndMirror, Cutout
from gam_bench.errors import UserError

MEMORY = [name for name, entry in catalog.AUGMENTATIONS.items() if "memory" in entry.kinds]
FOLDER = [name for name, entry in catalog.AUGMENTATIONS.items() if "folder" in entry.kinds]


def numbered(count: int, name: str = "cifar10", size: int | None = None) -> Split:
    """Random images of a data set's form; the label of each is its number."""
    entry = catalog.DATASETS[name]
    shape = (count, entry.image_size, entry.image_size, entry.channels)
    images = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(count))
    return Split(entry, images, torch.arange(count), size or entry.image_size)


def epoch(batches: Batches, number: int = 0) -> tuple[Tensor, Tensor]:
    images, labels = zip(*batches.epoch(number), strict=True)
    return torch.cat(images), torch.cat(labels)


def test_evaluation_is_every_image_once_in_order_as_it_is():
    split = numbered(300)
    images, labels = epoch(Batches(split, 128))
    assert labels.tolist() == list(range(300))
    entry = split.dataset
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (entry.mean, entry.std))
    assert torch.equal(images, (split.images.permute(0, 3, 1, 2) / 255 - mean) / std)


@pytest.mark.parametrize(("count", "sizes"), [(300, [128, 128, 44]), (256, [128, 128]), (5, [5])])
def test_the_last_batch_is_what_is_left(count, sizes):
    batches = Batches(numbered(count), 128, seed=0)
    assert [len(labels) for _, labels in batches.epoch(1)] == sizes
    assert len(batches) == len(sizes)


@pytest.mark.parametrize("augmentation", MEMORY)
def test_an_epoch_is_a_function_of_seed_and_number(augmentation):
    split = numbered(200)
    images, labels = epoch(Batches(split, 64, augmentation, seed=3), 5)
    again, same_labels = epoch(Batches(split, 64, augmentation, seed=3), 5)
    assert torch.equal(images, again)
    assert torch.equal(labels, same_labels)
    assert sorted(labels.tolist()) == list(range(200))
    for seed, number in ((4, 5), (3, 6)):
        other_images, other_labels = epoch(Batches(split, 64, augmentation, seed=seed), number)
        assert not torch.equal(labels, other_labels)
        assert not torch.equal(images[labels.argsort()], other_images[other_labels.argsort()]) or (
            augmentation == "none"
        )


def test_drawing_batches_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    epoch(Batches(numbered(100), 64, "randaugment", seed=3))
    assert torch.equal(torch.get_rng_state(), before)


def test_batches_share_the_images_of_a_split():
    split = numbered(10)
    assert Batches(split.to("cpu"), 5).source.stored.data_ptr() == split.images.data_ptr()


def test_the_order_is_the_same_for_every_augmentation():
    split = numbered(100)
    orders = [epoch(Batches(split, 32, augmentation, seed=1), 2)[1].tolist() for augmentation in MEMORY]
    assert all(order == orders[0] for order in orders)


@pytest.mark.parametrize("augmentation", MEMORY)
def test_images_do_not_depend_on_the_batch_size(augmentation):
    split = numbered(700)
    whole, labels = epoch(Batches(split, 700, augmentation, seed=1))
    parts, same = epoch(Batches(split, 33, augmentation, seed=1))
    assert torch.equal(labels, same)
    assert torch.equal(whole, parts)


@pytest.mark.parametrize("augmentation", ["none", "basic", "randaugment"])
@pytest.mark.parametrize("world", [2, 3, 8])
def test_the_shares_of_all_processes_make_up_each_global_batch(augmentation, world):
    split = numbered(101)  # last batch: 5 images
    alone = list(Batches(split, 32, augmentation, seed=1).epoch(1))
    shares = [
        list(Batches(split, 32, augmentation, seed=1, rank=k, world=world).epoch(1)) for k in range(world)
    ]
    for index, (images, labels) in enumerate(alone):
        for rank, share in enumerate(shares):
            assert torch.equal(share[index][0], images[rank::world])
            assert torch.equal(share[index][1], labels[rank::world])


def test_evaluation_by_several_processes_counts_nothing_twice():
    shares = [epoch(Batches(numbered(101), 32, rank=k, world=4))[1] for k in range(4)]
    assert sorted(torch.cat(shares).tolist()) == list(range(101))


def test_cutout_comes_after_basic_with_the_same_draws():
    split = numbered(100)
    basic, _ = epoch(Batches(split, 50, "basic", seed=7), 1)
    cut, _ = epoch(Batches(split, 50, "cutout", {"cutout_size": 8}, seed=7), 1)
    zero = (cut == 0).all(dim=1, keepdim=True)
    assert torch.equal(torch.where(zero, cut, basic), cut)
    holes = zero.sum(dim=(1, 2, 3))
    assert holes.max() == 64
    assert holes.min() >= 16  # a quarter, when the centre is in a corner


@pytest.mark.parametrize("name", ["digits", "svhn"])
def test_digits_are_never_mirrored(name):
    split = numbered(50, name)
    chosen = Batches(split, 50, "basic", seed=0).source.before
    assert chosen == [CropAndMirror(split.dataset.crop_padding, mirror=False)]


def test_augmentations_are_made_of_the_steps_they_name():
    split = numbered(10)
    source = Batches(split, 5, "autoaugment", {"cutout_size": 16}, seed=0).source
    assert [type(step).__name__ for step in source.before] == ["CropAndMirror", "BatchAutoAugment"]
    assert source.before[0] == CropAndMirror(4, mirror=True)
    assert source.after == [Cutout(16, 32)]
    assert Batches(split, 5, "randaugment", seed=0).source.after == []


@pytest.mark.parametrize("size", [14, 64])
def test_images_can_be_resized(size):
    images, _ = epoch(Batches(numbered(10, "fashion_mnist", size), 5, "basic", seed=0))
    assert images.shape == (10, 1, size, size)
    native, _ = epoch(Batches(numbered(10, "fashion_mnist"), 5, "basic", seed=0))
    assert torch.allclose(images.mean((2, 3)), native.mean((2, 3)), atol=0.05)


@pytest.mark.parametrize("augmentation", FOLDER)
def test_image_files_are_the_same_for_any_number_of_workers(augmentation, prepared):
    prepared("imagenet")
    split = load("imagenet", image_size=24).train
    alone, labels = epoch(Batches(split, 16, augmentation, seed=1), 2)
    before = torch.get_rng_state()
    shared = Batches(split, 16, augmentation, seed=1, workers=2)
    both = [epoch(shared, number) for number in (2, 3)]
    assert torch.equal(torch.get_rng_state(), before)
    assert alone.shape == (40, 3, 24, 24)
    assert torch.equal(both[0][0], alone)
    assert torch.equal(both[0][1], labels)
    assert not torch.equal(both[1][1], labels)


def test_evaluation_of_image_files_is_torchvisions_resize_and_centre_crop(prepared):
    from PIL import Image
    from torchvision import transforms

    prepared("oxford_pets")
    split = load("oxford_pets").test
    entry = split.dataset
    reference = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(entry.mean, entry.std),
        ]
    )
    images, labels = epoch(Batches(split, 8))
    assert torch.equal(labels, split.labels)
    for image, path in zip(images, split.images, strict=True):
        assert torch.equal(image, reference(Image.open(path).convert("RGB")))


def test_shares_of_image_files_may_be_empty(prepared):
    prepared("imagenet")
    split = load("imagenet", image_size=16).train  # 40 images: batches of 39 and 1
    share = list(Batches(split, 39, "inception", seed=0, rank=1, world=2).epoch())
    assert [len(labels) for _, labels in share] == [19, 0]
    assert [tuple(images.shape) for images, _ in share] == [(19, 3, 16, 16), (0, 3, 16, 16)]


@pytest.mark.parametrize(
    ("augmentation", "settings", "message"),
    [
        ("autoagument", {}, "did you mean 'autoaugment'"),
        ("inception", {}, "is not for cifar10, which takes none, basic"),
        ("cutout", {"cutout_sise": 8}, "cutout_sise"),
        ("cutout", {"cutout_size": 0}, "must be ≥ 1"),
        ("autoaugment", {"autoaugment_policy": "cifar"}, "cifar10"),
        ("randaugment", {"randaugment_m": 31}, "must be ≤ 30"),
    ],
)
def test_wrong_augmentations_are_refused_in_one_line(augmentation, settings, message):
    with pytest.raises(UserError, match=message) as error:
        Batches(numbered(10), 5, augmentation, settings, seed=0)
    assert "\n" not in str(error.value)


def test_the_names_of_settings_are_unique_to_a_meaning():
    """Suite files are flat: one name, one type and range, in every augmentation that has it."""
    fields: dict[str, set] = {}
    for entry in catalog.AUGMENTATIONS.values():
        for name, field in entry.settings.model_fields.items():
            fields.setdefault(name, set()).add((field.annotation, field.description.split(";")[0]))
            assert field.description
    assert all(len(meanings) == 1 for meanings in fields.values())


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
@pytest.mark.parametrize("augmentation", MEMORY)
def test_the_same_images_come_out_on_cuda(augmentation):
    split = numbered(300)
    images, labels = epoch(Batches(split, 128, augmentation, seed=1))
    on_device, same = epoch(Batches(split, 128, augmentation, seed=1, device="cuda"))
    assert torch.equal(labels, same.cpu())
    torch.testing.assert_close(
        on_device.cpu(), images, rtol=0, atol=0.05 if "augment" in augmentation else 1e-6
    )
