"""The data sets and the augmentations, one entry each. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from pydantic import BaseModel, Field

from gam_bench.errors import UserError, did_you_mean

Kind = Literal["memory", "folder"]


@dataclass(frozen=True)
class Download:
    """A file to fetch into the set's folder `into`, with the MD5 checksum of its publisher or of torchvision.

    A tar file is unpacked there.
    """

    url: str
    md5: str
    into: str = ""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A labelled image set.

    kind: "memory" sets are held as one uint8 tensor, "folder" sets are decoded image by image.
    image_size: pixels a side; for folder sets, of the crop that models are given by default.
    mean, std: per channel, of pixels scaled to [0, 1].
    crop_padding, mirror: what the basic augmentation does: zeros added on each side before the random crop;
        whether half of the images are mirrored, which makes nonsense of digits. The released GAM and
        SAM codes pad by 4, the latter Fashion-MNIST too, and with reflections instead of zeros.
    read: "module:function" that reads the splits from the set's folder.
    files: path in the set's folder → MD5 of its content (of the unpacked content for .gz); sets in memory.
    folders: the folders that hold images and labels; sets of kind "folder".
    downloads: what `gam-bench data prepare` fetches; where empty, `obtain` says what to do by hand.
    """

    name: str
    title: str
    classes: int
    train_size: int
    test_size: int
    image_size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    normalisation_source: str
    obtain: str
    licence: str
    read: str
    kind: Kind = "memory"
    crop_padding: int = 4
    mirror: bool = True
    files: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    downloads: tuple[Download, ...] = ()

    @property
    def bundled(self) -> bool:
        """Whether it comes with a Python package, so that there is nothing to prepare."""
        return not self.files and not self.folders


