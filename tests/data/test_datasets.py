"""What holds for every data set of the catalogue, each in the layout in which it is published."""

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gam_bench.data import Batches, catalog, load
from gam_bench.data.prepare import check, prepare
from gam_bench.data.unpickle import unpickle
from gam_bench.errors import UserError

NAMES = sorted(catalog.DATASETS)
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_is_complete(name):
    entry = catalog.DATASETS[name]
    assert entry.name == name
    assert len(entry.mean) == len(entry.std) == entry.channels
    assert all(0 < mean < 1 for mean in entry.mean)
    assert all(0 < std < 1 for std in entry.std)
    assert entry.title
    assert entry.obtain
    assert entry.licence
    assert entry.normalisation_source
    assert all(len(download.md5) == 32 for download in entry.downloads)


def test_addresses_and_checksums_are_torchvisions():
    from torchvision import datasets as reference

    cifar10, cifar100 = reference.CIFAR10, reference.CIFAR100
    flowers, fashion = reference.Flowers102, reference.FashionMNIST
    expected = {
        "cifar10": [(cifar10.url, cifar10.tgz_md5)],
        "cifar100": [(cifar100.url, cifar100.tgz_md5)],
        "svhn": [
            (reference.SVHN.split_list[split][0], reference.SVHN.split_list[split][2])
            for split in ("train", "test")
        ],
        "fashion_mnist": [(fashion.mirrors[0] + file, md5) for file, md5 in fashion.resources],
        "oxford_pets": list(reference.OxfordIIITPet._RESOURCES),
        "flowers102": [
            (flowers._download_url_prefix + file, md5) for file, md5 in flowers._file_dict.values()
        ],
        "food101": [(reference.Food101._URL, reference.Food101._MD5)],
    }
    entries = catalog.DATASETS.values()
    assert {e.name: [(d.url, d.md5) for d in e.downloads] for e in entries if e.downloads} == expected
    for name, lists in (("cifar10", cifar10), ("cifar100", cifar100)):
        sums = dict(lists.train_list + lists.test_list)
        assert {Path(file).name: md5 for file, md5 in catalog.DATASETS[name].files.items()} == sums


@pytest.mark.parametrize("name", NAMES)
def test_every_set_is_prepared_checked_loaded_and_batched(name, prepared):
    folder = prepared(name)
    assert check(name) == folder
    entry = catalog.DATASETS[name]
    splits = load(name)
    assert (len(splits.train), len(splits.test), splits.validation) == (
        entry.train_size,
        entry.test_size,
        None,
    )
    for split in (splits.train, splits.test):
        assert split.labels.dtype == torch.int64
        assert split.labels.min() >= 0
        assert split.labels.max() < entry.classes
    count = 0
    for images, labels in Batches(splits.test, 16).epoch():
        assert images.shape == (len(labels), entry.channels, entry.image_size, entry.image_size)
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)
        count += len(labels)
    assert count == entry.test_size


@pytest.mark.parametrize(("name", "key"), [("cifar10", "labels"), ("cifar100", "fine_labels")])
def test_cifar_images_are_those_that_torchvision_reads(name, key, prepared, monkeypatch):
    from torchvision import datasets

    folder = prepared(name)
    reference = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    monkeypatch.setattr(reference, "_check_integrity", lambda self: True)
    monkeypatch.setattr(reference, "_load_meta", lambda self: None)
    splits = load(name)
    for split, train in ((splits.train, True), (splits.test, False)):
        expected = reference(folder, train=train)
        assert torch.equal(split.images, torch.from_numpy(expected.data))
        assert split.labels.tolist() == expected.targets


def test_svhn_images_are_those_that_torchvision_reads(prepared, monkeypatch):
    from torchvision.datasets import SVHN

    folder = prepared("svhn")
    monkeypatch.setattr(SVHN, "_check_integrity", lambda self: True)
    expected = SVHN(folder, "train")
    train = load("svhn").train
    assert torch.equal(train.images.permute(0, 3, 1, 2), torch.from_numpy(expected.data))
    assert train.labels.tolist() == expected.labels.tolist()


