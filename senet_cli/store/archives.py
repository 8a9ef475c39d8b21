"""Zip archives with one checkpoint in them, as pytorchcv publishes its own: never unpacked to disk."""

from __future__ import annotations

import hashlib
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from senet_cli.errors import CheckpointError

MAX_BYTES = 2 * 2**30
"""A member larger than this is not one of our checkpoints."""
_MAX_RATIO = 20
"""Weights hardly shrink (published ones by about 8 %); what grows to more than this is a bomb."""
_CHUNK = 2**20
UNREADABLE = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,  # a method of compression that Python does not know
    RuntimeError,  # encrypted
    EOFError,
    OSError,
)
"""What the zip reader raises for damaged, encrypted and exotic archives."""


def is_archive(path: Path) -> bool:
    """Return True for a zip archive that is not itself a checkpoint, as those that PyTorch writes are."""
    try:
        with zipfile.ZipFile(path) as archive:
            return not any(name.rpartition("/")[2] == "data.pkl" for name in archive.namelist())
    except UNREADABLE:
        return False


def holds(path: Path, member: str) -> bool:
    """Return True if `path` is an archive with a member of this name; its bytes are not looked at."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist() == [member]
    except UNREADABLE:
        return False


def sha1_of(path: Path, origin: str) -> tuple[str, str]:
    """Name and SHA-1, 40 hexadecimal digits, of the one member; `origin` is named in messages.

    Raises:
        CheckpointError: not an archive with one plain member of a believable size.
    """
    with open_member(path, origin) as (name, stream):
        digest = hashlib.sha1(usedforsecurity=False)  # the publisher's choice
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return name, digest.hexdigest()


@contextmanager
def open_member(path: Path, origin: str) -> Iterator[tuple[str, IO[bytes]]]:
    """Name and bytes of the one member, no more of them than it declares; `origin` is named in messages.

    Raises:
        CheckpointError: as for `sha1_of`; also while the bytes are read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = _sole_member(archive, origin)
            with archive.open(member) as stream:
                yield member.filename, stream
    except UNREADABLE as error:
        raise CheckpointError(
            f"`{origin}` is not a zip archive that can be read: {error}", "Fetch the file again."
        ) from error


def _sole_member(archive: zipfile.ZipFile, origin: str) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) != 1:
        raise CheckpointError(f"`{origin}` holds {len(members)} files; an archive of weights holds one")
    (member,) = members
    name = member.filename
    if name != Path(name).name or "\\" in name or ":" in name or not name.isprintable():
        raise CheckpointError(f"`{origin}` holds `{name[:80]}`, a path in place of a file's plain name")
    check_growth(member, MAX_BYTES, origin)
    return member


def check_growth(member: zipfile.ZipInfo, most: int, origin: str) -> None:
    """Refuse a member that would grow as neither weights nor what is written about them grow.

    Args:
        member: of an archive; the reader gives no more bytes of it than it declares.
        most: bytes that it may have.
        origin: what is named in the message.

    Raises:
        CheckpointError: it declares more bytes than `most`, or than fit its packed size.
    """
    packed, size = member.compress_size, member.file_size
    if size > min(most, _MAX_RATIO * packed + _CHUNK):
        raise CheckpointError(f"`{origin}` would grow from {packed:,} to {size:,} bytes: no weights do")
