"""What Pillow does not do for TIFF files: gray and colours of any depth, in either byte order.

Tags and samples are as in TIFF 6.0. Pillow (and libtiff in it) still takes the strips or tiles out of their
compression: it is given them as a file of bytes without a depth, and what the bytes mean is worked out here.
"""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from senet_cli.images.orientation import ORIENTATION

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_COUNTS, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS, _EXTRA, _FORMAT = 322, 323, 324, 325, 338, 339

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_UNSIGNED, _SIGNED, _UNDEFINED = 1, 2, 4
_LOSSLESS = (1, 5, 8, 32773, 32946, 34925, 50000)
"""Compressions of bytes, whatever they mean: none, LZW, Deflate (two numbers), PackBits, LZMA, Zstandard."""
_HORIZONTAL = 2
_MAX_BITS = 32
_PIECE = 2**22
"""Bytes of samples to work on at a time."""


@dataclass(frozen=True, slots=True)
class Depth:
    """What the numbers of a gray or colour sample mean.

    Args:
        bits: of a sample, 1..32.
        signed: True for numbers with a sign, which are taken as 0..65535.
        white_is_zero: True where 0 is white.
        swapped: True where Pillow took the bytes of a number in the wrong order.
    """

    bits: int = 16
    signed: bool = False
    white_is_zero: bool = False
    swapped: bool = False

    def numbers(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Take the pixels of an image of Pillow's modes I;16, I or F for what they are."""
        if pixels.dtype == np.int32 and not self.signed:
            pixels = pixels.view(np.uint32)  # Pillow has no mode for them
        if not self.swapped:
            return pixels
        return (pixels.astype(np.int16) if self.bits == 16 else pixels).byteswap()

    def to_8_bits(self, samples: NDArray[Any]) -> NDArray[np.uint8]:
        """Scale integers of any type so that the largest of the depth is 255, rounding to the nearest."""
        if self.signed:
            values, top = samples.clip(0, 65535), 65535
        else:
            values, top = samples, 2**self.bits - 1
        if top <= 65535:
            table = ((np.arange(top + 1) * 255 + top // 2) // top).astype(np.uint8)
            gray: NDArray[np.uint8] = table[values]
        else:
            gray = ((values.astype(np.uint64) * 255 + top // 2) // top).astype(np.uint8)
        return 255 - gray if self.white_is_zero else gray


def depth_of(image: Image.Image) -> Depth:
    """Tell the depth of an opened image of gray integers: a TIFF says it, of others Pillow makes 16 bits."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return Depth(signed=image.mode == "I")
    bits, sign = _first(image.tag_v2, _BITS, 1), _first(image.tag_v2, _FORMAT, _UNSIGNED)
    white = image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO
    # libtiff gives the machine's byte order, Pillow 13 counts with the file's
    other = image.tag_v2.prefix != (b"II" if sys.byteorder == "little" else b"MM")
    compressed = image.tag_v2.get(_COMPRESSION, 1) != 1
    unsigned = image.mode == "I" and sign == _UNSIGNED
    swapped = other and compressed and image.mode in ("I", "F") and not unsigned
    return Depth(bits, sign == _SIGNED, white, swapped)


# --- files that Pillow does not read ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Samples:
    """Where a TIFF's samples lie.

    Args:
        depth: what they mean.
        size: (width, height) in pixels.
        each: samples of a pixel: 1 or 3.
        block: (width, height) in pixels of a strip or tile.
        places: (offset, bytes) of all strips or tiles, row by row.
        big_endian: True where the byte order is Motorola's.
        compression, fill_order, predictor: as the tags.
        orientation: that of the tag, or None.
    """

    depth: Depth
    size: tuple[int, int]
    each: int
    block: tuple[int, int]
    places: Sequence[tuple[int, int]]
    big_endian: bool
    compression: int
    fill_order: int
    predictor: int
    orientation: object

    @property
    def across(self) -> int:
        """Strips or tiles beside each other."""
        return -(-self.size[0] // self.block[0])

    @property
    def block_bytes(self) -> int:
        """Bytes of a row of a strip or tile; rows begin on whole bytes."""
        return -(-self.block[0] * self.each * self.depth.bits // 8)


def find_samples(file: BinaryIO) -> Samples | None:
    """Find the samples of the first image of a TIFF; None: they are of a kind that is not read here.

    Raises:
        OSError, SyntaxError, struct.error, KeyError, TypeError, ValueError: the file is damaged.
        Image.DecompressionBombError: it has more pixels than Pillow reads.
    """
    file.seek(0)
    header = file.read(8)
    if not header.startswith(tuple(TiffImagePlugin.PREFIXES)):
        return None
    if header[2] == 43:  # BigTIFF; Pillow does not know it in Motorola's byte order
        header += file.read(8)
    tags = TiffImagePlugin.ImageFileDirectory_v2(header)
    file.seek(tags.next)
    tags.load(file)
    each, photometric = _first(tags, _SAMPLES, 1), tags.get(_PHOTOMETRIC, _BLACK_IS_ZERO)
    bits, kind = tags.get(_BITS, (1,)), _first(tags, _FORMAT, _UNSIGNED)
    plain = _EXTRA not in tags and (each == 1 or tags.get(_PLANAR, 1) == 1)
    known = (each, photometric) in ((1, _WHITE_IS_ZERO), (1, _BLACK_IS_ZERO), (3, _RGB))
    whole = kind in (_UNSIGNED, _UNDEFINED) or (kind == _SIGNED and bits[0] in (8, 16, 32))
    if not (plain and known and whole and len(set(bits)) == 1 and 1 <= bits[0] <= _MAX_BITS):
        return None
    found = Samples(
        Depth(bits[0], signed=kind == _SIGNED, white_is_zero=photometric == _WHITE_IS_ZERO),
        _checked_size(tags[_WIDTH], tags[_LENGTH]),
        each,
        *_blocks(tags),
        big_endian=tags.prefix == b"MM",
        compression=tags.get(_COMPRESSION, 1),
        fill_order=tags.get(_FILL_ORDER, 1),
        predictor=tags.get(_PREDICTOR, 1),
        orientation=tags.get(ORIENTATION),
    )
    undone = found.predictor == 1 or (found.predictor == _HORIZONTAL and bits[0] in (8, 16, 32))
    return found if found.compression in _LOSSLESS and undone else None


def _first(tags: Any, tag: int, default: int) -> int:
    value = tags.get(tag, default)
    return int(value[0] if isinstance(value, tuple) else value)


def _checked_size(width: int, height: int) -> tuple[int, int]:
    limit = Image.MAX_IMAGE_PIXELS
    if width < 1 or height < 1:
        raise ValueError(f"an image of {width} x {height} pixels")
    if limit is not None and width * height > 2 * limit:
        raise Image.DecompressionBombError(
            f"Image size ({width * height} pixels) exceeds limit of {2 * limit} pixels, "
            "could be decompression bomb DOS attack."
        )
    return width, height


def _blocks(tags: Any) -> tuple[tuple[int, int], Sequence[tuple[int, int]]]:
    """(width, height) of a strip or tile, and (offset, bytes) of all."""
    if _TILE_OFFSETS in tags:
        block = tags[_TILE_WIDTH], tags[_TILE_LENGTH]
        offsets, counts = tags[_TILE_OFFSETS], tags[_TILE_COUNTS]
    else:
        block = tags[_WIDTH], min(tags.get(_ROWS_PER_STRIP, tags[_LENGTH]), tags[_LENGTH])
        offsets, counts = tags[_STRIP_OFFSETS], tags[_STRIP_COUNTS]
    if min(block) < 1:
        raise ValueError(f"strips or tiles of {block[0]} x {block[1]} pixels")
    return block, list(zip(offsets, counts, strict=True))


def read_8_bits(file: BinaryIO, found: Samples) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Read the samples of a TIFF, some rows at a time.

    Yields:
        The number of the first row, and uint8 (rows, width) or (rows, width, 3).

    Raises:
        ValueError, OSError: the file is damaged.
    """
    (width, height), (_, block_height) = found.size, found.block
    if len(found.places) < found.across * -(-height // block_height):
        raise ValueError("strips or tiles are missing")
    row_bytes = found.across * found.block_bytes
    blocks_at_once = max(1, _PIECE // (row_bytes * block_height))
    rows_at_once = max(1, _PIECE // row_bytes)
    for first in range(0, height, blocks_at_once * block_height):
        rows = min(blocks_at_once * block_height, height - first)
        begin = first // block_height * found.across
        end = begin + -(-rows // block_height) * found.across
        data = _decompressed(file, found, found.places[begin:end], rows)
        for top in range(0, rows, rows_at_once):
            gray = found.depth.to_8_bits(_samples(data[top : top + rows_at_once], found)[:, :width])
            yield first + top, gray[..., 0] if found.each == 1 else gray


def _decompressed(
    file: BinaryIO, found: Samples, places: Sequence[tuple[int, int]], rows: int
) -> NDArray[np.uint8]:
    """Rows of strips or tiles as bytes (rows, across * block_bytes), by way of a TIFF of 8-bit gray."""
    body, offsets = bytearray(8), []
    for offset, count in places:
        file.seek(offset)
        offsets.append(len(body))
        body += file.read(count)
    tiled = found.across > 1 or found.block[0] != found.size[0]
    place = (_TILE_OFFSETS, _TILE_COUNTS) if tiled else (_STRIP_OFFSETS, _STRIP_COUNTS)
    tags = {
        _WIDTH: [found.across * found.block_bytes],
        _LENGTH: [rows],
        _BITS: [8],
        _COMPRESSION: [found.compression],
        _PHOTOMETRIC: [_BLACK_IS_ZERO],
        _FILL_ORDER: [found.fill_order],
        _SAMPLES: [1],
        place[0]: offsets,
        place[1]: [count for _, count in places],
    }
    if tiled:
        tags |= {_TILE_WIDTH: [found.block_bytes], _TILE_LENGTH: [found.block[1]]}
    else:
        tags[_ROWS_PER_STRIP] = [found.block[1]]
    order = ">" if found.big_endian else "<"
    body[:8] = (b"MM" if found.big_endian else b"II") + struct.pack(f"{order}HI", 42, len(body))
    body += _directory(tags, len(body), order)
    with Image.open(io.BytesIO(body), formats=("TIFF",)) as image:
        return np.asarray(image)


def _directory(tags: dict[int, list[int]], offset: int, order: str) -> bytes:
    """Write a directory for `offset`, all of LONG numbers; those that do not fit into it follow it."""
    entries, behind = b"", b""
    start = offset + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            behind += packed
            packed = struct.pack(f"{order}I", start + len(behind) - len(packed))
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + packed
    return struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind


def _samples(rows: NDArray[np.uint8], found: Samples) -> NDArray[Any]:
    """Rows of bytes as numbers (rows, across * block width, samples)."""
    bits = found.depth.bits
    blocks = rows.reshape(len(rows), found.across, found.block_bytes)
    count = found.block[0] * found.each
    if bits in (8, 16, 32):
        order = ">" if found.big_endian else "<"
        kind = "i" if found.depth.signed else "u"
        numbers: NDArray[Any] = np.ascontiguousarray(blocks).view(f"{order}{kind}{bits // 8}")
    elif bits == 24:
        order_of_bytes = (16, 8, 0) if found.big_endian else (0, 8, 16)
        parts = blocks.reshape(*blocks.shape[:2], count, 3).astype(np.uint32)
        numbers = sum(parts[..., n] << shift for n, shift in enumerate(order_of_bytes))  # type: ignore[assignment]
    else:
        # most significant bit first, whatever the byte order
        ones = np.unpackbits(blocks, axis=2)[..., : count * bits].reshape(*blocks.shape[:2], count, bits)
        numbers = np.zeros(ones.shape[:3], np.uint32)
        for bit in range(bits):
            numbers = (numbers << 1) | ones[..., bit]
    pixels = numbers.reshape(len(rows), found.across, found.block[0], found.each)
    if found.predictor == _HORIZONTAL:
        pixels = np.cumsum(pixels, axis=2, dtype=numbers.dtype)  # wraps around as the differences did
    return pixels.reshape(len(rows), -1, found.each)
