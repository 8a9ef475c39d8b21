"""Gray and colours of every depth in a TIFF, scaled by its own BitsPerSample, whichever number is white.

The right values are those of TIFF 6.0: BitsPerSample (258), PhotometricInterpretation (262), SampleFormat
(339).
"""

from __future__ import annotations

import dataclasses
import io
import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from senet_cli.images.coerce import as_rgb
from tests.images.image_files import Pixels, decoded, kind_of, rgb
from tests.images.test_decode_orientation import upright
from tests.images.tiffs import DEFLATE, FLOAT, LZW, NONE, PACK_BITS, SIGNED, UNDEFINED, Tiff, file_of, tiff

DEPTHS = [1, 2, 4, 6, 8, 10, 12, 14, 16, 24, 32]


def ramp(bits: int) -> np.ndarray:
    """5 x 7 samples over the whole range, the ends and the middle among them."""
    top = 2**bits - 1
    ends = [0, 1, top // 2, top // 2 + 1, max(0, top - 1), top]
    return np.array([*ends, *(top * n // 28 for n in range(29))], np.int64).reshape(5, 7)


def scaled(samples: np.ndarray, bits: int) -> np.ndarray:
    """To 0..255 by the largest value of the depth, rounded, in exact arithmetic."""
    exact = [Fraction(int(value) * 255, 2**bits - 1) for value in samples.flat]
    return np.array([int(value + Fraction(1, 2)) for value in exact]).reshape(samples.shape)


def gray_of(data: bytes) -> Pixels:
    result = rgb(data)
    assert (result == result[..., :1]).all()
    return result[..., 0]


def test_gray_of_every_depth_is_scaled_by_its_own_largest_value_and_0_may_be_white() -> None:
    wrong = []
    for bits, big, white_is_zero, compression in itertools.product(
        DEPTHS, (False, True), (False, True), (NONE, LZW, DEFLATE, PACK_BITS)
    ):
        how = Tiff(bits, big=big, photometric=0 if white_is_zero else 1, compression=compression)
        expected = scaled(ramp(bits), bits)
        if white_is_zero:
            expected = 255 - expected
        if not np.array_equal(gray_of(tiff(ramp(bits), how)), expected):
            wrong.append(how)
    assert wrong == []


def test_known_values() -> None:
    for bits, values, expected in [
        (10, [0, 2, 3, 512, 1021, 1023], [0, 0, 1, 128, 255, 255]),
        (12, [0, 8, 9, 2048, 4087, 4095], [0, 0, 1, 128, 255, 255]),
        (14, [0, 32, 33, 8192, 16351, 16383], [0, 0, 1, 128, 255, 255]),
        (32, [0, 8421504, 8421505, 2**31, 2**32 - 8421505, 2**32 - 1], [0, 0, 1, 128, 255, 255]),
    ]:
        for big in (False, True):
            assert gray_of(tiff([values], Tiff(bits, big=big)))[0].tolist() == expected, (bits, big)
            inverted = gray_of(tiff([values], Tiff(bits, big=big, photometric=0)))[0].tolist()
            assert inverted == [255 - value for value in expected], (bits, big)


def test_strips_tiles_and_bit_orders_hold_the_same_samples() -> None:
    variants = [
        {"rows": 1},
        {"rows": 5},
        {"tile": (16, 16)},
        {"tile": (16, 16), "compression": DEFLATE},
        {"fill_order": 2},
        {"fill_order": 2, "compression": LZW},
        {"wide": True},
        {"wide": True, "compression": DEFLATE},
        {"kind": UNDEFINED},
    ]
    wide = np.concatenate([ramp(12)] * 5, axis=1)  # 35 samples: three tiles
    wrong = []
    for bits, variant in itertools.product((10, 12, 14, 16, 32), variants):
        how = dataclasses.replace(Tiff(bits, photometric=0), **variant)
        samples = wide * (2**bits - 1) // 4095
        if not np.array_equal(gray_of(tiff(samples, how)), 255 - scaled(samples, bits)):
            wrong.append(how)
    assert wrong == []


def test_horizontal_differences_are_added_up() -> None:
    for bits, big, photometric, tile in itertools.product(
        (8, 16, 32), (False, True), (0, 1), (None, (16, 16))
    ):
        for compression in (LZW, DEFLATE):
            how = Tiff(bits, big, photometric, compression, tile, predictor=2)
            samples = np.concatenate([ramp(bits)] * 3, axis=1)
            expected = scaled(samples, bits)
            assert np.array_equal(gray_of(tiff(samples, how)), expected if photometric else 255 - expected), (
                how
            )


def test_colours_of_other_depths_are_scaled_too() -> None:
    for bits, big, compression in itertools.product((10, 12, 14), (False, True), (NONE, DEFLATE)):
        samples = np.stack([ramp(bits), ramp(bits)[::-1], ramp(bits) // 3], axis=-1)
        result = rgb(tiff(samples, Tiff(bits, big, 2, compression)))
        assert np.array_equal(result, scaled(samples, bits)), (bits, big, compression)


def test_numbers_with_a_sign_are_taken_as_0_to_65535() -> None:
    for bits, big, photometric, compression in itertools.product(
        (16, 32), (False, True), (0, 1), (NONE, LZW, DEFLATE)
    ):
        how = Tiff(bits, big, photometric, compression, kind=SIGNED)
        values = [-(2 ** (bits - 1)), -1, 0, 128, 129, 2**15 - 1]
        expected = [0, 0, 0, 0, 1, 127]
        result = gray_of(tiff([values], how))[0].tolist()
        assert result == (expected if photometric else [255 - value for value in expected]), how


def test_floats_of_0_to_255_may_be_white_at_0() -> None:
    values = [np.nan, -3.5, 0, 7, 254, 255, 1e30]
    for big, compression in itertools.product((False, True), (NONE, DEFLATE)):
        for photometric, expected in (
            (1, [0, 0, 0, 7, 254, 255, 255]),
            (0, [255, 255, 255, 248, 1, 0, 0]),
        ):
            how = Tiff(32, big, photometric, compression, kind=FLOAT)
            assert gray_of(tiff([values], how))[0].tolist() == expected, how


@pytest.mark.parametrize("orientation", range(1, 9))
def test_any_depth_is_turned(orientation: int) -> None:
    plain = decoded(tiff(ramp(12), Tiff(12)))
    assert plain.size == (7, 5)
    for how in (Tiff(12), Tiff(12, big=True), Tiff(14), Tiff(16, photometric=0), Tiff(16, True, 0), Tiff(32)):
        samples = ramp(12) * (2**how.bits - 1) // 4095
        result = decoded(tiff(samples, dataclasses.replace(how, orientation=orientation)))
        expected = upright(decoded(tiff(samples, how)), orientation)
        assert (result.size, result.tobytes()) == (expected.size, expected.tobytes()), how


def test_an_opened_image_is_the_same_as_its_file() -> None:
    for how in (Tiff(12), Tiff(12, photometric=1, compression=LZW), Tiff(16, photometric=0), Tiff(32)):
        data = tiff(ramp(how.bits), how)
        with Image.open(io.BytesIO(data)) as opened:
            assert as_rgb(opened).tobytes() == decoded(data).tobytes(), how


def test_large_images_are_the_same_piece_by_piece() -> None:
    across, down = np.meshgrid(np.arange(1500), np.arange(1101))
    for how in (Tiff(12, rows=7), Tiff(12, big=True, rows=2000), Tiff(32, big=True, rows=50)):
        samples = (across * 7919 + down * 104729) % 4096
        if how.bits == 32:
            samples = samples * 1048831
            assert samples.max() < 2**32
            whole = samples.astype(">u4").tobytes()
        else:
            pairs = samples.reshape(-1, 2)
            parts = np.stack(
                [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], -1
            )
            whole = parts.astype(np.uint8).tobytes()
        row = len(whole) // 1101
        blocks = [whole[n : n + row * how.rows] for n in range(0, len(whole), row * how.rows)]
        tags = {256: [1500], 257: [1101], 258: [how.bits], 259: [1], 262: [1], 277: [1], 278: [how.rows]}
        expected = np.floor(samples * (255 / (2**how.bits - 1)) + 0.5)
        assert np.array_equal(gray_of(file_of(tags, blocks, how)), expected), how


def test_what_cannot_be_right_is_an_error() -> None:
    data = tiff(ramp(14), Tiff(14))
    assert kind_of(data[: len(data) // 2]) in ("format", "decode")
    assert kind_of(tiff(ramp(14), Tiff(14), t256=[60_000], t257=[60_000])) == "too_large"
    assert kind_of(tiff(ramp(14), Tiff(14), t256=[0])) in ("format", "decode")
    assert kind_of(tiff(ramp(14), Tiff(14), t257=[2000])) in ("format", "decode")  # strips are missing
    assert kind_of(tiff(ramp(14), Tiff(14, compression=DEFLATE), t278=[500], t257=[500])) in (
        "format",
        "decode",
    )
    assert kind_of(tiff(ramp(14), Tiff(14, compression=DEFLATE, predictor=2))) == "format"  # not defined


def test_the_picture_of_12_bits_is_that_of_8(data: Path) -> None:
    eight, twelve = (
        rgb((data / "trial" / name).read_bytes()).astype(int) for name in ("ship_g8.tif", "ship_g12.tif")
    )
    assert np.abs(eight - twelve).max() <= 1
    assert eight.std() > 20
