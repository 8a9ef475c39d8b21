"""Hashing and writing files so that nothing is ever half there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_CHUNK = 2**20


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """The file from where it stands, in pieces of 1 MiB."""
    return iter(lambda: file.read(_CHUNK), b"")


@contextlib.contextmanager
def temporary_beside(target: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new private file in the folder of `target`, removed at the end unless it was moved away."""
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", suffix=".part", dir=target.parent)
    path = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file, path
    finally:
        path.unlink(missing_ok=True)


def install(file: BinaryIO, temporary: Path, target: Path) -> None:
    """Put a completely written file under its final name, at once and for good."""
    file.flush()
    os.fsync(file.fileno())
    file.close()  # Windows does not move open files
    os.replace(temporary, target)  # noqa: PTH105 - replaces a planted link instead of following it
    _sync_folder(target.parent)


def write_atomically(target: Path, data: bytes) -> None:
    """Write a small file so that readers see the old content or the new, nothing between."""
    with temporary_beside(target) as (file, temporary):
        file.write(data)
        install(file, temporary, target)


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut, where the system can."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
