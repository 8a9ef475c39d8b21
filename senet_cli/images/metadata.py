"""Files without their metadata, for those whose pixels are good and whose metadata Pillow stumbles over."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from senet_cli.images.png import without_ancillary

_START, _SCAN = b"\xff\xd8", 0xDA
_APP1, _ADOBE = 0xE1, 0xEE
_ADOBE_LENGTH = 14
"""Bytes of Adobe's segment, which says how colours are to be read (T.872, section 6.5.3), with its length."""


def without_metadata(file: BinaryIO) -> BinaryIO | None:
    """Copy a PNG, JPEG or AVIF without what is neither pixels nor says how to show them.

    Returns:
        The copy; None where there is nothing to leave out, or for other formats.
    """
    file.seek(0)
    head = file.read(12)
    if head.startswith(_START):
        return _jpeg(file)
    if head[4:8] == b"ftyp":
        return _avif(file)
    return without_ancillary(file)


def _jpeg(file: BinaryIO) -> BinaryIO | None:
    """Without the segments of applications, but EXIF and a sound one of Adobe's, and without comments."""
    file.seek(0)
    data = file.read()
    copy = io.BytesIO()
    copy.write(_START)
    place = len(_START)
    while data[place : place + 1] == b"\xff" and len(data) > place + 4:
        marker = data[place + 1]
        (length,) = struct.unpack_from(">H", data, place + 2)
        body = data[place + 4 : place + 2 + length]
        if marker == _SCAN:
            break
        wanted = (
            (marker == _APP1 and body.startswith(b"Exif"))
            or (marker == _ADOBE and body.startswith(b"Adobe") and length >= _ADOBE_LENGTH)
            or not (0xE0 <= marker <= 0xEF or marker == 0xFE)
        )
        if wanted:
            copy.write(data[place : place + 2 + length])
        place += 2 + length
    copy.write(data[place:])
    return _rewound(copy, len(data))


def _avif(file: BinaryIO) -> BinaryIO | None:
    """With its EXIF under a name that nobody knows: which way up it is, `irot` and `imir` say."""
    file.seek(0)
    data = bytearray(file.read())
    place, found = data.find(b"infe"), False
    while place >= 0:
        # ItemInfoEntry of ISO/IEC 14496-12, 8.11.6: version, flags, a number of 2 or 4 bytes, 2 bytes, type
        kind = place + 8 + (2 if data[place + 4 : place + 5] == b"\2" else 4) + 2
        if data[kind : kind + 4] == b"Exif":
            data[kind : kind + 4] = b"skip"
            found = True
        place = data.find(b"infe", place + 4)
    return io.BytesIO(data) if found else None


def _rewound(copy: io.BytesIO, before: int) -> BinaryIO | None:
    if copy.tell() == before:
        return None
    copy.seek(0)
    return copy
