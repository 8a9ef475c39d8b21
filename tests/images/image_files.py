"""What the tests of decoding share: pictures, files of them, and what `decode` makes of a file."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from senet_cli.errors import ImageError
from senet_cli.images.decode import decode

Pixels = NDArray[np.uint8]


def encoded(image: Image.Image, format_name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> Image.Image:
    """What `decode` makes of the bytes, with Pillow's warnings off as in the command."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        image = decode(io.BytesIO(data))
    assert image.mode == "RGB"
    return image


def rgb(data: bytes) -> Pixels:
    return np.asarray(decoded(data))


def kind_of(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decoded(data)
    assert caught.value.message
    return caught.value.kind


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(size: tuple[int, int], depth: int, colour: int, rows: bytes, *before: bytes) -> bytes:
    """A PNG by hand: Pillow does not write all that it reads. `rows` include the filter bytes."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    body = header + b"".join(before) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def colours(width: int = 12, height: int = 8) -> Image.Image:
    """A picture that differs from each of its mirror images and turns."""
    image = Image.new("RGB", (width, height), (250, 240, 10))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), (200, 20, 30))
    draw.rectangle((width // 2, 0, width, height // 2 - 1), (20, 160, 40))
    draw.rectangle((0, height // 2, width // 4, height), (30, 40, 220))
    return image


def photo_like(width: int = 64, height: int = 48) -> Image.Image:
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    channels = [across * 255 // width, down * 255 // height, (across * down) % 256]
    return Image.fromarray(np.stack(channels, -1).astype(np.uint8))
