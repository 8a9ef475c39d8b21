"""Every mode and format to the RGB pixels that the rules promise, and damage to one kind of error."""

from __future__ import annotations

import io
import random
import resource
import struct
import subprocess
import sys
import time
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageDraw, ImageOps

from senet_cli.errors import ImageError
from senet_cli.images.coerce import as_rgb
from senet_cli.images.decode import FORMATS, decode, upright_rgb

Pixels = NDArray[np.uint8]

DEEP = [0, 128, 129, 256, 257, 385, 386, 1000, 32768, 65406, 65407, 65535]
"""16-bit values on both sides of where rounding changes."""
DEEP_8 = [0, 0, 1, 1, 1, 1, 2, 4, 128, 254, 255, 255]
"""The same values / 257, rounded."""


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


def gray(values: list[int]) -> list[list[int]]:
    return [[value] * 3 for value in values]


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


# --- modes --------------------------------------------------------------------------------------


def test_rgb_is_taken_as_it_is() -> None:
    image = photo_like()
    for format_name in ("PNG", "BMP", "TIFF", "PPM"):
        assert np.array_equal(rgb(encoded(image, format_name)), np.asarray(image)), format_name
    assert np.array_equal(rgb(encoded(image, "WEBP", lossless=True)), np.asarray(image))


def test_cmyk_tiff_has_the_colours_of_ink() -> None:
    ink = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0]]], np.uint8)
    data = encoded(Image.fromarray(ink, "CMYK"), "TIFF")
    expected = [[255, 255, 255], [0, 0, 0], [0, 255, 255], [255, 0, 255], [255, 255, 0]]
    assert rgb(data)[0].tolist() == expected


@pytest.mark.parametrize("format_name", ["JPEG", "TIFF"])
def test_cmyk_is_pillows_conversion(format_name: str) -> None:
    bands = [photo_like().getchannel(name) for name in "RGB"]
    image = Image.merge("CMYK", [*bands, bands[0].point(lambda value: value // 3)])
    data = encoded(image, format_name)
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.mode == "CMYK"
        expected = np.asarray(opened.convert("RGB"))
    assert expected.std() > 20
    assert np.array_equal(rgb(data), expected)


def test_cmyk_jpeg_is_not_inverted() -> None:
    white, black = (Image.new("CMYK", (16, 16), (0, 0, 0, key)) for key in (0, 255))
    assert rgb(encoded(white, "JPEG", quality=95)).min() > 250
    assert rgb(encoded(black, "JPEG", quality=95)).max() < 5


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_16_bit_gray_is_divided_by_257_and_rounded(format_name: str, mode: str) -> None:
    order = ">u2" if mode == "I;16B" else "<u2"
    image = Image.frombytes(mode, (len(DEEP), 1), np.array(DEEP, order).tobytes())
    data = encoded(image, format_name)
    if format_name == "TIFF":
        assert data.startswith(b"MM" if mode == "I;16B" else b"II")
    assert rgb(data)[0].tolist() == gray(DEEP_8)


def test_16_bit_gray_covers_the_whole_range_monotonously() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    result = rgb(encoded(Image.fromarray(values), "PNG"))[..., 0].reshape(-1)
    assert np.array_equal(result, np.floor(values.reshape(-1) / 257 + 0.5))


def test_16_bit_pgm() -> None:
    data = b"P5 12 1 65535\n" + np.array(DEEP, ">u2").tobytes()
    assert rgb(data)[0].tolist() == gray(DEEP_8)


def test_16_bit_gray_is_turned_too() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.array([DEEP], np.uint16))
    result = rgb(encoded(image, "PNG", exif=exif))
    assert result.shape == (len(DEEP), 1, 3)
    assert result[:, 0].tolist() == gray(DEEP_8)


def test_16_bit_colour_is_within_a_step() -> None:
    """Pillow itself brings 16-bit colour to 8 bits, by its upper byte."""
    row = b"\0" + np.array(DEEP, ">u2").tobytes()
    result = rgb(png((4, 1), 16, 2, row)).reshape(-1).astype(int)
    assert np.abs(result - DEEP_8).max() <= 1
    assert result[-1] == 255


def test_16_bit_gray_png_with_a_transparent_value_is_laid_over_white() -> None:
    row = b"\0" + struct.pack(">3H", 1000, 60000, 1000)
    data = png((3, 1), 16, 0, row, chunk(b"tRNS", struct.pack(">H", 1000)))
    assert rgb(data)[0].tolist() == gray([255, 233, 255])


def test_32_bit_integers_are_clipped_to_16() -> None:
    values = np.array([[-(2**31), -1, 0, 128, 129, 65407, 65535, 65536, 2**31 - 1]], np.int32)
    data = encoded(Image.fromarray(values), "TIFF")
    assert rgb(data)[0].tolist() == gray([0, 0, 0, 0, 1, 255, 255, 255, 255])


def test_floats_are_clipped_to_8_bits_and_nan_is_black() -> None:
    values = np.array([[np.nan, -np.inf, -3.5, 0, 7, 254, 255, 255.5, 1e30, np.inf]], np.float32)
    data = encoded(Image.fromarray(values), "TIFF")
    assert rgb(data)[0].tolist() == gray([0, 0, 0, 0, 7, 254, 255, 255, 255, 255])


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "BMP", "PPM"])
def test_one_bit(format_name: str) -> None:
    image = Image.frombytes("1", (8, 1), bytes([0b10110001]))
    expected = gray([255 * int(bit) for bit in "10110001"])
    assert rgb(encoded(image, format_name))[0].tolist() == expected


