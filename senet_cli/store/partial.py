"""Bytes of a file that have arrived so far, kept so that a download never starts again from zero.

A partial file belongs to one process at a time: the owner's host and process id stand in its name, and it
changes hands only by renaming, which is atomic. So no two processes append to one file, whatever their locks
say. A file whose owner is gone (killed, say) is taken over by the next process that wants the same bytes.

    <folder>/<key>.<host>-<pid>-<token>.part       the bytes
    <folder>/<key>.<host>-<pid>-<token>.part.json  from where, and which version of the file there
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

_NAME = re.compile(r"(?P<key>[0-9a-f]+)\.(?P<host>[A-Za-z0-9_-]*)-(?P<pid>\d+)-(?P<token>[0-9a-f]+)\.part")
_CHUNK = 2**20
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_living_tokens: set[str] = set()
"""Tokens of this process; after a restart in a container the process id may be the same as before."""


@dataclass(frozen=True, slots=True)
class FetchedFrom:
    """Where the bytes of a partial file come from.

    Args:
        url: the address.
        validator: the version there: a strong ETag or a date of change, for `If-Range`; None if unknown.
    """

    url: str
    validator: str | None


class Partial:
    """An open partial file that this process owns, with the digest of what it holds.

    Args:
        file: open for reading and writing.
        path: its name.

    Attributes:
        size: bytes so far.
        whole: True if they all came in one answer to this process, so that none is older.
        origin: where the last of them came from.
    """

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self.path = path
        self.origin: FetchedFrom | None = _read_origin(path)
        self._hash = hashlib.sha256()
        self.size = 0
        file.seek(0)
        while chunk := file.read(_CHUNK):
            self._hash.update(chunk)
            self.size += len(chunk)
        self.whole = not self.size

    @property
    def sha256(self) -> str:
        """Digest of all bytes so far."""
        return self._hash.hexdigest()

    def append(self, chunk: bytes) -> None:
        """Add bytes at the end.

        Raises:
            OSError: the disk is full, or another failure.
        """
        self._file.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def flush(self) -> None:
        """Make the bytes visible to whoever opens the file by its name.

        Raises:
            OSError: the disk is full, or another failure.
        """
        self._file.flush()

    def restart(self) -> None:
        """Forget all bytes."""
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = 0
        self.whole = True
        self.set_origin(None)

    def set_origin(self, origin: FetchedFrom | None) -> None:
        """Remember where the bytes come from, for a later process."""
        if origin == self.origin:
            return
        self.origin = origin
        note = _note(self.path)
        note.unlink(missing_ok=True)  # whatever lies there: a planted link must not be followed
        if origin is not None:
            with note.open("x", encoding="utf-8") as file:
                json.dump(asdict(origin), file)

    def install(self, target: Path) -> None:
        """Make it the complete file `target`, at once and for good."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()  # Windows does not move open files
        os.replace(self.path, target)  # noqa: PTH105 - replaces a planted link instead of following it
        _note(self.path).unlink(missing_ok=True)

    def drop(self) -> None:
        """Close and delete, also where the disk has no room for what is still buffered."""
        with contextlib.suppress(OSError):
            self._file.close()
        remove_partial(self.path)
        self.size = 0

    def release(self) -> None:
        """Close; keep what arrived for another process, or leave nothing if that is nothing."""
        with contextlib.suppress(OSError):
            self._file.close()
        if self.size == 0:
            remove_partial(self.path)


@contextlib.contextmanager
def claimed(folder: Path, key: str, *, locked: bool, adopt: bool = True) -> Iterator[Partial]:
    """Claim the partial file for `key`: one that was left behind, or a new one.

    Args:
        folder: where partial files lie; made if necessary.
        key: hexadecimal, names the bytes that are wanted.
        adopt: False for a new file in any case; what was left behind stays as it is.
        locked: True if this process holds the lock for `key`: then files of other hosts are left behind too.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    path = folder / f"{key}.{_host()}-{os.getpid()}-{token}.part"
    _living_tokens.add(token)
    try:
        if adopt:
            _adopt_largest(folder, key, path, locked=locked)
        partial = Partial(_open_own(path), path)
        try:
            yield partial
        except OSError as error:
            if error.errno in _NO_ROOM:  # what cannot be completed must not keep the disk full
                partial.drop()
            raise
        finally:
            partial.release()
    finally:
        _living_tokens.discard(token)


def remove_partial(path: Path) -> None:
    """Delete a partial file and its note."""
    path.unlink(missing_ok=True)
    _note(path).unlink(missing_ok=True)


def _adopt_largest(folder: Path, key: str, own: Path, *, locked: bool) -> None:
    """Rename the largest file that was left behind to `own`; remove the others, and notes without a file."""
    abandoned = [path for path in folder.glob(f"{key}.*.part") if _abandoned(path, locked=locked)]
    for path in sorted(abandoned, key=_size, reverse=True):
        with contextlib.suppress(OSError):  # another process was faster
            if own.exists():
                remove_partial(path)
            else:
                _take(path, own)
    for note in folder.glob(f"{key}.*.part.json"):
        path = note.with_suffix("")
        if _size(path) < 0 and _abandoned(path, locked=locked):
            with contextlib.suppress(OSError):
                note.unlink()


def _take(path: Path, own: Path) -> None:
    """Rename a file and its note so that, killed at any moment, the file has its note beside it."""
    old, new = _note(path), _note(own)
    with contextlib.suppress(OSError):  # no note, or a file system without hard links
        new.hardlink_to(old)
    try:
        path.rename(own)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    if new.exists():
        old.unlink(missing_ok=True)
    else:
        old.rename(new)


def _size(path: Path) -> int:
    """Bytes, or -1 if it is not there (any more)."""
    try:
        return path.lstat().st_size
    except OSError:
        return -1


def _abandoned(path: Path, *, locked: bool) -> bool:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return False
    if match["host"] != _host():
        return locked
    pid = int(match["pid"])
    return match["token"] not in _living_tokens if pid == os.getpid() else not _is_alive(pid)


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # there is no harmless way to ask; the lock's holder starts anew
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _open_own(path: Path) -> BinaryIO:
    """Open without following links; what is not a plain file with one name is put out of the way first."""
    with contextlib.suppress(FileNotFoundError):
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            path.unlink()
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(path, flags | getattr(os, "O_CLOEXEC", 0), 0o666), "r+b")


def _host() -> str:
    return re.sub("[^A-Za-z0-9_-]", "_", socket.gethostname())[:40]


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _read_origin(path: Path) -> FetchedFrom | None:
    note = _note(path)
    try:
        if not note.is_file():  # reading a planted pipe would never end
            return None
        data = json.loads(note.read_bytes())
        validator = data["validator"]
        return FetchedFrom(str(data["url"]), None if validator is None else str(validator))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
