"""HEIC photographs, through pi-heif where it is installed (the extra `heic`)."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from senet_cli.errors import ImageError
from senet_cli.images.signatures import HEIC_BRANDS, HEIF_BRANDS


def is_heic(head: bytes) -> bool:
    """Return True if the first 12 bytes of a file are those of a HEIC."""
    return head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS


def may_be_heic(head: bytes) -> bool:
    """Return True if the first 12 bytes of a file are those of a HEIC, or of a HEIF of any kind."""
    return is_heic(head) or (head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS)


def open_heif(file: BinaryIO) -> Image.Image:
    """Open a HEIC. libheif turns it as `irot` and `imir` say, and what EXIF says of that is taken out.

    Raises:
        ImageError: the library is not installed.
        SyntaxError, OSError, ValueError, EOFError: the file is damaged.
        Image.DecompressionBombError: it has more pixels than Pillow reads.
    """
    try:
        from pi_heif import HeifImageFile
    except ImportError as error:
        message = "this is HEIC: `pip install 'senet[heic]'` brings what reads it"
        raise ImageError("format", message, passing=True) from error
    file.seek(0)
    image: Image.Image = HeifImageFile(file)
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and image.width * image.height > 2 * limit:
        raise Image.DecompressionBombError(
            f"Image size ({image.width * image.height} pixels) exceeds limit of {2 * limit} pixels"
        )
    return image