def test_one_bit_png_with_a_transparent_value() -> None:
    black_is_transparent = chunk(b"tRNS", struct.pack(">H", 0))
    assert rgb(png((8, 1), 1, 0, bytes([0, 0b10110001]), black_is_transparent)).min() == 255
    white_is_transparent = chunk(b"tRNS", struct.pack(">H", 1))
    result = rgb(png((8, 1), 1, 0, bytes([0, 0b10110001]), white_is_transparent))[0]
    assert result.tolist() == gray([255, 0, 255, 255, 0, 0, 0, 255])


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "BMP", "PPM"])
def test_gray(format_name: str) -> None:
    image = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
    result = rgb(encoded(image, format_name))
    assert np.array_equal(result, np.repeat(np.asarray(image)[..., None], 3, axis=2))


def test_gray_png_with_a_transparent_value() -> None:
    data = png((3, 1), 8, 0, bytes([0, 10, 200, 11]), chunk(b"tRNS", struct.pack(">H", 10)))
    assert rgb(data)[0].tolist() == gray([255, 200, 11])


@pytest.mark.parametrize("format_name", ["PNG", "TIFF", "WEBP"])
def test_rgba_is_laid_over_white_exactly(format_name: str) -> None:
    value, alpha = np.meshgrid(np.arange(256), np.arange(256))
    pixels = np.stack([value, 255 - value, value, alpha], -1).astype(np.uint8)
    options = {"lossless": True, "exact": True} if format_name == "WEBP" else {}
    result = rgb(encoded(Image.fromarray(pixels), format_name, **options))
    share = alpha[..., None] / 255
    assert np.array_equal(result, np.floor(pixels[..., :3] * share + 255 * (1 - share) + 0.5))


@pytest.mark.parametrize("format_name", ["PNG", "TIFF"])
def test_gray_with_alpha_is_laid_over_white_exactly(format_name: str) -> None:
    value, alpha = np.meshgrid(np.arange(256), np.arange(256))
    image = Image.merge("LA", [Image.fromarray(part.astype(np.uint8)) for part in (value, alpha)])
    result = rgb(encoded(image, format_name))
    expected = np.floor(value * (alpha / 255) + 255 * (1 - alpha / 255) + 0.5)
    assert np.array_equal(result, np.repeat(expected[..., None], 3, axis=2))


def palette_image() -> Image.Image:
    image = Image.new("P", (4, 1))
    image.putpalette([10, 20, 30, 200, 100, 50, 0, 0, 0, 255, 0, 255])
    image.putdata([0, 1, 2, 3])
    return image


PALETTE = [[10, 20, 30], [200, 100, 50], [0, 0, 0], [255, 0, 255]]


