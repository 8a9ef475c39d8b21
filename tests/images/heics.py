"""HEIC files by hand (ISO/IEC 23008-12 and 14496-12), since what reads them does not write them."""

from __future__ import annotations

import struct

from PIL import Image, ImageDraw

HVCC = bytes.fromhex(
    "0103700000009000000000001ef000fcfdf8f800000f03600001001840010c01ffff03700000030090000003000003001eba02"
    "40610001002b42010103700000030090000003000003001ea010204165ba924a6b9b808683020000030032000003000210620001"
    "00074401c172b02240"
)
PIXELS = bytes.fromhex(
    "000000372801af0860f9abeda7fffa0721fd8cf21e285a4eaffcacfa7bfa49fe4716bb7cff26979fca81ddfb76217986561a7f8"
    "c96d435abc32958"
)
"""`picture()` in HEVC, one intra picture of 128 x 64."""


def picture() -> Image.Image:
    image = Image.new("RGB", (128, 64), (250, 240, 10))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 63, 31), fill=(200, 20, 30))
    draw.rectangle((64, 0, 127, 31), fill=(20, 160, 40))
    draw.rectangle((0, 32, 31, 63), fill=(30, 40, 220))
    return image


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def full(name: bytes, *parts: bytes, version: int = 0) -> bytes:
    return box(name, bytes([version, 0, 0, 0]), *parts)


def heic(
    *,
    irot: int | None = None,
    imir: int | None = None,
    exif: bytes | None = None,
    brand: bytes = b"heic",
    size: tuple[int, int] = (128, 64),
) -> bytes:
    """A file that holds the picture.

    Args:
        irot: quarters to turn it anti-clockwise.
        imir: 0 to exchange top and bottom, 1 left and right.
        exif: as a TIFF, in an item of its own.
        brand: the major one.
        size: that is told.
    """
    properties = [box(b"hvcC", HVCC), full(b"ispe", struct.pack(">II", *size))]
    if irot is not None:
        properties.append(box(b"irot", bytes([irot])))
    if imir is not None:
        properties.append(box(b"imir", bytes([imir])))
    numbers = bytes(0x80 * (n in (0, 2, 3)) | n + 1 for n in range(len(properties)))
    items = [full(b"infe", struct.pack(">HH4s", 1, 0, b"hvc1"), b"\0", version=2)]
    data = [PIXELS]
    links = b""
    if exif is not None:
        items.append(full(b"infe", struct.pack(">HH4s", 2, 0, b"Exif"), b"\0", version=2))
        data.append(struct.pack(">I", 0) + exif)
        links = full(b"iref", box(b"cdsc", struct.pack(">HHH", 2, 1, 1)))
    start = box(b"ftyp", brand, bytes(4), b"mif1heic")

    def meta(offset: int) -> bytes:
        places = b""
        for number, part in enumerate(data, start=1):
            places += struct.pack(">HHHII", number, 0, 1, offset, len(part))
            offset += len(part)
        return full(
            b"meta",
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iloc", b"\x44\0", struct.pack(">H", len(data)), places),
            full(b"iinf", struct.pack(">H", len(items)), *items),
            links,
            box(
                b"iprp",
                box(b"ipco", *properties),
                full(b"ipma", struct.pack(">IHB", 1, 1, len(properties)), numbers),
            ),
        )

    offset = len(start) + len(meta(0)) + 8
    return start + meta(offset) + box(b"mdat", *data)
