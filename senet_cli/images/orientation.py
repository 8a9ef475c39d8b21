"""Which way up an image is: its EXIF says so, XMP has no say (as in browsers)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image, TiffImagePlugin

ORIENTATION = 0x0112
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
_XMP = ("xmp", "XML:com.adobe.xmp")
"""Where Pillow's `getexif` finds an orientation when EXIF has none."""
_RAW_PROFILE = "Raw profile type exif"
"""PNG text in which ImageMagick kept EXIF before there was a chunk for it: hexadecimal after three lines."""


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """Tell what turns a loaded image upright; None: it is. A TIFF was turned by Pillow when it was loaded."""
    return _TURNS.get(_orientation(image))


def turn_for(orientation: object) -> Image.Transpose | None:
    """Tell what turns an image upright whose tag has this value; None: nothing does."""
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _orientation(image: Image.Image) -> Any:
    """Read the value of the tag, 1 if there is none.

    Pillow's own `exif_transpose` also writes the EXIF anew, and fails where any other tag is odd.
    """
    if not any(key in image.info for key in _XMP):
        return image.getexif().get(ORIENTATION, 1)
    data = image.info.get("exif")
    if data is None and _RAW_PROFILE in image.info:
        data = bytes.fromhex("".join(image.info[_RAW_PROFILE].split("\n")[3:]))
    exif = Image.Exif()
    exif.load(data or b"")
    return exif.get(ORIENTATION, 1)


@contextmanager
def ignoring_xmp(image: Image.Image) -> Iterator[None]:
    """Hide XMP while an image is loaded: Pillow turns a TIFF then, by XMP if the file has no such tag."""
    hidden = {key: image.info.pop(key) for key in _XMP if key in image.info}
    try:
        if hidden and isinstance(image, TiffImagePlugin.TiffImageFile) and ORIENTATION not in image.tag_v2:
            image.getexif().pop(ORIENTATION, None)  # somebody may have asked for it before
        yield
    finally:
        image.info.update(hidden)
