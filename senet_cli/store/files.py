"""Hashing and writing files so that nothing is ever half there."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from senet_cli.errors import DiskError

_CHUNK = 2**20


def sha256_of(path: Path) -> str:
    """Hash a file: SHA-256, 64 hexadecimal digits."""
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(path: Path) -> str:
    """Hash a file that the user named: SHA-256.

    Raises:
        DiskError: it cannot be read.
    """
    try:
        return sha256_of(path)
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{path}`") from error


def chunks_of(file: BinaryIO) -> Iterator[bytes]:
    """Read a file from where it stands, in pieces of 1 MiB."""
    return iter(lambda: file.read(_CHUNK), b"")


def write_atomically(target: Path, data: bytes, *, shared: bool = False) -> None:
    """Write a small file so that readers see the old content or the new, nothing between.

    Args:
        target: its path.
        data: its content.
        shared: True for the permissions of the file that is replaced or, if there is none, those that the
            user's other new files have; False for permissions for the user alone.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".new-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if shared:
            Path(name).chmod(_mode_of(target) or 0o666 & ~_umask())
        os.replace(name, target)  # noqa: PTH105 - replaces a planted link instead of following it
    except BaseException:  # also Ctrl-C: nothing is left behind
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut, where the system can."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _mode_of(path: Path) -> int | None:
    """Permissions of a file; None if there is none, or a link, which is replaced and not followed."""
    with contextlib.suppress(OSError):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            return stat.S_IMODE(status.st_mode) & 0o777
    return None


def _umask() -> int:
    """Read the umask, which is only possible by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
