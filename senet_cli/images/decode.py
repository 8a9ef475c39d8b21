"""One way from bytes to an RGB image, whatever the source.

Rules, each tested:
    formats      only `FORMATS`, and HEIC where pi-heif is installed; the first frame or page of a file
    orientation  that of EXIF is applied (in a TIFF, tag 274; in AVIF and HEIC, `irot` and `imir`); XMP not
    gray         integers deeper than 8 bits are scaled by the largest value of their depth, 2^bits - 1, and
                 rounded; a TIFF says its BitsPerSample, others have 16, signed ones are taken as 0..65535
    colours      of 16 bits Pillow reads the upper byte; other depths of a TIFF are scaled as gray is
    float        values are taken as 0..255 and clipped
    WhiteIsZero  a TIFF's gray is inverted, whatever its depth
    CMYK, LAB    Pillow's conversion
    palette      looked up
    alpha        laid over white; a PNG's transparent colour is compared at the depth of its samples
    size         more pixels than Pillow's decompression-bomb limit (178,956,970) are refused
    metadata     a file that fails is tried once more: a PNG without ancillary chunks (but tRNS and eXIf), a
                 JPEG without the segments of applications (but EXIF's, Adobe's), an AVIF without EXIF

Memory: decoding n pixels takes at most `BYTES_PER_PIXEL` * n + `PIECE_BYTES`, and besides that what some
decoders hold of their own: 6 n for a progressive JPEG, 8 n for a WebP, up to 16 n for an AVIF.
"""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from senet_cli.errors import ImageError
from senet_cli.images.colours import to_rgb
from senet_cli.images.heif import is_heic, may_be_heic, open_heif
from senet_cli.images.kinds import APPLE_DOUBLE, kind_of_bytes
from senet_cli.images.metadata import without_metadata
from senet_cli.images.orientation import ignoring_xmp, turn_for, turn_of
from senet_cli.images.png import transparent_key

_PLUGINS = (
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    TiffImagePlugin,
    Jpeg2KImagePlugin,
    PpmImagePlugin,
)
"""Imported by name, so that Pillow has no reason to import the parsers of all the formats it knows."""

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "DIB", "GIF", "TIFF", "JPEG2000", "PPM")
"""Pillow's names of the formats that are read (JPEG with MPO). The parsers of others never run."""

_AVAILABLE = tuple(name for name in FORMATS if name in Image.OPEN)
"""Without those that this build of Pillow lacks."""

BYTES_PER_PIXEL = 8
"""What Pillow decoded, up to 4 bytes, and RGB, which is 4 there; or RGB and the same turned upright."""
PIECE_BYTES = 32 * 2**20
"""What laying over white and scaling take besides: 20 bytes for each pixel of a piece, and some room."""

_UNREAD = {
    APPLE_DOUBLE: "this is what a Mac keeps beside a file of the same name without `._`, not an image",
    "JXL": "this is JPEG XL, which is not read: convert it, as `djxl` does",
}

_BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    OverflowError,
    MemoryError,
    RuntimeError,
    AssertionError,
    ArithmeticError,
    struct.error,
    zlib.error,
)
"""What Pillow's plugins raise for damaged files; this module is the one place that catches so much."""


def silence_decoders() -> None:
    """Have Pillow say nothing of damaged images: they become errors, and the rest is noise."""
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)


def decode(file: BinaryIO) -> Image.Image:
    """Decode the image in an open, seekable file, upright and in mode RGB.

    Raises:
        ImageError: empty, of an unknown format, too large, or damaged.
    """
    try:
        return _decode(file)
    except ImageError as error:
        if error.kind not in ("format", "decode"):
            raise
        file.seek(0)
        head = file.read(12)
        image = None if is_heic(head) else _second_try(file)
        if image is None and may_be_heic(head):
            return _turned(*_read_heif(file))
        if image is None:
            raise
        return image


def upright_rgb(image: Image.Image) -> Image.Image:
    """Convert an opened image to RGB and turn it upright; the argument stays as it is.

    Raises:
        ImageError: its data are damaged, or it is too large.
    """
    return _turned(*_rgb_and_turn(image))


def _decode(file: BinaryIO) -> Image.Image:
    return _turned(*_read(file))  # what was decoded is gone before the result is turned: two copies at most


def _read(file: BinaryIO) -> _Pixels:
    """Read the image in a file in mode RGB, and what turns it upright."""
    try:
        with _as_image_errors():
            image = Image.open(file, formats=_AVAILABLE)
    except UnidentifiedImageError as error:
        raise _unidentified(file) from error
    with image:
        return _rgb_and_turn(image)


_Pixels = tuple[Image.Image, Image.Transpose | None]


def _rgb_and_turn(image: Image.Image) -> _Pixels:
    with _as_image_errors():
        key = transparent_key(image)
        with ignoring_xmp(image):
            image.load()
        try:
            turn = turn_of(image)
        except _BROKEN:  # unreadable EXIF is not a reason to lose an image
            turn = None
        return to_rgb(image, key), turn


def _turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    with _as_image_errors():
        return image if turn is None else image.transpose(turn)


def _read_heif(file: BinaryIO) -> _Pixels:
    with _as_image_errors(), open_heif(file) as image:
        return _rgb_and_turn(image)


def _second_try(file: BinaryIO) -> Image.Image | None:
    """Decode a file that Pillow refuses although others open it; None: it is as damaged as it seems."""
    try:
        if copy := without_metadata(file):
            return _decode(copy)
        with _as_image_errors():
            return _from_samples(file)
    except ImageError as error:
        if error.kind == "too_large":
            raise
        return None


def _from_samples(file: BinaryIO) -> Image.Image | None:
    from senet_cli.images import tiff

    found = tiff.find_samples(file)
    if found is None:
        return None
    result = Image.new("RGB", found.size)
    for top, rows in tiff.read_8_bits(file, found):
        result.paste(Image.fromarray(rows).convert("RGB"), (0, top))
    return _turned(result, turn_for(found.orientation))


@contextmanager
def _as_image_errors() -> Iterator[None]:
    """Make whatever Pillow's plugins raise an `ImageError`; only that a format is unknown goes through."""
    try:
        yield
    except (ImageError, UnidentifiedImageError):
        raise
    except Image.DecompressionBombError as error:
        raise ImageError("too_large", str(error)) from error
    except _BROKEN as error:
        raise _broken(error) from error


def _unidentified(file: BinaryIO) -> ImageError:
    file.seek(0)
    head = file.read(12)
    if not head:
        return ImageError("empty", "the file is empty")
    if kind := kind_of_bytes(head):
        return ImageError("format", _UNREAD[kind])
    names = ", ".join(name for name in _AVAILABLE if name != "DIB")
    message = f"not an image of a format that is read ({names}), or damaged"
    return ImageError("format", message, passing=True)  # Pillow may be built with more formats or fewer


def _broken(error: Exception) -> ImageError:
    """Pillow's own errors carry no number; with one, it is the disk or the network that failed."""
    if isinstance(error, MemoryError):
        return ImageError("decode", "not enough memory", passing=True)
    if isinstance(error, OSError) and error.errno:
        return ImageError("unreadable", error.strerror or str(error), passing=True)
    return ImageError("decode", f"damaged image: {str(error).strip() or type(error).__name__}")
