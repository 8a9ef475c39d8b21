"""The first frame of what is read; other formats are refused, and their plugins never run."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from senet_cli.images.decode import FORMATS
from tests.images.image_files import colours, decoded, encoded, kind_of, photo_like, rgb

# --- frames -------------------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_is_taken(format_name: str) -> None:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:]}
    if format_name == "WEBP":
        options["lossless"] = True
    data = encoded(frames[0], format_name, **options)
    with Image.open(io.BytesIO(data)) as opened:
        assert getattr(opened, "n_frames", 1) == 3
    assert np.array_equal(rgb(data), np.asarray(frames[0]))


def test_mpo_is_a_jpeg() -> None:
    second = colours(20, 10)
    data = encoded(colours(), "MPO", save_all=True, append_images=[second])
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.format == "MPO"
        expected = opened.convert("RGB").tobytes()
    result = decoded(data)
    assert result.size == (12, 8)
    assert result.tobytes() == expected


def test_the_content_counts_not_the_name() -> None:
    """A decoder never sees a name; an alien first byte sequence is not guessed around either."""
    assert kind_of(b"\0" + encoded(colours(), "PNG")) == "format"


# --- formats that are not read ------------------------------------------------------------------

ALIENS = ["ICO", "PCX", "TGA", "SGI", "MSP", "XBM", "SPIDER", "EPS", "PDF", "DDS", "ICNS"]


def alien(format_name: str) -> bytes:
    mode = {"MSP": "1", "XBM": "1", "SPIDER": "F"}.get(format_name, "RGB")
    return encoded(photo_like(64, 64).convert(mode), format_name)


HAND_MADE = {
    "PSD": b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 4, 4, 8, 3) + bytes(12 + 2 + 48),
    "QOI": b"qoif" + struct.pack(">II", 1, 1) + b"\x03\0" + b"\xfe\x0a\x14\x1e" + bytes(7) + b"\x01",
    "FITS": b"".join(
        card.ljust(80) for card in (b"SIMPLE  =                    T", b"BITPIX  =                    8")
    ),
    "FLI": struct.pack("<IHHHHHHI", 128, 0xAF11, 1, 8, 8, 8, 3, 0) + bytes(108),
    "WMF": b"\xd7\xcd\xc6\x9a\0\0" + bytes(40),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(40),
    "GRIB": b"GRIB\0\0\0\1" + bytes(40),
    "BUFR": b"BUFR" + bytes(40),
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
    "HTML": b"<!doctype html><title>404</title>",
    "ZIP": b"PK\x03\x04" + bytes(40),
    "text": "a.jpg\nb.jpg\nä\n".encode(),
    "NUL": b"\0",
    "blank": b" " * 4096,
}


@pytest.mark.parametrize("format_name", ALIENS)
def test_other_formats_are_refused(format_name: str) -> None:
    assert format_name not in FORMATS
    assert kind_of(alien(format_name)) == "format"


@pytest.mark.parametrize("name", HAND_MADE)
def test_other_files_are_refused(name: str) -> None:
    assert kind_of(HAND_MADE[name]) == "format"


def test_the_plugins_of_other_formats_do_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where something else loaded them all."""
    files = {name: alien(name) for name in ALIENS}
    Image.init()
    others = [name for name in Image.OPEN if name not in FORMATS]
    assert len(others) > 25

    def run(*_: object) -> Image.Image:
        raise AssertionError("a plugin ran that must not")

    for name in others:
        monkeypatch.setitem(Image.OPEN, name, (run, run))
    for data in [*files.values(), *HAND_MADE.values()]:
        assert kind_of(data) == "format"


def test_the_plugins_of_other_formats_are_not_even_imported() -> None:
    program = """
import io, sys
from senet_cli.errors import ImageError
from senet_cli.images.decode import decode

for line in sys.stdin:
    try:
        decode(io.BytesIO(bytes.fromhex(line)))
    except ImageError as error:
        assert error.kind == "format", error.kind
print(*sorted(name for name in sys.modules if name.startswith("PIL.") and name.endswith("Plugin")))
"""
    files = [alien("ICO"), alien("EPS"), alien("PDF"), HAND_MADE["PSD"], HAND_MADE["FITS"], HAND_MADE["QOI"]]
    done = subprocess.run(
        [sys.executable, "-c", program],
        input="\n".join(data.hex() for data in files),
        text=True,
        capture_output=True,
        check=True,
    )
    known = ["Avif", "Bmp", "Gif", "Jpeg2K", "Jpeg", "Png", "Ppm", "Tiff", "WebP"]
    assert done.stdout.split() == [f"PIL.{name}ImagePlugin" for name in known]
