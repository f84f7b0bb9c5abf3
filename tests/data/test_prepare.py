"""Preparing and checking: whole or not at all, and one clear line where it cannot be."""

import shutil
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gam_bench.cli.data import app
from gam_bench.data import catalog, data_root, load
from gam_bench.data.prepare import check, prepare
from gam_bench.errors import UserError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def left_in(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir()) if root.exists() else []


def test_the_data_root_is_the_argument_then_the_variable_then_the_users_folder(monkeypatch):
    monkeypatch.setenv("GAM_BENCH_DATA", "/variable")
    monkeypatch.setenv("XDG_DATA_HOME", "/xdg")
    assert data_root("/argument") == Path("/argument")
    assert data_root() == Path("/variable")
    monkeypatch.delenv("GAM_BENCH_DATA")
    assert data_root() == Path("/xdg/gam-bench")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert data_root() == Path.home() / ".local/share/gam-bench"


@pytest.mark.parametrize("nesting", ["as published", "the inner folder", "one folder down", "a tar file"])
@pytest.mark.parametrize("name", ["cifar100", "food101"])
def test_a_source_may_be_a_folder_or_a_tar(name, nesting, published, root, tmp_path):
    source = published(name)
    if nesting == "the inner folder":
        source = next(source.iterdir())
    if nesting == "one folder down":
        source = source.parent
    if nesting == "a tar file":
        with tarfile.open(tmp_path / "source.tar.gz", "w:gz") as tar:
            tar.add(next(source.iterdir()), arcname=next(source.iterdir()).name)
        source = tmp_path / "source.tar.gz"
    prepare(name, source=source)
    assert len(load(name).train) == 40
    assert left_in(root) == [name]


def test_files_are_copied_and_folders_of_images_linked(published, root):
    sources = {name: published(name) for name in ("cifar10", "imagenet")}
    for name, source in sources.items():
        prepare(name, source=source)
    assert (root / "imagenet" / "train").is_symlink()
    shutil.rmtree(sources["cifar10"])
    check("cifar10")


@pytest.mark.parametrize("name", [name for name, entry in catalog.DATASETS.items() if entry.files])
def test_a_truncated_source_leaves_everything_as_it_was(name, prepared, published, root, tmp_path):
    prepared(name)
    before = {path: path.read_bytes() for path in (root / name).rglob("*") if path.is_file()}
    source = tmp_path / "copy"
    shutil.copytree(root / name, source)
    file = sorted(path for path in source.rglob("*") if path.is_file())[0]
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    with pytest.raises(UserError, match=f"{file.name} of .*copy.* is cut short") as error:
        prepare(name, source=source)
    assert "\n" not in str(error.value)
    assert left_in(root) == [name]
    assert {path: path.read_bytes() for path in (root / name).rglob("*") if path.is_file()} == before


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_a_truncated_copy_of_debians_files(root, tmp_path):
    shutil.copytree(DEBIAN, tmp_path / "copy")
    with (tmp_path / "copy" / "train-images-idx3-ubyte.gz").open("r+b") as file:
        file.truncate(20_000_000)
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte.gz of .*copy is cut short"):
        prepare("fashion_mnist", source=tmp_path / "copy")
    assert left_in(root) == []


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_truncated_tar_is_one_line(kept, published, root, tmp_path):
    archive = tmp_path / "cifar.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(published("cifar10"), arcname=".")
    archive.write_bytes(archive.read_bytes()[: int(archive.stat().st_size * kept)])
    with pytest.raises(UserError, match="cut short") as error:
        prepare("cifar10", source=archive)
    assert "\n" not in str(error.value)
    assert left_in(root) == []


def test_a_tar_cannot_write_elsewhere(published, root, tmp_path):
    (tmp_path / "evil").write_text("evil")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.add(tmp_path / "evil", arcname="../../outside")
    with pytest.raises(UserError):
        prepare("cifar10", root / "deep", tmp_path / "evil.tar")
    assert not list(tmp_path.rglob("outside"))


def test_a_missing_file_is_named(published, root):
    source = published("cifar10")
    (source / "cifar-10-batches-py" / "data_batch_3").unlink()
    with pytest.raises(UserError, match=r"holds no cifar-10-batches-py/data_batch_3"):
        prepare("cifar10", source=source)


def test_an_empty_image_is_named(prepared, published):
    folder = prepared("oxford_pets")
    image = sorted((folder / "oxford-iiit-pet" / "images").iterdir())[0]
    image.write_bytes(b"")
    with pytest.raises(UserError, match=f"{image.name} of .* is missing or empty"):
        check("oxford_pets")


def test_a_changed_byte_is_found_by_check(prepared):
    folder = prepared("cifar10")
    file = folder / "cifar-10-batches-py" / "test_batch"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(UserError, match="test_batch"):
        check("cifar10")


def test_preparing_again_replaces_what_was_there(published, prepared, root):
    folder = prepared("cifar100")
    (folder / "stray").write_text("")
    prepare("cifar100", source=folder)
    assert not (folder / "stray").exists()
    assert left_in(root) == ["cifar100"]


def test_a_download_is_unpacked_and_verified(published, root, monkeypatch, tmp_path):
    """The network is replaced by a function that copies what a server would send."""
    source = published("cifar10")
    archive = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source / "cifar-10-batches-py", arcname="cifar-10-batches-py")
    asked = []

    def fetch(url: str, folder: str, file: str, md5: str) -> None:
        asked.append((url, md5))
        shutil.copyfile(archive, Path(folder) / file)

    monkeypatch.setattr("torchvision.datasets.utils.download_url", fetch)
    prepare("cifar10")
    entry = catalog.DATASETS["cifar10"]
    assert asked == [(download.url, download.md5) for download in entry.downloads]
    assert len(load("cifar10").test) == 20
    assert left_in(root / "cifar10") == ["cifar-10-batches-py"]


def test_a_failed_download_is_one_line_and_leaves_nothing(root, monkeypatch):
    def fetch(*_: str) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", fetch)
    with pytest.raises(UserError, match=r"no route to host.*--from"):
        prepare("flowers102")
    assert left_in(root) == []


def test_what_cannot_be_downloaded_says_how_to_obtain_it(root):
    with pytest.raises(UserError, match="by hand"):
        prepare("imagenet")


def test_a_data_root_that_cannot_be_written_is_one_line(tmp_path, published):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write to the data root"):
        prepare("cifar10", tmp_path / "file" / "root", published("cifar10"))


def test_the_commands(published, root):
    run = CliRunner().invoke
    listed = run(app, ["list"])
    assert listed.exit_code == 0
    for name in catalog.DATASETS:
        assert name in listed.stdout
    assert "download of 170 MB" in run(app, ["list", "cifar10"]).stdout

    assert '"ready": false' in run(app, ["list", "cifar10", "--json"]).stdout
    done = run(app, ["prepare", "cifar10", "--from", str(published("cifar10"))])
    assert done.exit_code == 0
    assert f"ready in {root / 'cifar10'}" in done.stdout
    assert '"ready": true' in run(app, ["list", "cifar10", "--json"]).stdout

    assert run(app, ["check"]).stdout.splitlines() == [
        f"digits is complete in {root / 'digits'}",
        f"cifar10 is complete in {root / 'cifar10'}",
    ]
    wrong = run(app, ["check", "cifar10", "svhn", "cifra"])
    assert isinstance(wrong.exception, UserError)
    assert [line.split()[0] for line in str(wrong.exception).splitlines()] == ["svhn", "unknown"]
