"""TIFF files by hand: Pillow writes few of the depths that it is given to read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NONE, LZW, DEFLATE, PACK_BITS = 1, 5, 8, 32773
UNSIGNED, SIGNED, FLOAT, UNDEFINED = 1, 2, 3, 4


@dataclass(frozen=True)
class Tiff:
    """How samples are written.

    Args:
        bits: of a sample.
        big: True for Motorola's byte order.
        photometric: 0 WhiteIsZero, 1 BlackIsZero, 2 RGB.
        compression: one of the constants.
        tile: (width, height) of tiles, None for strips.
        rows: of a strip.
        kind: SampleFormat.
        predictor: 2 for horizontal differences.
        fill_order: 2 for the least significant bit first.
        orientation: that of the tag.
        wide: True for BigTIFF.
    """

    bits: int = 8
    big: bool = False
    photometric: int = 1
    compression: int = NONE
    tile: tuple[int, int] | None = None
    rows: int = 3
    kind: int = UNSIGNED
    predictor: int = 1
    fill_order: int = 1
    orientation: int | None = None
    wide: bool = False


def tiff(samples: NDArray[np.generic] | Sequence[object], how: Tiff, **more: list[int]) -> bytes:
    """A file of samples (height, width) or (height, width, 3)."""
    pixels = np.asarray(samples)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    height, width, each = pixels.shape
    block_width, block_height = how.tile or (width, how.rows)
    pack = PACKERS[how.compression]
    blocks = []
    for top in range(0, height, block_height):
        for left in range(0, width, block_width):
            block = pixels[top : top + block_height, left : left + block_width]
            if how.tile:
                block = np.pad(
                    block, ((0, block_height - len(block)), (0, block_width - block.shape[1]), (0, 0))
                )
            data = b"".join(packed(row, how) for row in block)
            blocks.append(pack(data))
    if how.fill_order == 2:
        blocks = [reversed_bits(block) for block in blocks]
    tags = {
        256: [width],
        257: [height],
        258: [how.bits] * each,
        259: [how.compression],
        262: [how.photometric],
        266: [how.fill_order],
        277: [each],
        317: [how.predictor],
        339: [how.kind] * each,
    }
    if how.orientation:
        tags[274] = [how.orientation]
    if how.tile:
        tags |= {322: [block_width], 323: [block_height]}
    else:
        tags[278] = [block_height]
    return file_of(tags | {int(tag[1:]): value for tag, value in more.items()}, blocks, how)


def file_of(tags: dict[int, list[int]], blocks: list[bytes], how: Tiff) -> bytes:
    order, head = (">", b"MM") if how.big else ("<", b"II")
    # TIFF 6.0, section 2; BigTIFF has 8-byte offsets and counts
    if how.wide:
        body = head + struct.pack(f"{order}HHHQ", 43, 8, 0, 0)
    else:
        body = head + struct.pack(f"{order}HI", 42, 0)
    offsets = []
    for block in blocks:
        offsets.append(len(body))
        body += block + bytes(len(block) % 2)
    places = (324, 325) if how.tile else (273, 279)
    tags = tags | {places[0]: offsets, places[1]: [len(block) for block in blocks]}
    count, entry, number, kind, room = ("Q", "HHQ", "Q", 16, 8) if how.wide else ("H", "HHI", "I", 4, 4)
    start = len(body)
    behind = start + struct.calcsize("<" + count) + len(tags) * (4 + 2 * room) + room
    directory, rest = struct.pack(order + count, len(tags)), b""
    for tag, values in sorted(tags.items()):
        data = struct.pack(f"{order}{len(values)}{number}", *values)
        if len(values) > 1:
            rest += data
            data = struct.pack(order + number, behind + len(rest) - len(data))
        directory += struct.pack(order + entry, tag, kind, len(values)) + data
    where = struct.pack(order + number, start)
    body = body[:8] + where + body[16:] if how.wide else body[:4] + where + body[8:]
    return body + directory + bytes(room) + rest


def packed(row: NDArray[np.generic], how: Tiff) -> bytes:
    """A row (width, samples) as bits, the most significant first; whole bytes in the file's order."""
    if how.kind == FLOAT:
        return row.astype(">f4" if how.big else "<f4").tobytes()
    values = row.astype(np.int64)
    if how.predictor == 2:
        values = np.diff(values, axis=0, prepend=np.zeros_like(values[:1]))
    values = values & (2**how.bits - 1)
    if how.bits % 8 == 0:
        size = how.bits // 8
        return b"".join(int(value).to_bytes(size, "big" if how.big else "little") for value in values.flat)
    text = "".join(f"{int(value):0{how.bits}b}" for value in values.flat)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def reversed_bits(data: bytes) -> bytes:
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)


def raw(data: bytes) -> bytes:
    return data


def pack_bits(data: bytes) -> bytes:
    """TIFF 6.0, section 9; literal runs, and one that repeats where a byte does."""
    result = b""
    while data:
        run = len(data) - len(data.lstrip(data[:1]))
        if run > 2:
            run = min(run, 128)
            result += bytes([257 - run]) + data[:1]
        else:
            run = min(len(data), 128, 2)
            result += bytes([run - 1]) + data[:run]
        data = data[run:]
    return result


def lzw(data: bytes) -> bytes:
    """TIFF 6.0, section 13, without ever looking back: the table is cleared before codes grow to 10 bits."""
    codes = []
    for start in range(0, len(data), 200):
        codes += [256, *data[start : start + 200]]
    text = "".join(f"{code:09b}" for code in [*codes, 257])
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


PACKERS: dict[int, Callable[[bytes], bytes]] = {
    NONE: raw,
    LZW: lzw,
    DEFLATE: zlib.compress,
    PACK_BITS: pack_bits,
}