@pytest.mark.parametrize("format_name", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette_is_looked_up(format_name: str) -> None:
    assert rgb(encoded(palette_image(), format_name))[0].tolist() == PALETTE


@pytest.mark.parametrize("format_name", ["PNG", "GIF"])
def test_palette_with_a_transparent_index(format_name: str) -> None:
    result = rgb(encoded(palette_image(), format_name, transparency=2))[0]
    assert result.tolist() == [PALETTE[0], PALETTE[1], [255, 255, 255], PALETTE[3]]


def test_palette_with_half_transparent_entries() -> None:
    result = rgb(encoded(palette_image(), "PNG", transparency=bytes([255, 0, 51, 128])))[0]
    expected = [PALETTE[0], [255, 255, 255], [204, 204, 204], [255, 127, 255]]
    assert result.tolist() == expected


def test_palette_with_alpha() -> None:
    image = palette_image().convert("PA")
    image.putalpha(Image.frombytes("L", (4, 1), bytes([255, 0, 51, 128])))
    assert image.mode == "PA"
    expected = [PALETTE[0], [255, 255, 255], [204, 204, 204], [255, 127, 255]]
    assert np.asarray(upright_rgb(image))[0].tolist() == expected
    assert rgb(encoded(image, "TIFF"))[0].tolist() == expected


def test_rgb_png_with_a_transparent_colour() -> None:
    row = bytes([0, 10, 20, 30, 10, 20, 31, 200, 100, 50])
    data = png((3, 1), 8, 2, row, chunk(b"tRNS", struct.pack(">HHH", 10, 20, 30)))
    assert rgb(data)[0].tolist() == [[255, 255, 255], [10, 20, 31], [200, 100, 50]]


def test_lab() -> None:
    known = Image.frombytes("LAB", (3, 1), bytes([255, 0, 0, 0, 0, 0, 128, 0, 0]))
    white, black, middle = rgb(encoded(known, "TIFF"))[0].astype(int)
    assert white.min() >= 254
    assert black.max() <= 1
    assert middle.max() - middle.min() <= 2
    assert 115 <= middle[0] <= 123  # L* 50 is 119 in sRGB


def test_lab_is_pillows_conversion() -> None:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    to_lab = ImageCms.buildTransform(srgb, lab, "RGB", "LAB")
    image = ImageCms.applyTransform(photo_like(), to_lab)
    assert image is not None
    result = rgb(encoded(image, "TIFF"))
    assert np.array_equal(result, np.asarray(image.convert("RGB")))
    assert np.abs(result.astype(int) - np.asarray(photo_like())).mean() < 4


def test_ycbcr_tiff() -> None:
    image = photo_like().convert("YCbCr")
    assert np.array_equal(rgb(encoded(image, "TIFF")), np.asarray(image.convert("RGB")))


# --- orientation --------------------------------------------------------------------------------

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def oriented(format_name: str, orientation: int, image: Image.Image | None = None) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format_name == "WEBP" else {}
    return encoded(image or colours(), format_name, exif=exif, **options)


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """As the EXIF standard defines the orientation, without Pillow's own reading of the tag."""
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image


def test_the_picture_differs_in_all_orientations() -> None:
    seen = {upright(colours(), orientation).tobytes() for orientation in range(1, 9)}
    assert len(seen) == 8


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "TIFF"])
def test_orientation_is_applied(format_name: str, orientation: int) -> None:
    result = decoded(oriented(format_name, orientation))
    expected = upright(colours(), orientation)
    assert result.size == expected.size
    assert result.tobytes() == expected.tobytes()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_jpeg(orientation: int) -> None:
    data = oriented("JPEG", orientation)
    with Image.open(io.BytesIO(data)) as opened:
        expected = ImageOps.exif_transpose(opened)
        plain = upright(opened.copy(), orientation)
    result = decoded(data)
    assert result.tobytes() == expected.tobytes()
    assert result.tobytes() == plain.tobytes()
    assert result.size == ((8, 12) if orientation >= 5 else (12, 8))


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(orientation: int) -> None:
    assert decoded(oriented("PNG", orientation)).tobytes() == colours().tobytes()


@pytest.mark.parametrize(
    "exif",
    [
        b"Exif\0\0",
        b"Exif\0\0garbage that is no TIFF header",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x12\x01",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\xff\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\x05\0\0\0high\0\0\0\0",
    ],
)
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_broken_exif_does_not_lose_the_image(format_name: str, exif: bytes) -> None:
    options = {"lossless": True} if format_name == "WEBP" else {}
    bare = exif.removeprefix(b"Exif\0\0") if format_name == "WEBP" else exif
    data = encoded(colours(), format_name, exif=bare, **options)
    assert rgb(data).tobytes() == rgb(encoded(colours(), format_name, **options)).tobytes()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_an_opened_image_is_not_changed(format_name: str) -> None:
    with Image.open(io.BytesIO(oriented(format_name, 6))) as opened:
        before = opened.size, opened.mode, opened.copy().tobytes(), dict(opened.getexif()), dict(opened.info)
        result = upright_rgb(opened)
        after = opened.size, opened.mode, opened.copy().tobytes(), dict(opened.getexif()), dict(opened.info)
        assert after == before
        assert opened.getexif()[0x0112] == 6
        assert result.size == (8, 12)
        assert result.tobytes() == as_rgb(opened).tobytes() == decoded(oriented(format_name, 6)).tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F"])
def test_an_image_in_memory_is_not_changed(mode: str) -> None:
    source = colours().convert("P") if mode == "PA" else colours()
    image = source.convert(mode)
    image.info["mark"] = 7
    before = image.mode, image.tobytes(), dict(image.info)
    assert upright_rgb(image).mode == "RGB"
    assert (image.mode, image.tobytes(), dict(image.info)) == before


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

ALIENS = ["ICO", "PCX", "TGA", "SGI", "MSP", "XBM", "SPIDER", "EPS", "PDF", "JPEG2000", "DDS", "ICNS"]


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
    known = ["Avif", "Bmp", "Gif", "Jpeg", "Png", "Ppm", "Tiff", "WebP"]
    assert done.stdout.split() == [f"PIL.{name}ImagePlugin" for name in known]


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
    assert kind_of(png((2, 1), 8, 0, bytes(3), text)) == "decode"
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


@pytest.mark.parametrize("tag", [b"\x01\x28", b"\x02\x13"], ids=["resolution unit", "positioning"])
def test_an_odd_tag_does_not_keep_an_image_from_being_turned(tag: bytes) -> None:
    """Pillow's exif_transpose writes all tags anew, and fails at the odd one."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[int.from_bytes(tag)] = 1
    file = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(file, "JPEG", exif=exif)
    number, text = tag + b"\x00\x03", tag + b"\x00\x02"
    assert file.getvalue().count(number) == 1
    odd = file.getvalue().replace(number, text)
    assert decode(io.BytesIO(odd)).size == (20, 40)
