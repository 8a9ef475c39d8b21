"""Which files of a folder are images, by their names, and what the others are."""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from dataclasses import dataclass, field
from functools import cache

EXTENSIONS = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".png",
        ".apng",
        ".webp",
        ".avif",
        ".bmp",
        ".dib",
        ".gif",
        ".tif",
        ".tiff",
        ".jp2",
        ".j2k",
        ".j2c",
        ".jpc",
        ".jpf",
        ".jpx",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    ]
)
"""What a folder is searched for, in any case. A file named explicitly is always tried."""

HEIF_EXTENSIONS = frozenset([".heic", ".heif", ".hif"])
"""Searched for too where the library that reads them is there."""

RAW_EXTENSIONS = frozenset([".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"])
"""What cameras write before it becomes an image."""

APPLE_DOUBLE = "AppleDouble"
_APPLE_DOUBLE_MAGIC = b"\x00\x05\x16\x07"
"""RFC 1740, appendix B."""
_KINDS = {
    **dict.fromkeys(HEIF_EXTENSIONS, "HEIC"),
    ".jxl": "JXL",
    **dict.fromkeys(RAW_EXTENSIONS, "raw"),
}
"""Photographs that are not read, by what people call them."""


@cache
def heif_is_read() -> bool:
    """Return True where the library for HEIC is installed."""
    return importlib.util.find_spec("pi_heif") is not None


def is_image_name(name: str) -> bool:
    """Return True if a file of this name is an image that is read."""
    extension = _extension(name)
    return extension in EXTENSIONS or (extension in HEIF_EXTENSIONS and heif_is_read())


def is_apple_double(path: str) -> bool:
    """Return True for the file `._x.jpg` that a Mac keeps beside `x.jpg` on disks that only keep bytes."""
    if not os.path.basename(path).startswith("._"):
        return False
    try:
        with open(path, "rb") as file:
            return file.read(len(_APPLE_DOUBLE_MAGIC)) == _APPLE_DOUBLE_MAGIC
    except OSError:  # its record will tell
        return False


def kind_of_bytes(head: bytes) -> str:
    """Name what is not read by the first 12 bytes of a file; empty where they say nothing."""
    if head.startswith(_APPLE_DOUBLE_MAGIC):
        return APPLE_DOUBLE
    if head.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")):  # ISO/IEC 18181-2
        return "JXL"
    return ""


def _extension(name: str) -> str:
    return os.path.splitext(name)[1].lower()


@dataclass(slots=True)
class Skipped:
    """Files in folders that were passed over.

    Args:
        count: of all.
        example: the first whose extension says nothing.
        kinds: how many are HEIC, JXL, raw or AppleDouble.
        more_on_stdin: True if there was another image on standard input behind the one that was taken.
    """

    count: int = 0
    example: str = ""
    kinds: Counter[str] = field(default_factory=Counter)
    more_on_stdin: bool = False

    def add(self, name: str) -> None:
        """Count one whose name is not that of an image, or that is not an image all the same."""
        self.count += 1
        kind = APPLE_DOUBLE if is_image_name(name) else _KINDS.get(_extension(name))
        if kind:
            self.kinds[kind] += 1
        else:
            self.example = self.example or name

    @property
    def others(self) -> int:
        """Those of no kind with a name."""
        return self.count - self.kinds.total()
