"""Writing files so that a reader sees all or nothing, and only the owner may read them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
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
    path.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)


def write_whole(path: Path, data: bytes) -> None:
    """Write beside, sync, rename: after this returns the file is whole on the disk, before it the old one is."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def append(path: Path, data: bytes) -> None:
    """Append; survives the death of the process (the kernel has it), not of the machine."""
    make_folder(path.parent)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _FILE_MODE), "wb", buffering=0) as file:
        written = file.write(data)
        if written != len(data):
            raise OSError(28, "No space left on device")
