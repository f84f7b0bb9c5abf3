"""Files that ship with the package, and files that are written whole or not at all."""

import os
import sys
import tempfile
from pathlib import Path

from gam_bench.errors import UserError

RESULTS = Path("results")
"""Where run folders are unless the user says otherwise."""


def shipped(*parts: str) -> Path:
    """A file or folder of the project: from the wheel when installed, else from the checkout."""
    package = Path(__file__).parent
    installed = package / "shipped"
    return (installed if installed.is_dir() else package.parent).joinpath(*parts)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content` in one rename: a reader, or a crash, sees the old file or the new one."""
    data = content.encode() if isinstance(content, str) else content
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_output(path: Path, text: str) -> None:
    """Write a file that the user asked for, its folder too, and say where it is. Raises UserError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
    print(f"wrote {path}", file=sys.stderr)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
