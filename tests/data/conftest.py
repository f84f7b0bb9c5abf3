"""Tiny data sets in the layouts in which the real ones are published."""

import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from gam_bench.data import catalog

TRAIN, TEST = 40, 20  # images a fake has


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def pixels(count: int, *shape: int) -> np.ndarray:
    return np.random.RandomState(count).randint(0, 256, (count, *shape), dtype=np.uint8)


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def labels(count: int, classes: int) -> np.ndarray:
    return np.arange(count) % classes


def write_digits(folder: Path) -> None:
    """Comes with scikit-learn."""


def write_fashion_mnist(folder: Path) -> None:
    def idx(array: np.ndarray) -> bytes:
        sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
        return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()

    for prefix, count in (("train", TRAIN), ("t10k", TEST)):
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels(count, 28, 28))))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels(count, 10))))


def python2_pickle(data: np.ndarray, label_key: str, numbers: np.ndarray) -> bytes:
    """What cPickle of Python 2 writes, at protocol 2, for {"data": array, label_key: list of numbers}."""

    def text(value: bytes) -> bytes:
        return b"T" + len(value).to_bytes(4, "little") + value  # BINSTRING, which no Python 3 writes

    def integer(value: int) -> bytes:
        return b"J" + int(value).to_bytes(4, "little", signed=True)

    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + text(b"|") + b"NNN" + integer(-1) + integer(-1) + b"K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b") + b"\x87R"
    shape = b"(" + b"".join(map(integer, data.shape)) + b"t"
    array += b"(K\x01" + shape + dtype + b"\x89" + text(data.tobytes()) + b"tb"
    numbers_list = b"](" + b"".join(map(integer, numbers)) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(label_key.encode()) + numbers_list + b"u."


def _write_cifar(path: Path, count: int, label_key: str, classes: int) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(python2_pickle(pixels(count, 3072), label_key, labels(count, classes)))


def write_cifar10(folder: Path) -> None:
    for number in range(1, 6):
        _write_cifar(folder / f"cifar-10-batches-py/data_batch_{number}", TRAIN // 5, "labels", 10)
    _write_cifar(folder / "cifar-10-batches-py/test_batch", TEST, "labels", 10)


def write_cifar100(folder: Path) -> None:
    _write_cifar(folder / "cifar-100-python/train", TRAIN, "fine_labels", 100)
    _write_cifar(folder / "cifar-100-python/test", TEST, "fine_labels", 100)


def write_svhn(folder: Path) -> None:
    for name, count in (("train", TRAIN), ("test", TEST)):
        content = {"X": pixels(count, 32, 32, 3).transpose(1, 2, 3, 0), "y": labels(count, 10)[:, None] + 1}
        savemat(folder / f"{name}_32x32.mat", content)


def _photograph(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels(40 + number % 7, 56, 3)).save(path)


def write_imagenet(folder: Path) -> None:
    for split, count in (("train", TRAIN), ("val", TEST)):
        for number in range(count):
            _photograph(folder / split / f"n{number % 10:08d}" / f"{number}.JPEG", number)


def write_stanford_cars(folder: Path) -> None:
    base = folder / "stanford_cars"
    (base / "devkit").mkdir(parents=True)
    for split, count, file in (
        ("train", TRAIN, "devkit/cars_train_annos.mat"),
        ("test", TEST, "cars_test_annos_withlabels.mat"),
    ):
        rows = [(f"{number:05d}.jpg", number % 10 + 1) for number in range(count)]
        savemat(base / file, {"annotations": np.array(rows, dtype=[("fname", "O"), ("class", "O")])})
        for number in range(count):
            _photograph(base / f"cars_{split}" / f"{number:05d}.jpg", number)
    savemat(
        base / "devkit/cars_meta.mat",
        {"class_names": np.array([f"car {k}" for k in range(10)], dtype=object)},
    )


def write_oxford_pets(folder: Path) -> None:
    base = folder / "oxford-iiit-pet"
    (base / "annotations").mkdir(parents=True)
    for split, count in (("trainval", TRAIN), ("test", TEST)):
        names = [f"breed_{split}_{number}" for number in range(count)]
        lines = [f"{name} {number % 10 + 1} 1 1" for number, name in enumerate(names)]
        (base / "annotations" / f"{split}.txt").write_text("\n".join(lines) + "\n")
        for number, name in enumerate(names):
            _photograph(base / "images" / f"{name}.jpg", number)


def write_flowers102(folder: Path) -> None:
    base = folder / "flowers-102"
    base.mkdir()
    half, total = TRAIN // 2, TRAIN + TEST
    numbers = np.arange(1, total + 1)
    splits = {"trnid": numbers[:half], "valid": numbers[half:TRAIN], "tstid": numbers[TRAIN:]}
    savemat(base / "setid.mat", splits)
    savemat(base / "imagelabels.mat", {"labels": (numbers - 1) % 10 + 1})
    for number in numbers:
        _photograph(base / "jpg" / f"image_{number:05d}.jpg", int(number))


def write_food101(folder: Path) -> None:
    base = folder / "food-101"
    (base / "meta").mkdir(parents=True)
    for split, count in (("train", TRAIN), ("test", TEST)):
        listed = {f"dish{k}": [f"dish{k}/{split}{n}" for n in range(k, count, 10)] for k in range(10)}
        (base / "meta" / f"{split}.json").write_text(json.dumps(listed))
        for names in listed.values():
            for number, name in enumerate(names):
                _photograph(base / "images" / f"{name}.jpg", number)


WRITERS = {
    name.removeprefix("write_"): value for name, value in globals().items() if name.startswith("write_")
}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write a fake of a data set; the catalogue then expects its sizes and checksums. Returns its folder."""

    def write(name: str) -> Path:
        folder = tmp_path / "published" / name
        folder.mkdir(parents=True)
        WRITERS[name](folder)
        entry = catalog.DATASETS[name]
        if entry.bundled:
            return folder
        sums = {}
        for file in entry.files:
            content = (folder / file).read_bytes()
            sums[file] = md5(gzip.decompress(content) if file.endswith(".gz") else content)
        fake = replace(entry, train_size=TRAIN, test_size=TEST, files=sums)
        monkeypatch.setitem(catalog.DATASETS, name, fake)
        if name == "flowers102":  # torchvision checks these two itself
            from torchvision.datasets import Flowers102

            files = {
                key: (file, md5((folder / "flowers-102" / file).read_bytes()))
                for key, file in (("label", "imagelabels.mat"), ("setid", "setid.mat"))
            }
            monkeypatch.setattr(Flowers102, "_file_dict", files)
        return folder

    return write


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root, which $GAM_BENCH_DATA names."""
    folder = tmp_path / "root"
    monkeypatch.setenv("GAM_BENCH_DATA", str(folder))
    return folder


@pytest.fixture
def prepared(published: Callable[[str], Path], root: Path) -> Callable[[str], Path]:
    """Write a fake of a data set and prepare it in the data root."""
    from gam_bench.data.prepare import prepare

    return lambda name: prepare(name, source=published(name))
