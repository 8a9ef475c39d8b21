"""Telling an image file by its first bytes, without a decoder: also images that we do not read."""

from __future__ import annotations

import re
from pathlib import Path

_LENGTH = 512
_STARTS = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"\x8aMNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",  # TIFF and most cameras' raw files
    b"MM\0*",
    b"II+\0",  # BigTIFF
    b"MM\0+",
    b"IIRO",  # Olympus
    b"IIU\0",  # Panasonic
    b"FUJIFILMCCD-RAW",
    b"\xff\x0a",  # JPEG XL, bare and in its container
    b"\0\0\0\x0cJXL \r\n\x87\n",
    b"\0\0\0\x0cjP  \r\n\x87\n",  # JPEG 2000, in its container and bare
    b"\xff\x4f\xff\x51",
    b"8BPS",  # Photoshop
    b"gimp xcf ",
    b"\0\0\1\0",  # ICO
)
HEIC_BRANDS = frozenset([b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"])
HEIF_BRANDS = frozenset([b"mif1", b"msf1"])
"""Brands of ISO/IEC 23008-12, annex B; these are of any HEIF, AVIF among them."""
_BRANDS = HEIC_BRANDS | HEIF_BRANDS | {b"avif", b"avis", b"mif2", b"miaf", b"j2ki", b"jpeg", b"crx "}
"""Of ISO media files that hold images: HEIF with pictures of any kind, Canon's raw files."""
_DIB_HEADERS = tuple(length.to_bytes(4, "little") for length in (40, 52, 56, 64, 108, 124))
"""A BMP without its file header begins with the length of the next one; then follow sides and one plane."""
_PNM = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*\d+\s+(?:#[^\n]*\n\s*)*\d+\s|P7\n(?:#[^\n]*\n)*WIDTH ")


def is_image(path: Path) -> bool:
    """Return True if a file begins as an image does; False also for what cannot be read."""
    try:
        with path.open("rb") as file:
            return begins_as_image(file.read(_LENGTH))
    except OSError:
        return False


def begins_as_image(head: bytes) -> bool:
    """Return True for the first bytes of an image, 512 of them or the whole file.

    The signatures are those of the formats' specifications. Two of them are letters that text can begin with
    too (BMP, PBM/PGM/PPM): there the header has to make sense as well.
    """
    return (
        head.startswith(_STARTS)
        or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")
        or (head[4:8] == b"ftyp" and head[8:12] in _BRANDS)
        or (head[:2] == b"BM" and head[6:10] == bytes(4) and len(head) > 18)
        or (head[:4] in _DIB_HEADERS and head[12:14] == b"\1\0")
        or _PNM.match(head) is not None
    )
