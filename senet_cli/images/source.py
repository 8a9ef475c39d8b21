"""One image to be: a file by its name, or bytes that came through a pipe."""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from senet_cli.errors import Advice, ImageError, advise

STDIN_NAMES = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
"""What means standard input where files are named."""
PIPES = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""Where standard input and a shell's `<(command)` lie; other pipes could block for ever and are refused."""
_CHUNK = 2**16
_MAX_PIPED = 2**30
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_FETCHED = ("http", "https", "ftp")


class Stamp(NamedTuple):
    """What tells whether an image is still the one that it was.

    Args:
        size: in bytes; None where there is no file.
        mtime: time of change in nanoseconds; of bytes that came through a pipe their digest; None where there
            is neither.
    """

    size: int | None
    mtime: int | str | None


@dataclass(frozen=True, slots=True)
class Source:
    """One image to be: a path, or bytes that came through a pipe.

    Args:
        name: as records show it.
        data: the bytes, where they do not lie in a file of that name.
        problem: why it cannot be opened, where that is known already.
    """

    name: str
    data: bytes | None = None
    problem: ImageError | None = None

    @classmethod
    def named(cls, name: str) -> Source:
        """Make the source for a path. What a shell's `<(command)` writes is read here and now."""
        if not name.startswith(PIPES):
            return cls(name)
        try:
            if not stat.S_ISFIFO(os.stat(name).st_mode):
                return cls(name)
            with open(name, "rb", buffering=0) as pipe:
                return cls(name, read_all(pipe.fileno()))
        except ImageError as error:
            return cls(name, problem=error)
        except OSError as error:
            return cls(name, problem=_os_problem(name, error))

    @classmethod
    def piped(cls, name: str, descriptor: int) -> Source:
        """Make the source of all bytes that come through an open pipe or file."""
        try:
            return cls(name, read_all(descriptor))
        except ImageError as error:
            return cls(name, problem=error)
        except OSError as error:
            return cls(name, problem=_os_problem(name, error))

    @property
    def unmatched(self) -> bool:
        """True for a pattern that no file matches."""
        return self.problem is not None and self.problem.kind == "missing"

    def stamp(self) -> Stamp:
        """Look at the image's file, without opening it."""
        if self.data is not None:
            import hashlib

            return Stamp(len(self.data), hashlib.sha256(self.data).hexdigest())
        try:
            status = os.stat(self.name)
        except (OSError, ValueError):
            return Stamp(None, None)
        return Stamp(status.st_size, status.st_mtime_ns)

    def open(self) -> BinaryIO:
        """Open the bytes as a seekable file.

        Raises:
            ImageError: missing, not a file, or not readable.
        """
        if self.problem:
            raise self.problem
        if self.data is not None:
            return io.BytesIO(self.data)
        try:
            mode = os.stat(self.name).st_mode
            if stat.S_ISREG(mode):
                return open(self.name, "rb")
        except (OSError, ValueError) as error:
            raise _os_problem(self.name, error) from error
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, device or socket"
        raise ImageError("not_a_file", f"this is {what}, not a file")


def is_address(name: str) -> bool:
    """Return True for an address such as `https://...` that does not happen to be a path."""
    return _ADDRESS.match(name) is not None and not os.path.lexists(name)


def how_to_fetch(address: str) -> str | Advice:
    """Say how an address gets to be an image."""
    scheme = address.partition("://")[0].lower()
    if scheme == "file":
        return f"Name the file itself: {_path_in(address)}"
    return advise("pipe-address", address=address) if scheme in _FETCHED else advise("pipe-fetched")


def _path_in(address: str) -> str:
    rest = address.partition("://")[2]
    return rest if rest.startswith("/") else "/" + rest


def _os_problem(name: str, error: OSError | ValueError) -> ImageError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        if is_address(name):
            local = name.lower().startswith("file:")
            instead = f"name the file itself, {_path_in(name)}" if local else "fetch it first, or pipe it in"
            return ImageError("missing", f"this is an address, and only files are read: {instead}")
        return ImageError("missing", "no such file")
    return ImageError("unreadable", str(getattr(error, "strerror", "") or error), passing=True)


def read_all(descriptor: int) -> bytes:
    """Read everything that comes through a pipe.

    Raises:
        ImageError: it is more than any image needs.
    """
    parts, size = [], 0
    for chunk in chunks_of(descriptor):
        parts.append(chunk)
        size += len(chunk)
        if size > _MAX_PIPED:
            raise ImageError("too_large", f"more than {_MAX_PIPED:,} bytes came through the pipe")
    return b"".join(parts)


def chunks_of(descriptor: int) -> Iterator[bytes]:
    """Read bytes as they come. Not through `sys.stdin`: its lock would hang the exit of a waiting thread."""
    while chunk := os.read(descriptor, _CHUNK):
        yield chunk
