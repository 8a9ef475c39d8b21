"""What Pillow does not do for PNG files: transparent colours of any depth, and damaged metadata.

Chunks and samples are as in the PNG specification, version 1.2 (sections 3.2, 3.3 and 4.2.1.1).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

MAGIC = b"\x89PNG\r\n\x1a\n"

_GRAY_STEPS = {"L;2": (0x3, 0x55), "L;4": (0xF, 0x11), "L": (0xFF, 1)}
"""By Pillow's raw mode: the bits of a sample, and by what Pillow multiplies it to make 8 bits of it."""
_DEEP_COLOUR, _LOW_BYTES = "RGB;16B", "RGB;16L"
"""The raw mode of 16-bit colour, and the one that takes the other byte of each big-endian sample."""
_TRNS_LENGTHS = {0: range(2, 3), 2: range(6, 7), 3: range(1, 257)}
"""Bytes of a tRNS chunk by colour type."""


@dataclass(frozen=True, slots=True)
class Key:
    """A transparent colour as it is in the pixels that Pillow gives.

    Args:
        value: of a gray pixel, 0..255, or of R, G and B.
        low: where the lower bytes of 16-bit samples fit too, bool (height, width); None at other depths.
    """

    value: int | tuple[int, int, int]
    low: NDArray[np.bool_] | None = None


def transparent_key(image: Image.Image) -> Key | None:
    """Tell the transparent colour of an opened PNG that Pillow would get wrong; None: there is none.

    To be asked before the image is loaded: afterwards Pillow has forgotten how deep the samples were. It
    gives the tRNS chunk's number at the depth of the file, and pixels of 8 bits; 16-bit gray stays as it is.
    """
    colour = image.info.get("transparency")
    if not isinstance(image, PngImagePlugin.PngImageFile) or colour is None or not image.tile:
        return None
    arguments = image.tile[0].args
    raw_mode = arguments[0] if isinstance(arguments, tuple) else arguments
    if isinstance(colour, int) and raw_mode in _GRAY_STEPS:
        bits, step = _GRAY_STEPS[raw_mode]
        return Key((colour & bits) * step)
    if not isinstance(colour, tuple) or image.mode != "RGB":
        return None
    red, green, blue = colour
    if raw_mode != _DEEP_COLOUR:
        return Key((red & 255, green & 255, blue & 255))
    low = _low_bytes_equal(image, (red & 255, green & 255, blue & 255))
    return Key((red >> 8, green >> 8, blue >> 8), low)


def _low_bytes_equal(image: PngImagePlugin.PngImageFile, colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Where the lower bytes of all three samples are these; the file is decoded once more for it."""
    file = image.fp
    if file is None:
        raise ValueError("the file is closed")
    here = file.tell()
    file.seek(0)
    with PngImagePlugin.PngImageFile(file) as twin:
        twin.tile = [tile._replace(args=_LOW_BYTES) for tile in twin.tile]
        equal = np.ones((image.height, image.width), np.bool_)
        for band, value in zip(twin.split(), colour, strict=True):
            equal &= np.asarray(band) == value
    file.seek(here)
    return equal


# --- damaged metadata ---------------------------------------------------------------------------


def without_ancillary(file: BinaryIO) -> BinaryIO | None:
    """Copy a PNG without its ancillary chunks, but tRNS and eXIf where they are sound.

    Returns:
        The copy; None where there is nothing to leave out, or the file is not a PNG.
    """
    file.seek(0)
    data = file.read()
    if not data.startswith(MAGIC):
        return None
    copy = io.BytesIO()
    copy.write(MAGIC)
    colour_type = data[25] if len(data) > 25 else -1
    chunks = list(_chunks(data))
    pixels = [number for number, (name, _) in enumerate(chunks) if name == b"IDAT"]
    for number, (name, chunk) in enumerate(chunks):
        wanted = name in (b"tRNS", b"eXIf") and _is_sound(chunk, colour_type)
        between = bool(pixels) and pixels[0] < number < pixels[-1]  # nothing may be there (section 4.1.3)
        if wanted or between or _is_critical(name):
            copy.write(chunk)
    if copy.tell() == len(data):
        return None
    copy.seek(0)
    return copy


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and bytes, length and CRC among them, of all chunks; the last may be cut short."""
    start = len(MAGIC)
    while start < len(data):
        (length,) = struct.unpack(">I", data[start : start + 4].ljust(4, b"\xff"))
        end = start + 12 + length
        yield data[start + 4 : start + 8], data[start:end]
        start = end


def _is_critical(name: bytes) -> bool:
    """Return True also for what is not a name: leaving it out would hide that the file is damaged."""
    return len(name) < 4 or not name.isalpha() or not name[0] & 0x20


def _is_sound(chunk: bytes, colour_type: int) -> bool:
    name, body, checksum = chunk[4:8], chunk[8:-4], chunk[-4:]
    if struct.pack(">I", zlib.crc32(name + body)) != checksum:
        return False
    return name != b"tRNS" or len(body) in _TRNS_LENGTHS.get(colour_type, ())