def test_fashion_mnist_images_are_those_that_torchvision_reads(prepared):
    import gzip

    from torchvision.datasets.mnist import read_image_file, read_label_file

    folder = prepared("fashion_mnist")
    for kind in ("images-idx3", "labels-idx1"):
        packed = folder / f"train-{kind}-ubyte.gz"
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    train = load("fashion_mnist").train
    assert torch.equal(train.images[..., 0], read_image_file(str(folder / "train-images-idx3-ubyte")))
    assert torch.equal(train.labels, read_label_file(str(folder / "train-labels-idx1-ubyte")))


def test_digits_are_scikit_learns_and_their_split_never_changes():
    from sklearn.datasets import load_digits

    splits = load("digits")
    both = torch.cat([splits.train.images, splits.test.images]).flatten(1)
    grey = torch.round(both / (255 / 16)).to(torch.float64)
    expected = torch.from_numpy(load_digits().data)
    assert sorted(map(tuple, grey.tolist())) == sorted(map(tuple, expected.tolist()))
    digest = hashlib.sha256(
        splits.test.images.numpy().tobytes() + bytes(splits.test.labels.tolist())
    ).hexdigest()
    assert digest[:16] == "342b70add9f4907c"


@pytest.mark.parametrize("name", ["digits", "fashion_mnist"])
def test_normalisation_is_that_of_the_training_images(name, tmp_path):
    if name == "fashion_mnist":
        if not DEBIAN.is_dir():
            pytest.skip("Debian's package dataset-fashion-mnist is not installed")
        prepare(name, tmp_path, DEBIAN)
    entry = catalog.DATASETS[name]
    images = load(name, tmp_path).train.images.double() / 255
    assert round(images.mean().item(), 4) == pytest.approx(entry.mean[0], abs=1e-9)
    assert round(images.std(correction=0).item(), 4) == pytest.approx(entry.std[0], abs=1e-9)


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_real_fashion_mnist_of_debian(tmp_path):
    prepare("fashion_mnist", tmp_path, DEBIAN)
    splits = load("fashion_mnist", tmp_path)
    assert splits.train.images.shape == (60_000, 28, 28, 1)
    assert splits.test.images.shape == (10_000, 28, 28, 1)
    assert torch.bincount(splits.train.labels).tolist() == [6_000] * 10
    assert torch.bincount(splits.test.labels).tolist() == [1_000] * 10
    assert splits.train.labels[:5].tolist() == [9, 0, 0, 3, 0]  # ankle boot, T-shirt, T-shirt, dress, T-shirt


def test_a_set_that_is_not_prepared_names_the_command(root):
    with pytest.raises(UserError, match="gam-bench data prepare cifar10"):
        load("cifar10")


def test_an_unknown_set_suggests_the_nearest():
    with pytest.raises(UserError, match="did you mean 'cifar10"):
        load("cifra10")


def test_a_set_of_another_size_is_refused(prepared, monkeypatch):
    prepared("cifar10")
    monkeypatch.setitem(catalog.DATASETS, "cifar10", replace(catalog.DATASETS["cifar10"], train_size=41))
    with pytest.raises(UserError, match="40 training images instead of 41"):
        load("cifar10")


def test_a_damaged_file_is_one_line(prepared):
    folder = prepared("cifar100")
    file = folder / "cifar-100-python" / "train"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot be read") as error:
        load("cifar100")
    assert "\n" not in str(error.value)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Hostile:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "batch").write_bytes(pickle.dumps({"data": Hostile()}))
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        unpickle(tmp_path / "batch")
    assert not (tmp_path / "ran").exists()


def test_the_catalogue_imports_no_torch():
    import subprocess
    import sys

    code = "import gam_bench.data.catalog, gam_bench.cli.data, sys; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
