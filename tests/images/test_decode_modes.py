"""Every mode and depth to the RGB pixels that the rules promise."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from senet_cli.images.decode import upright_rgb
from tests.images.image_files import chunk, encoded, photo_like, png, rgb

DEEP = [0, 128, 129, 256, 257, 385, 386, 1000, 32768, 65406, 65407, 65535]
"""16-bit values on both sides of where rounding changes."""
DEEP_8 = [0, 0, 1, 1, 1, 1, 2, 4, 128, 254, 255, 255]
"""The same values / 257, rounded."""


def gray(values: list[int]) -> list[list[int]]:
    return [[value] * 3 for value in values]


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


def test_a_transparent_gray_is_compared_at_the_depth_of_the_samples() -> None:
    """PNG 1.2, section 4.2.1.1, and 2.3: small samples are packed, the first in the high bits."""
    for bits in (1, 2, 4, 8):
        top = 2**bits - 1
        samples = [*range(min(top, 15) + 1), top]
        packed = "".join(f"{sample:0{bits}b}" for sample in samples)
        packed += "0" * (-len(packed) % 8)
        row = b"\0" + int(packed, 2).to_bytes(len(packed) // 8, "big")
        for key in set(samples):
            result = rgb(png((len(samples), 1), bits, 0, row, chunk(b"tRNS", struct.pack(">H", key))))[0]
            expected = [255 if sample == key else sample * 255 // top for sample in samples]
            assert result.tolist() == gray(expected), (bits, key)


def test_a_transparent_colour_of_16_bits_is_compared_with_all_of_them() -> None:
    key = (0x1234, 0x5678, 0x9ABC)
    near = [(0x1235, 0x5678, 0x9ABC), (0x1234, 0x5679, 0x9ABC), (0x1234, 0x5678, 0x9ABD), (0x3412, *key[1:])]
    others = [(0x12, 0x56, 0x9A), (0, 0, 0), (65535, 65535, 65535)]
    pixels = [key, *near, *others, key]
    row = b"\0" + b"".join(struct.pack(">3H", *pixel) for pixel in pixels)
    data = png((len(pixels), 1), 16, 2, row, chunk(b"tRNS", struct.pack(">3H", *key)))
    upper = [[value >> 8 for value in pixel] for pixel in (*near, *others)]
    assert rgb(data)[0].tolist() == [[255] * 3, *upper, [255] * 3]
    with Image.open(io.BytesIO(data)) as opened:
        assert np.asarray(upright_rgb(opened)).tolist() == rgb(data).tolist()


def test_only_the_low_bits_of_a_transparent_colour_count() -> None:
    """PNG 1.2, section 4.2.1.1: of depths below 16 the least significant bits are used."""
    data = png((3, 1), 8, 2, bytes([0, *[10, 20, 30], *[10, 20, 31], *[0, 0, 0]]))
    with_key = png(
        (3, 1), 8, 2, bytes([0, *[10, 20, 30], *[10, 20, 31], *[0, 0, 0]]), chunk(b"tRNS", b"\1\12\1\24\1\36")
    )
    assert rgb(with_key)[0].tolist() == [[255] * 3, *rgb(data)[0].tolist()[1:]]
    two_bits = png((4, 1), 2, 0, bytes([0, 0b00011011]), chunk(b"tRNS", struct.pack(">H", 0x42)))
    assert rgb(two_bits)[0].tolist() == gray([0, 85, 255, 255])


def test_an_interlaced_png_with_a_transparent_colour() -> None:
    """Adam7 of 8 x 8 pixels: what the passes hold is in PNG 1.2, section 2.6."""
    starts = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]
    samples = np.arange(64).reshape(8, 8) % 4
    deep = np.stack([np.full((8, 8), 0x1200), 0x3400 + samples, np.full((8, 8), 0x5600)], -1).astype(">u2")
    for bits, colour, key in (
        (2, 0, struct.pack(">H", 1)),
        (16, 2, struct.pack(">3H", 0x1200, 0x3401, 0x5600)),
    ):
        rows = b""
        for left, top, across, down in starts:
            for row in range(top, 8, down):
                if colour == 2:
                    rows += b"\0" + deep[row, left::across].tobytes()
                else:
                    text = "".join(f"{sample:02b}" for sample in samples[row, left::across])
                    text += "0" * (-len(text) % 8)
                    rows += b"\0" + int(text, 2).to_bytes(len(text) // 8, "big")
        plain = png((8, 8), bits, colour, rows, chunk(b"tRNS", key))
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, bits, colour, 0, 0, 1))
        result = rgb(plain[:8] + header + plain[8 + len(header) :])
        assert ((result == 255).all(axis=-1) == ((samples == 1) | ((samples == 3) & (bits == 2)))).all()
        if bits == 2:
            assert (result[samples == 2] == 170).all()
        else:
            assert (result[samples != 1] == [0x12, 0x34, 0x56]).all()


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