_photographs = partial(
    Dataset,
    image_size=224,
    channels=3,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    normalisation_source="ImageNet's training images, as in torchvision's and timm's reference scripts",
    kind="folder",
)
_VGG = "https://www.robots.ox.ac.uk/~vgg/data"
_FASHION = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com"
_SVHN = "http://ufldl.stanford.edu/housenumbers"

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="digits",
            title="Handwritten digits of 8×8 pixels (scikit-learn)",
            classes=10,
            train_size=1_000,
            test_size=797,
            image_size=8,
            channels=1,
            mean=(0.3051,),
            std=(0.3751,),
            normalisation_source="computed over the 1,000 training images",
            obtain="nothing to do: part of scikit-learn",
            licence="CC BY 4.0 (UCI Machine Learning Repository, Optical Recognition of Handwritten Digits)",
            read="gam_bench.data.readers:digits",
            crop_padding=1,
            mirror=False,
        ),
        Dataset(
            name="fashion_mnist",
            title="Fashion-MNIST",
            classes=10,
            train_size=60_000,
            test_size=10_000,
            image_size=28,
            channels=1,
            mean=(0.2860,),
            std=(0.3530,),
            normalisation_source="computed over the 60,000 training images",
            obtain="download of 31 MB, or --from /usr/share/datasets/fashion-mnist (Debian)",
            licence="MIT (Zalando SE)",
            read="gam_bench.data.readers:fashion_mnist",
            files={
                "train-images-idx3-ubyte.gz": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
                "train-labels-idx1-ubyte.gz": "9018921c3c673c538a1fc5bad174d6f9",
                "t10k-images-idx3-ubyte.gz": "8181f5470baa50b63fa0f6fddb340f0a",
                "t10k-labels-idx1-ubyte.gz": "15d484375f8d13e6eb1aabb0c3f46965",
            },
            downloads=(
                Download(f"{_FASHION}/train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
                Download(f"{_FASHION}/train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
                Download(f"{_FASHION}/t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
                Download(f"{_FASHION}/t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
            ),
        ),
        Dataset(
            name="cifar10",
            title="CIFAR-10",
            classes=10,
            train_size=50_000,
            test_size=10_000,
            image_size=32,
            channels=3,
            mean=(0.49139968, 0.48215827, 0.44653124),
            std=(0.2023, 0.1994, 0.2010),
            normalisation_source="released GAM code, main_cifar.py",
            obtain="download of 170 MB, or --from a folder or tar that holds cifar-10-batches-py",
            licence="none stated; cite Krizhevsky 2009",
            read="gam_bench.data.readers:cifar10",
            files={
                "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
                "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
                "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
                "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
                "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
                "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
            },
            downloads=(
                Download(
                    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                    "c58f30108f718f92721af3b95e74349a",
                ),
            ),
        ),
        Dataset(
            name="cifar100",
            title="CIFAR-100",
            classes=100,
            train_size=50_000,
            test_size=10_000,
            image_size=32,
            channels=3,
            mean=(0.5071, 0.4867, 0.4408),
            std=(0.2675, 0.2565, 0.2761),
            normalisation_source="released GAM code, main_cifar.py",
            obtain="download of 169 MB, or --from a folder or tar that holds cifar-100-python",
            licence="none stated; cite Krizhevsky 2009",
            read="gam_bench.data.readers:cifar100",
            files={
                "cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d",
                "cifar-100-python/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
            },
            downloads=(
                Download(
                    "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
                    "eb9058c3a382ffc7106e4002c42a8d85",
                ),
            ),
        ),
        Dataset(
            name="svhn",
            title="Street View House Numbers, cropped digits, without the extra split",
            classes=10,
            train_size=73_257,
            test_size=26_032,
            image_size=32,
            channels=3,
            mean=(0.43090966, 0.4302428, 0.44634357),
            std=(0.19759192, 0.20029082, 0.19811132),
            normalisation_source="released SAM code, sam_jax/datasets/dataset_source.py",
            obtain="download of 246 MB, or --from a folder that holds train_32x32.mat and test_32x32.mat",
            licence="non-commercial use only; cite Netzer et al. 2011",
            read="gam_bench.data.readers:svhn",
            mirror=False,
            files={
                "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
                "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
            },
            downloads=(
                Download(f"{_SVHN}/train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),
                Download(f"{_SVHN}/test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),
            ),
        ),
        _photographs(
            name="imagenet",
            title="ImageNet-1k (ILSVRC 2012)",
            classes=1_000,
            train_size=1_281_167,
            test_size=50_000,
            obtain="by hand (image-net.org), then --from a folder with train/ and val/",
            licence="non-commercial research and education only",
            read="gam_bench.data.folders:imagenet",
            folders=("train", "val"),
        ),
        _photographs(
            name="stanford_cars",
            title="Stanford Cars",
            classes=196,
            train_size=8_144,
            test_size=8_041,
            obtain="by hand, then --from a folder that holds stanford_cars (torchvision layout)",
            licence="non-commercial research only; cite Krause et al. 2013",
            read="gam_bench.data.folders:stanford_cars",
            folders=("stanford_cars",),
        ),
        _photographs(
            name="oxford_pets",
            title="Oxford-IIIT Pets, trainval and test",
            classes=37,
            train_size=3_680,
            test_size=3_669,
            obtain="download of 811 MB, or --from a folder that holds oxford-iiit-pet",
            licence="CC BY-SA 4.0",
            read="gam_bench.data.folders:oxford_pets",
            folders=("oxford-iiit-pet",),
            downloads=(
                Download(
                    f"{_VGG}/pets/data/images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c", "oxford-iiit-pet"
                ),
                Download(
                    f"{_VGG}/pets/data/annotations.tar.gz",
                    "95a8c909bbe2e81eed6a22bccdf3f68f",
                    "oxford-iiit-pet",
                ),
            ),
        ),
        _photographs(
            name="flowers102",
            title="Oxford Flowers-102, the published train and val splits together for training",
            classes=102,
            train_size=2_040,
            test_size=6_149,
            obtain="download of 345 MB, or --from a folder that holds flowers-102",
            licence="none stated; cite Nilsback and Zisserman 2008",
            read="gam_bench.data.folders:flowers102",
            folders=("flowers-102",),
            downloads=(
                Download(
                    f"{_VGG}/flowers/102/102flowers.tgz", "52808999861908f626f3c1f4e79d11fa", "flowers-102"
                ),
                Download(
                    f"{_VGG}/flowers/102/imagelabels.mat", "e0620be6f572b9609742df49c70aed4d", "flowers-102"
                ),
                Download(f"{_VGG}/flowers/102/setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c", "flowers-102"),
            ),
        ),
        _photographs(
            name="food101",
            title="Food-101",
            classes=101,
            train_size=75_750,
            test_size=25_250,
            obtain="download of 5 GB, or --from a folder that holds food-101",
            licence="images from foodspotting.com, scientific fair use only; cite Bossard et al. 2014",
            read="gam_bench.data.folders:food101",
            folders=("food-101",),
            downloads=(
                Download(
                    "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz", "85eeb15f3717b99a5da872d97d918f87"
                ),
            ),
        ),
    )
}


def find(name: str) -> Dataset:
    """The catalogue's entry. Raises UserError for an unknown name."""
    if name not in DATASETS:
        raise UserError(f"unknown data set {name!r}{did_you_mean(name, DATASETS)}")
    return DATASETS[name]


class NoSettings(BaseModel, extra="forbid", frozen=True):
    """An augmentation without settings."""


class CutoutSettings(BaseModel, extra="forbid", frozen=True):
    cutout_size: int = Field(16, ge=1, description="side of the square set to the mean colour, in pixels")


class AutoAugmentSettings(BaseModel, extra="forbid", frozen=True):
    autoaugment_policy: Literal["cifar10", "imagenet", "svhn"] = Field(
        "cifar10", description="the data set for which the policy was searched"
    )
    cutout_size: int = Field(
        0, ge=0, description="side of the square set to the mean colour, in pixels; 0 for none"
    )


class RandAugmentSettings(BaseModel, extra="forbid", frozen=True):
    randaugment_n: int = Field(2, ge=1, description="operations an image")
    randaugment_m: int = Field(9, ge=0, le=30, description="magnitude of all operations, of 30")
    cutout_size: int = Field(
        0, ge=0, description="side of the square set to the mean colour, in pixels; 0 for none"
    )


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied; `kinds` are the kinds of data set that it is for."""

    name: str
    description: str
    settings: type[BaseModel] = NoSettings
    kinds: tuple[Kind, ...] = ("memory",)


AUGMENTATIONS: dict[str, Augmentation] = {
    augmentation.name: augmentation
    for augmentation in (
        Augmentation(
            "none", "the images as they are (folder sets: resized, centre crop)", kinds=("memory", "folder")
        ),
        Augmentation("basic", "zero padding and random crop, and mirroring where that makes sense"),
        Augmentation(
            "cutout", "basic, then a square at a random place set to the mean colour", CutoutSettings
        ),
        Augmentation(
            "autoaugment",
            "basic (folder sets: inception), then AutoAugment, then cutout if asked for",
            AutoAugmentSettings,
            kinds=("memory", "folder"),
        ),
        Augmentation(
            "randaugment",
            "basic (folder sets: inception), then RandAugment, then cutout if asked for",
            RandAugmentSettings,
            kinds=("memory", "folder"),
        ),
        Augmentation(
            "inception",
            "a crop of 8 to 100 % of the area and aspect 3:4 to 4:3, resized, mirrored in half of the cases",
            kinds=("folder",),
        ),
    )
}
