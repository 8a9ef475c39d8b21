"""The memory of a large image is that of the formula in `decode`, and working in pieces changes no pixel."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from senet_cli.images import colours as conversion
from senet_cli.images.decode import BYTES_PER_PIXEL, PIECE_BYTES
from tests.images.image_files import Pixels, chunk, encoded, png, rgb

PIXELS = 4_000_000

PROGRAM = """
import sys
from senet_cli.images.decode import decode

def peak():
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith("VmHWM"))

with open(sys.argv[1], "rb") as file:  # imports, and what they allocate
    decode(file)
before = peak()
for path in sys.argv[2:]:
    with open(path, "rb") as file:
        print(decode(file).size[0], peak() - before)
"""


def large(depth: int, colour: int, row_bytes: int, *before: bytes) -> bytes:
    """A PNG of 4 megapixels, nearly all of one colour."""
    rows = bytes(range(256)) * 4 + bytes((row_bytes + 1) * 2000 - 1024)
    return png((2000, 2000), depth, colour, b"\0" + rows[1:], *before)


KINDS = {
    "gray and alpha": (8, 4, 4000, ()),
    "gray and alpha, turned": (
        8,
        4,
        6000,
        (chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\1\0\6\0\0\0\0\0\0"),),
    ),
    "colours and alpha": (8, 6, 8000, ()),
    "gray of 16 bits": (16, 0, 4000, ()),
    "a transparent colour of 16 bits": (16, 2, 12000, (chunk(b"tRNS", struct.pack(">3H", 1, 2, 3)),)),
    "half transparent palette": (8, 3, 2000, (chunk(b"PLTE", bytes(768)), chunk(b"tRNS", b"\x80"))),
}


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is counted in other ways elsewhere")
def test_the_peak_is_that_of_the_formula(tmp_path: Path) -> None:
    (tmp_path / "small.png").write_bytes(png((1, 1), 8, 0, b"\0\0"))
    for name, (depth, colour, row_bytes, before) in KINDS.items():
        (tmp_path / name).write_bytes(large(depth, colour, row_bytes, *before))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "small.png", *KINDS],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [list(map(int, line.split())) for line in done.stdout.splitlines()]
    assert [width for width, _ in lines] == [2000] * len(KINDS)
    peaks = dict(zip(KINDS, (peak for _, peak in lines), strict=True))
    over = {name: peak for name, peak in peaks.items() if peak > BYTES_PER_PIXEL * PIXELS + PIECE_BYTES}
    assert over == {}
    assert min(peaks.values()) > 5 * PIXELS  # it is measured at all


# --- piece by piece -----------------------------------------------------------------------------


def some(bands: int, width: int = 53, height: int = 31) -> Pixels:
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    parts = [(across * (7 + 3 * band) + down * (13 + 5 * band)) % 256 for band in range(bands)]
    return np.stack(parts, -1).astype(np.uint8)


def files() -> dict[str, bytes]:
    palette = Image.fromarray(some(3)).quantize(32)
    deep = some(2).view(np.uint16)[..., 0]
    colour = np.stack([deep, deep, deep], -1)
    key = chunk(b"tRNS", struct.pack(">3H", *[int(deep[3, 5])] * 3))
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colour)
    return {
        "LA": encoded(Image.fromarray(some(2), "LA"), "PNG"),
        "RGBA": encoded(Image.fromarray(some(4), "RGBA"), "PNG"),
        "P, an index": encoded(palette, "PNG", transparency=3),
        "P, many": encoded(palette, "PNG", transparency=bytes(range(0, 256, 8))),
        "L, a value": encoded(Image.fromarray(some(1)[..., 0]), "PNG", transparency=7),
        "RGB, a colour": encoded(
            Image.fromarray(some(3)), "PNG", transparency=tuple(map(int, some(3)[3, 5]))
        ),
        "RGB of 16 bits, a colour": png((53, 31), 16, 2, rows, key),
        "I;16": encoded(Image.fromarray(deep), "PNG"),
        "I": encoded(Image.fromarray(deep.astype(np.int32) * 3), "TIFF"),
        "F": encoded(Image.fromarray(deep.astype(np.float32) / 100), "TIFF"),
        "P of a GIF": encoded(palette, "GIF", transparency=2),
    }


def test_pieces_are_the_same_as_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = {name: rgb(data) for name, data in files().items()}
    for size in (40, 53, 54):
        monkeypatch.setattr(conversion, "_PIECE", size)
        for name, data in files().items():
            assert np.array_equal(rgb(data), whole[name]), (name, size)
