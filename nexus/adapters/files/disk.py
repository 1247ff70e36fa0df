"""Writing files so that a reader sees all or nothing, and only the owner may read them."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nexus.errors import Unavailable

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn the system's refusals inside the block into ``Unavailable`` that names the place and the fix."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Unavailable(
            "store_unavailable", f"{path}: {error.strerror}. Check the folder's owner and mode, free disk space, and DATA_DIR."
        ) from error


def make_folder(path: Path) -> None:
    """The folder and its parents, for the owner only."""
    for folder in reversed([path, *path.parents]):  # mkdir(parents=True) would give the parents the umask's mode
        folder.mkdir(exist_ok=True, mode=_FOLDER_MODE)


def write_once(path: Path, data: bytes) -> None:
    """Write beside, sync, link: after this returns a whole file is on the disk, before it none is. Of two writers the first stays."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def copy_once(source: Path, path: Path) -> None:
    """Like ``write_once``, from a file of any size."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with source.open("rb") as given, os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE), "wb") as file:
            shutil.copyfileobj(given, file)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """The new name itself is on the disk only then."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """The folder and all that is in it; silent where none is. Another process may remove it at the same time."""
    for _, path in sorted(((len(path.parts), path) for path in folder.rglob("*")), reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        folder.rmdir()


def append(path: Path, data: bytes) -> None:
    """Append lines; they survive the death of the process (the kernel has them), not of the machine.

    A line torn by an earlier death is closed first, so that it never swallows a new one.
    """
    make_folder(path.parent)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, _FILE_MODE), "r+b", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        torn = size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"
        lines = b"\n" + data if torn else data
        if file.write(lines) != len(lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
