"""Damage, bombs and random changes: an image or one kind of error, at once and in little memory."""

from __future__ import annotations

import random
import resource
import struct
import time
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from senet_cli.errors import ImageError
from tests.images.image_files import chunk, colours, decoded, encoded, kind_of, photo_like, png

# --- damage -------------------------------------------------------------------------------------


def test_an_empty_file() -> None:
    assert kind_of(b"") == "empty"


WHOLE: dict[str, bytes] = {
    "JPEG": encoded(photo_like(), "JPEG"),
    "progressive JPEG": encoded(photo_like(), "JPEG", progressive=True),
    "PNG": encoded(photo_like(), "PNG"),
    "WEBP": encoded(photo_like(), "WEBP"),
    "lossless WEBP": encoded(photo_like(), "WEBP", lossless=True),
    "AVIF": encoded(photo_like(), "AVIF"),
    "BMP": encoded(photo_like(), "BMP"),
    "GIF": encoded(photo_like(), "GIF"),
    "TIFF": encoded(photo_like(), "TIFF"),
    "LZW TIFF": encoded(photo_like(), "TIFF", compression="tiff_lzw"),
    "PPM": encoded(photo_like(), "PPM"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_the_whole_file_is_fine(name: str) -> None:
    assert decoded(WHOLE[name]).size == (64, 48)


@pytest.mark.parametrize("name", WHOLE)
def test_half_a_file_is_damaged(name: str) -> None:
    data = WHOLE[name]
    kind = kind_of(data[: len(data) // 2])
    expected = {"decode", "format"} if name == "AVIF" or "TIFF" in name else {"decode"}
    assert kind in expected  # where the directory lies behind the pixels, nothing tells a format any more


@pytest.mark.parametrize("name", WHOLE)
def test_a_few_bytes_are_no_image(name: str) -> None:
    for length in (1, 2, 3, 8, 12):
        assert kind_of(WHOLE[name][:length]) in {"format", "decode"}


def test_a_wrong_checksum_is_damage() -> None:
    data = bytearray(WHOLE["PNG"])
    data[data.index(b"IDAT") + 20] ^= 0xFF
    assert kind_of(bytes(data)) == "decode"


def test_the_message_says_what_is_wrong() -> None:
    with pytest.raises(ImageError, match=r"damaged image: .*truncated"):
        decoded(WHOLE["JPEG"][:-200])
    with pytest.raises(ImageError, match="JPEG, PNG, WEBP"):
        decoded(b"not an image")


# --- size ---------------------------------------------------------------------------------------

SIDE = 60_000


def jpeg_bomb() -> bytes:
    data = bytearray(WHOLE["JPEG"])
    at = data.index(b"\xff\xc0") + 5
    data[at : at + 4] = struct.pack(">HH", SIDE, SIDE)
    return bytes(data)


def tiff_bomb() -> bytes:
    entries = [
        (256, SIDE),
        (257, SIDE),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, SIDE),
        (279, 9),
    ]
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(entries)) + rows + bytes(4)


BOMBS = {
    "PNG": png((SIDE, SIDE), 8, 2, bytes(10)),
    "JPEG": jpeg_bomb(),
    "GIF": b"GIF89a"
    + struct.pack("<HH", SIDE, SIDE)
    + bytes([0x80, 0, 0])
    + bytes(6)
    + b","
    + struct.pack("<HHHH", 0, 0, SIDE, SIDE)
    + b"\0\2\2\x44\1\0;",
    "BMP": b"BM"
    + struct.pack("<IHHI", 60, 0, 0, 54)
    + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 24, *[0] * 6),
    "TIFF": tiff_bomb(),
    "PPM": b"P6 %d %d 255\n" % (SIDE, SIDE) + bytes(100),
    "PBM": b"P4 %d %d\n" % (SIDE, SIDE) + bytes(100),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_once(name: str) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.monotonic()
    assert kind_of(BOMBS[name]) == "too_large"
    assert time.monotonic() - begun < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 100_000  # KiB


def test_an_image_just_over_the_limit_is_refused_and_one_under_it_is_not() -> None:
    limit = 178_956_970
    assert kind_of(png((limit // 2 + 1, 2), 1, 0, bytes(10))) == "too_large"
    assert kind_of(png((limit // 2, 2), 1, 0, bytes(10))) == "decode"  # tried, and found truncated


def test_a_bomb_of_text_in_a_png() -> None:
    packed = zlib.compress(bytes(2**26), 9)
    text = chunk(b"zTXt", b"key\0\0" + packed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert decoded(png((2, 1), 8, 0, bytes(3), text)).size == (2, 1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 50_000  # KiB


# --- random damage ------------------------------------------------------------------------------


def seeds() -> list[bytes]:
    """Small files of all formats, modes and compressions."""
    image = photo_like(24, 18)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    frames: dict[str, Any] = {"save_all": True, "append_images": [colours(24, 18), image.rotate(90)]}
    alpha = image.convert("RGBA")
    alpha.putalpha(image.convert("L"))
    gray_16 = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return [
        encoded(image, "JPEG", exif=exif),
        encoded(image, "JPEG", progressive=True),
        encoded(image.convert("L"), "JPEG"),
        encoded(image.convert("CMYK"), "JPEG"),
        encoded(image, "MPO", **frames),
        encoded(image, "PNG", exif=exif),
        encoded(alpha, "PNG"),
        encoded(gray_16, "PNG"),
        encoded(image.convert("P"), "PNG", transparency=3),
        encoded(image, "PNG", **frames),
        encoded(image, "WEBP", exif=exif),
        encoded(alpha, "WEBP", lossless=True),
        encoded(image, "WEBP", **frames),
        encoded(image, "AVIF"),
        encoded(image, "BMP"),
        encoded(image.convert("P"), "BMP"),
        encoded(image, "GIF", **frames),
        encoded(image, "TIFF", exif=exif),
        encoded(gray_16, "TIFF"),
        encoded(image.convert("CMYK"), "TIFF", compression="tiff_lzw"),
        encoded(image.convert("1"), "TIFF", compression="group4"),
        encoded(image, "TIFF", compression="jpeg"),
        encoded(image, "PPM"),
        encoded(image.convert("F"), "TIFF"),
    ]


def damaged(data: bytes, dice: random.Random) -> bytes:
    """One to eight changes near the start, where headers are, or anywhere."""
    result = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 4, 8])):
        at = dice.randrange(min(len(result), dice.choice([64, 256, 10**6])) or 1)
        action = dice.randrange(6)
        if not result:
            break
        if action == 0:
            result[at] = dice.randrange(256)
        elif action == 1:
            result[at] ^= 1 << dice.randrange(8)
        elif action == 2:
            result[at : at + 4] = dice.choice([bytes(4), b"\xff" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\1"])
        elif action == 3:
            del result[at : at + dice.randrange(1, 16)]
        elif action == 4:
            result[at:at] = dice.randbytes(dice.randrange(1, 16))
        else:
            del result[at + 1 :]
    return bytes(result) or b"\0"


def test_random_damage_gives_an_image_or_an_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2**22)  # a header may come to ask for gigabytes
    dice = random.Random(20170905)
    outcomes = {"image": 0, "decode": 0, "format": 0, "too_large": 0}
    for number, seed in enumerate(seeds()):
        for attempt in range(150):
            data = damaged(seed, dice)
            begun = time.monotonic()
            try:
                image = decoded(data)
                assert image.size[0] > 0
                outcomes["image"] += 1
            except ImageError as error:
                outcomes[error.kind] += 1
            except Exception as error:  # noqa: BLE001 - whatever else comes out is the finding
                pytest.fail(f"seed {number}, attempt {attempt}: {error!r}; file {data.hex()}")
            assert time.monotonic() - begun < 3, f"seed {number}, attempt {attempt} took too long"
    capfd.readouterr()  # what libtiff prints
    assert min(outcomes["image"], outcomes["decode"], outcomes["format"]) > 500, outcomes
