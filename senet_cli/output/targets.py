"""What a path given for output is: a descriptor of this process, a special file, or a file to be replaced."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from senet_cli.errors import DiskError, UsageError, advise
from senet_cli.images.kinds import EXTENSIONS, HEIF_EXTENSIONS, RAW_EXTENSIONS
from senet_cli.images.signatures import is_image

ANOTHER = advise("another-file")
_DRAWN = b"Software\0Matplotlib"
"""What the library that draws for us writes near the beginning of a PNG."""
_MAX_LINKS = 40
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTOR = re.compile(r"/dev/fd/(\d{1,9})|/proc/(self|thread-self|\d+)(?:/task/\d+)?/fd/(\d{1,9})")
_IMAGES = EXTENSIONS | HEIF_EXTENSIONS | RAW_EXTENSIONS | {".jxl", ".psd", ".xcf", ".svg", ".ico", ".tga"}
"""Endings of pictures, also of those that we do not read."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where output goes.

    Args:
        given: as the user wrote it, for messages.
        path: absolute, links followed.
        descriptor: number of the descriptor of this process that it stands for, or None.
        status: of what is there; None if nothing is.
    """

    given: Path
    path: Path
    descriptor: int | None = None
    status: os.stat_result | None = None

    @property
    def is_file(self) -> bool:
        """True for a file that is replaced or made; False for what is written as it is."""
        return self.descriptor is None and (self.status is None or stat.S_ISREG(self.status.st_mode))


def find_target(path: Path) -> Target:
    """See what lies at a path.

    Raises:
        DiskError: it is a folder, its folder is missing, or it cannot be looked at.
    """
    try:
        place = _followed(path)
        if (descriptor := _descriptor(place)) is not None:
            return Target(path, Path(place), descriptor)
        real = Path(os.path.realpath(place))
        if not real.parent.is_dir():
            raise DiskError(f"writing `{path}` failed: there is no folder `{path.parent}`", ANOTHER)
        target = Target(path, real, None, _status(real))
    except OSError as error:
        raise DiskError.from_os_error(error, f"writing `{path}`", ANOTHER) from error
    if target.status and stat.S_ISDIR(target.status.st_mode):
        raise DiskError(f"writing `{path}` failed: it is a folder", "Name a file in it.")
    return target


def check_target(path: Path, inputs: Iterable[str | Path] = (), *, picture: bool = False) -> Target:
    """Find out before any work whether a path may be written, and that nothing of the user's is lost by it.

    Args:
        path: where output is to go.
        inputs: files that this run reads.
        picture: True if a picture of ours is written there, which may replace an older one of ours.

    Raises:
        UsageError: it is an image, is named like one, or is read by this run.
        DiskError: it cannot be written.
    """
    target = find_target(path)
    if not target.is_file:
        return target
    named_as_image = path.suffix.lower() in _IMAGES
    if named_as_image and not (picture and path.suffix.lower() == ".png"):
        raise UsageError(f"`{path}` has the ending of an image, and none is written there", ANOTHER)
    if target.status is None:
        if not os.access(target.path.parent, os.W_OK | os.X_OK):
            reason = "its folder may not be written"
            raise DiskError(f"writing `{path}` failed: {reason}", ANOTHER)
        return target
    _check_writable(target)
    if any(_is(target.status, name) for name in inputs):
        raise UsageError(f"`{path}` is read by this run, and would be lost", ANOTHER)
    if is_image(target.path) and not (picture and _drawn_here(target.path)):
        raise UsageError(f"`{path}` is an image, which is never replaced", ANOTHER)
    return target


def refuse_protected(path: Path) -> None:
    """Respect that a file is write-protected, also where its folder would allow to replace it.

    Raises:
        DiskError: it is there, and may not be written.
    """
    target = find_target(path)
    if target.is_file and target.status:
        _check_writable(target)


def _check_writable(target: Target) -> None:
    """Also for the superuser, whom the system would let: somebody took all rights to write away."""
    assert target.status
    if not target.status.st_mode & 0o222:
        raise DiskError(f"`{target.given}` is write-protected", ANOTHER)
    try:
        os.close(os.open(target.path, os.O_WRONLY | getattr(os, "O_NONBLOCK", 0)))
    except OSError as error:
        raise DiskError.from_os_error(error, f"writing `{target.given}`", ANOTHER) from error


def _is(status: os.stat_result, name: str | Path) -> bool:
    try:
        return os.path.samestat(status, os.stat(name))  # noqa: PTH116 - names stay as typed
    except (OSError, ValueError):
        return False


def _drawn_here(path: Path) -> bool:
    """Return True for a PNG as we draw them."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError:
        return False
    return head.startswith(b"\x89PNG") and _DRAWN in head


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _followed(path: Path) -> str:
    """Follow a path's links, but not beyond what stands for a descriptor: a pipe has no name."""
    place = str(path) if path.is_absolute() else os.path.join(os.getcwd(), path)  # noqa: PTH118, PTH109
    for _ in range(_MAX_LINKS):
        folder, name = os.path.split(place)
        place = os.path.join(os.path.realpath(folder), name)  # noqa: PTH118
        if _descriptor(place) is not None or not os.path.islink(place):  # noqa: PTH114
            break
        place = os.path.join(os.path.dirname(place), os.readlink(place))  # noqa: PTH115, PTH118, PTH120
    return place


def _descriptor(place: str) -> int | None:
    if os.name != "posix":
        return None
    if place in _STANDARD:
        return _STANDARD[place]
    match = _DESCRIPTOR.fullmatch(place)
    if match is None or match[2] not in (None, "self", "thread-self", str(os.getpid())):
        return None
    return int(match[1] or match[3])
