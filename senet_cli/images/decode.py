"""One way from bytes to an RGB image, whatever the source.

Rules, each tested:
    formats      only `FORMATS`; the first frame or page of an animated or multi-page file
    orientation  the EXIF orientation is applied
    16 bit       gray integers deeper than 8 bits are taken as 0..65535 and divided by 257; of 16-bit colours
                 Pillow reads the upper byte
    float        values are taken as 0..255 and clipped
    CMYK, LAB    Pillow's conversion
    palette      looked up
    alpha        laid over white
    size         more pixels than Pillow's decompression-bomb limit (178,956,970) are refused
"""

from __future__ import annotations

import logging
import struct
import warnings
import zlib
from typing import BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from senet_cli.errors import ImageError

_PLUGINS = (
    JpegImagePlugin,
    PngImagePlugin,
    WebPImagePlugin,
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    TiffImagePlugin,
    PpmImagePlugin,
)
"""Imported by name, so that Pillow has no reason to import the parsers of all the formats it knows."""

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "BMP", "DIB", "GIF", "TIFF", "PPM")
"""Pillow's names of the formats that are read (JPEG with MPO). The parsers of others never run."""

_AVAILABLE = tuple(name for name in FORMATS if name in Image.OPEN)
"""Without those that this build of Pillow lacks."""

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image upright, by the value of the EXIF tag."""
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
    """The image in an open, seekable file, upright and in mode RGB.

    Raises:
        ImageError: empty, of an unknown format, too large, or damaged.
    """
    try:
        image = Image.open(file, formats=_AVAILABLE)
    except UnidentifiedImageError as error:
        raise _unidentified(file) from error
    except Image.DecompressionBombError as error:
        raise ImageError("too_large", str(error)) from error
    except _BROKEN as error:
        raise _broken(error) from error
    with image:
        return upright_rgb(image)


def upright_rgb(image: Image.Image) -> Image.Image:
    """An opened image, turned upright and converted to RGB; the argument stays as it is.

    Raises:
        ImageError: its data are damaged, or it is too large.
    """
    try:
        image.load()
        return _to_rgb(_upright(image))
    except Image.DecompressionBombError as error:
        raise ImageError("too_large", str(error)) from error
    except _BROKEN as error:
        raise _broken(error) from error


def _upright(image: Image.Image) -> Image.Image:
    """The image as its EXIF orientation wants it; unreadable EXIF is no reason to lose an image.

    Pillow's own `exif_transpose` also writes the EXIF anew, and fails where any other tag is odd.
    """
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except _BROKEN:
        return image
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB by the rules at the top of this module."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith("I"):
        return _from_deep_integers(image)
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image), nan=0.0)
        return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        return _over_white(image)
    return image.convert("RGB")


def _from_deep_integers(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    gray = ((values.clip(0, 65535) + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        gray[values == transparent] = 255
    return Image.fromarray(gray).convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def _unidentified(file: BinaryIO) -> ImageError:
    file.seek(0)
    if not file.read(1):
        return ImageError("empty", "the file is empty")
    names = ", ".join(name for name in _AVAILABLE if name != "DIB")
    return ImageError("format", f"not an image of a format that is read ({names}), or damaged")


def _broken(error: Exception) -> ImageError:
    """Pillow's own errors carry no number; with one, it is the disk or the network that failed."""
    if isinstance(error, MemoryError):
        return ImageError("decode", "not enough memory")
    if isinstance(error, OSError) and error.errno:
        return ImageError("unreadable", error.strerror or str(error))
    return ImageError("decode", f"damaged image: {str(error).strip() or type(error).__name__}")
