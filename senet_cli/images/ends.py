"""Whether bytes hold another image behind the first, as `cat a.jpg b.jpg` makes them."""

from __future__ import annotations

_PNG, _JPEG, _GIF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", (b"GIF87a", b"GIF89a")
_STARTS = (_PNG, _JPEG, *_GIF, b"BM", b"RIFF", b"II*\0", b"MM\0*", b"II+\0")
_BOXES = b"ftyp"


def holds_another(data: bytes) -> bool:
    """Return True if an image begins where the first one ends.

    The end is known of PNG, JPEG, GIF, WebP, BMP, AVIF and HEIC; a TIFF or PNM has none. A JPEG that says it
    holds several pictures (MPO) is one image.
    """
    end = _end(data)
    if end is None or end >= len(data):
        return False
    rest = data[end : end + 12].lstrip(b"\r\n")
    return rest.startswith(_STARTS) or rest[4:8] == _BOXES


def _end(data: bytes) -> int | None:
    if data.startswith(_PNG):
        return _end_of_png(data)
    if data.startswith(_JPEG):
        return _end_of_jpeg(data)
    if data.startswith(_GIF):
        return _end_of_gif(data)
    if data.startswith(b"RIFF") and len(data) > 8:
        size = int.from_bytes(data[4:8], "little")
        return 8 + size + size % 2
    if data.startswith(b"BM") and len(data) > 6:
        return int.from_bytes(data[2:6], "little") or None
    return _end_of_boxes(data) if data[4:8] == _BOXES else None


def _end_of_png(data: bytes) -> int | None:
    place = len(_PNG)
    while place + 8 <= len(data):
        length = int.from_bytes(data[place : place + 4])
        name = data[place + 4 : place + 8]
        place += 12 + length
        if name == b"IEND":
            return place
    return None


def _end_of_jpeg(data: bytes) -> int | None:
    """Behind the mark EOI; marks within the pixels are stuffed (T.81, section B.1.1.5)."""
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        mark = data[place + 1]
        if mark == 0xD9:
            return place + 2
        if mark == 0xFF:
            place += 1
            continue
        length = int.from_bytes(data[place + 2 : place + 4])
        if mark == 0xE2 and data[place + 4 : place + 8] == b"MPF\0":
            return None
        place += 2 + length
        if mark == 0xDA:
            place = data.find(b"\xff", place)
            while 0 <= place < len(data) - 1 and (data[place + 1] == 0 or 0xD0 <= data[place + 1] <= 0xD7):
                place = data.find(b"\xff", place + 2)
            if place < 0:
                return None
    return place + 2 if data[place : place + 2] == b"\xff\xd9" else None


def _end_of_gif(data: bytes) -> int | None:
    """Behind the trailer (GIF89a, section 27)."""
    if len(data) < 13:
        return None
    place = 13 + _table(data[10])
    while place < len(data):
        block = data[place]
        if block == 0x3B:
            return place + 1
        if block == 0x21:
            place += 2
        elif block == 0x2C and place + 10 < len(data):
            place += 10 + _table(data[place + 9]) + 1
        else:
            return None
        while place < len(data) and data[place]:
            place += 1 + data[place]
        place += 1
    return None


def _table(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _end_of_boxes(data: bytes) -> int | None:
    """Before the next `ftyp`, which a file has only one of (ISO/IEC 14496-12, section 4.3)."""
    place, first = 0, True
    while place + 8 <= len(data):
        size, name = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        if name == _BOXES and not first:
            return place
        first = False
        if size == 1 and place + 16 <= len(data):
            size = int.from_bytes(data[place + 8 : place + 16])
        if size < 8:  # to the end
            return None
        if not name.isalnum():
            return place
        place += size
    return None
