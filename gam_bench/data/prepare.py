"""Puts a data set where runs find it, whole or not at all, and verifies what is there."""

import contextlib
import gzip
import hashlib
import lzma
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from gam_bench.data.catalog import Dataset, find
from gam_bench.data.loading import read_splits
from gam_bench.data.roots import data_root
from gam_bench.errors import UserError

Say = Callable[[str], None]


def prepare(
    name: str, root: Path | None = None, source: Path | None = None, say: Say = lambda _: None
) -> Path:
    """Fetch data set `name` or take it from `source`, verify it, and only then move it into the data root.

    source: a folder or a tar file (of any compression) with the published files.
        Files of sets in memory are copied; folders of images, which may be huge, are linked.
    say: told, in a line each, what is being done.

    Returns the data set's folder. Raises UserError where the source lacks a file or holds a damaged one, and
    where a download fails or does not exist; what lay in the data root before is kept then.
    """
    dataset = find(name)
    target = data_root(root) / name
    if dataset.bundled:
        say(f"{name} needs no preparation: {dataset.obtain}")
        return target
    if source is None and not dataset.downloads:
        raise UserError(f"{name} cannot be downloaded: {dataset.obtain}")
    with _staged(target) as staging:
        if source is None:
            _download(dataset, staging, say)
        else:
            _take(dataset, source, staging, say)
        say("verifying")
        verify(dataset, staging, where=source or "the download")
        _replace(target, staging)
    say(f"{name} is ready in {target}")
    return target


def check(name: str, root: Path | None = None) -> Path:
    """Verify data set `name` in the data root. Returns its folder. Raises UserError naming what is wrong."""
    dataset = find(name)
    folder = data_root(root) / name
    if not dataset.bundled and not folder.is_dir():
        raise UserError(f"{name} is not prepared in {folder}: run `gam-bench data prepare {name}`")
    verify(dataset, folder, where=folder)
    return folder


def verify(dataset: Dataset, folder: Path, where: Path | str) -> None:
    """Checksums of the published files, then the number of images; of image files also that none is empty.

    `where` is the place that error messages name.
    """
    for file, md5 in dataset.files.items():
        if not (folder / file).is_file():
            raise UserError(f"{where} holds no {file}, which {dataset.name} needs")
        if _md5(folder / file) != md5:
            raise UserError(
                f"{file} of {where} is cut short, damaged, or not the published file (wrong checksum)"
            )
    for images, _ in read_splits(dataset, folder):
        if isinstance(images, list):
            for path in images:
                if not path.is_file() or not path.stat().st_size:
                    raise UserError(f"image {path.relative_to(folder)} of {where} is missing or empty")


def _md5(path: Path) -> str:
    """MD5 of the content, unpacked if gzipped (distributors pack it anew); empty if that fails."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return ""


@contextlib.contextmanager
def _staged(target: Path) -> Iterator[Path]:
    """A folder beside `target`, removed at the end unless it was moved away."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise UserError(f"cannot write to the data root {target.parent}: {error.strerror}") from error
    staging.chmod(0o755)  # others may share the data root
    try:
        yield staging
    except OSError as error:
        raise UserError(f"{target.name} could not be prepared: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _replace(target: Path, staging: Path) -> None:
    """Two renames; what was there before is deleted only afterwards."""
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-old-", dir=target.parent) as old:
        if target.exists():
            target.rename(Path(old) / target.name)
        staging.rename(target)


def _download(dataset: Dataset, staging: Path, say: Say) -> None:
    from torchvision.datasets.utils import download_url  # shows progress, and verifies the checksum

    for download in dataset.downloads:
        file, folder = download.url.rpartition("/")[2], staging / download.into
        say(f"downloading {download.url}")
        try:
            download_url(download.url, str(folder), file, download.md5)
        except (OSError, RuntimeError) as error:  # no connection; a wrong checksum
            raise UserError(
                f"{download.url} cannot be downloaded ({error}); what is fetched on another machine "
                f"can be given with `gam-bench data prepare {dataset.name} --from FOLDER`"
            ) from error
        if tarfile.is_tarfile(folder / file):
            say(f"unpacking {file}")
            _unpack(folder / file, folder)
            (folder / file).unlink()


def _take(dataset: Dataset, source: Path, staging: Path, say: Say) -> None:
    if source.is_file():
        say(f"unpacking {source}")
        unpacked = staging / "unpacked"
        _unpack(source, unpacked)
        _arrange(dataset, unpacked, staging, Path.rename)
        shutil.rmtree(unpacked)
    elif source.is_dir():
        say(f"taking {source}")
        _arrange(dataset, source.resolve(), staging, shutil.copyfile if dataset.files else _link)
    else:
        raise UserError(f"there is no file or folder {source}")


def _arrange(dataset: Dataset, source: Path, staging: Path, put: Callable[[Path, Path], object]) -> None:
    """Put each published file (or folder of images) where the reader expects it.

    In `source` it may lie there too, or directly, or one folder down; or `source` may be the folder itself.
    """
    kind = Path.is_file if dataset.files else Path.is_dir
    places = [source, *sorted(path for path in source.iterdir() if path.is_dir())]
    for wanted in dataset.files or dataset.folders:
        candidates = [place / name for place in places for name in (wanted, Path(wanted).name)]
        if source.name == wanted:
            candidates.append(source)
        found = next(filter(kind, candidates), None)
        if found is None:
            raise UserError(f"{source} holds no {wanted}, which {dataset.name} needs")
        (staging / wanted).parent.mkdir(parents=True, exist_ok=True)
        put(found, staging / wanted)


def _link(found: Path, place: Path) -> None:
    place.symlink_to(found, target_is_directory=True)


def _unpack(archive: Path, folder: Path) -> None:
    """Only plain files and folders, none outside `folder`."""
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise UserError(f"{archive} is no tar file, or is cut short or damaged") from error
