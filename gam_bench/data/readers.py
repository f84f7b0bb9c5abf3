"""Small data sets from their published files: images (N, H, W, C) uint8 and labels (N,), training and test.

A reader takes the set's folder. It may raise whatever a missing, damaged or foreign file makes it raise:
`gam_bench.data.load` turns that into one line for the user.
"""

import gzip
from pathlib import Path

import numpy as np

from gam_bench.data.unpickle import unpickle

Arrays = tuple[np.ndarray, np.ndarray]


def digits(_: Path) -> tuple[Arrays, Arrays]:
    """scikit-learn's digits, grey levels 0 to 16 spread over 0 to 255.

    There is no published split. The images are in the order of their writers, so a fixed permutation comes
    first, by a generator whose numbers NumPy promises never to change.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(labels))
    images = np.round(images[order] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    return (images[:1000], labels[order][:1000]), (images[1000:], labels[order][1000:])


def fashion_mnist(folder: Path) -> tuple[Arrays, Arrays]:
    """Four gzipped files in the IDX format of MNIST."""

    def split(prefix: str) -> Arrays:
        images = _read_idx(folder / f"{prefix}-images-idx3-ubyte.gz")
        return images[..., None], _read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz")

    return split("train"), split("t10k")


def _read_idx(path: Path) -> np.ndarray:
    """Zero, zero, 8 for uint8, the number of dimensions; each dimension as big-endian uint32; the numbers."""
    content = gzip.decompress(path.read_bytes())
    if content[:3] != b"\x00\x00\x08":
        raise ValueError(f"{path} is no IDX file of bytes")
    shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).reshape(shape)


def cifar10(folder: Path) -> tuple[Arrays, Arrays]:
    """Python-2 pickles: five batches for training, one for test."""
    batches = [_cifar_batch(folder / f"cifar-10-batches-py/data_batch_{k}", "labels") for k in range(1, 6)]
    images, labels = zip(*batches, strict=True)
    return (np.concatenate(images), np.concatenate(labels)), _cifar_batch(
        folder / "cifar-10-batches-py/test_batch", "labels"
    )


def cifar100(folder: Path) -> tuple[Arrays, Arrays]:
    """Two Python-2 pickles; the labels are the 100 fine ones."""
    train = _cifar_batch(folder / "cifar-100-python/train", "fine_labels")
    return train, _cifar_batch(folder / "cifar-100-python/test", "fine_labels")


def _cifar_batch(path: Path, label_key: str) -> Arrays:
    content = unpickle(path)
    images = content["data"].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return images, np.asarray(content[label_key])


def svhn(folder: Path) -> tuple[Arrays, Arrays]:
    """Two MATLAB files: X (H, W, C, N), and y with 10 for the digit zero."""
    from scipy.io import loadmat

    def split(name: str) -> Arrays:
        content = loadmat(str(folder / f"{name}_32x32.mat"))
        return content["X"].transpose(3, 0, 1, 2), content["y"].ravel() % 10

    return split("train"), split("test")
