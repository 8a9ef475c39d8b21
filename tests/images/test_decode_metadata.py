"""Files whose pixels are good and whose metadata are not: the picture, as browsers and OpenCV show it."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import MAX_TEXT_CHUNK

from senet_cli.errors import ImageError
from tests.images.image_files import chunk, colours, decoded, encoded, kind_of, png, rgb

PLAIN = encoded(colours(), "PNG")
AFTER_HEADER, BEFORE_END = 33, -12

LONG = zlib.compress(bytes(MAX_TEXT_CHUNK + 1))
WRONG_SUM = chunk(b"tEXt", b"key\0value")[:-1] + b"\0"

DAMAGED = {
    "a long zTXt": chunk(b"zTXt", b"key\0\0" + LONG),
    "a long iTXt": chunk(b"iTXt", b"key\0\1\0\0\0" + LONG),
    "a long profile": chunk(b"iCCP", b"profile\0\0" + LONG),
    "a profile that is nothing": chunk(b"iCCP", b""),
    "a profile of unknown compression": chunk(b"iCCP", b"profile\0\7abc"),
    "text of unknown compression": chunk(b"zTXt", b"key\0\7abc"),
    "a short gAMA": chunk(b"gAMA", b"\0\0"),
    "a short pHYs": chunk(b"pHYs", b"\0\0\x0b\x13"),
    "a short cHRM": chunk(b"cHRM", bytes(8)),
    "a short sRGB": chunk(b"sRGB", b""),
    "a short acTL": chunk(b"acTL", bytes(4)),
    "a short fcTL": chunk(b"fcTL", bytes(4)),
    "a frame that does not fit": chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 99, 99, 0, 0, 1, 1, 0, 0)),
    "a short tRNS": chunk(b"tRNS", b"\0\1"),
    "a wrong sum": WRONG_SUM,
    "a wrong sum of tRNS": chunk(b"tRNS", bytes(6))[:-1] + b"\0",
    "a wrong sum of eXIf": chunk(b"eXIf", b"II*\0")[:-1] + b"\0",
    "a wrong sum of what nobody knows": chunk(b"abCd", b"x")[:-1] + b"\0",
}


def test_good_pixels_are_not_lost_for_their_metadata() -> None:
    refused = []
    for what, damage in DAMAGED.items():
        data = PLAIN[:AFTER_HEADER] + damage + PLAIN[AFTER_HEADER:]
        with pytest.raises(Exception), Image.open(io.BytesIO(data)) as opened:  # noqa: B017, PT011 - any
            opened.load()
        try:
            if decoded(data).tobytes() != colours().tobytes():
                refused.append(what)
        except ImageError as error:
            refused.append(f"{what}: {error.message}")
    assert refused == []


def test_metadata_behind_the_pixels_may_be_damaged_too() -> None:
    refused = []
    for what, damage in DAMAGED.items():
        data = PLAIN[:BEFORE_END] + damage + PLAIN[BEFORE_END:]
        if decoded(data).tobytes() != colours().tobytes():
            refused.append(what)
    assert refused == []
    cut_short = PLAIN[:BEFORE_END] + struct.pack(">I", 5000) + b"tEXtkey\0and nothing more"
    assert decoded(cut_short).tobytes() == colours().tobytes()


def test_opencv_opens_them_too() -> None:
    for what in ("a long zTXt", "a long profile", "a short gAMA", "a short pHYs", "a wrong sum"):
        data = PLAIN[:AFTER_HEADER] + DAMAGED[what] + PLAIN[AFTER_HEADER:]
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert np.array_equal(pixels[..., ::-1], np.asarray(colours())), what


def test_sound_orientation_and_transparency_are_kept() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = encoded(colours(), "PNG", exif=exif)
    data = turned[:AFTER_HEADER] + DAMAGED["a short gAMA"] + turned[AFTER_HEADER:]
    assert decoded(data).tobytes() == colours().transpose(Image.Transpose.ROTATE_270).tobytes()
    for bits, colour, row, key, expected in (
        (2, 0, b"\0\x18", struct.pack(">H", 1), [[0] * 3, [255] * 3]),
        (8, 2, bytes([0, 1, 2, 3, 4, 5, 6]), struct.pack(">3H", 4, 5, 6), [[1, 2, 3], [255] * 3]),
        (8, 3, bytes([0, 0, 1]), bytes([255, 0]), [[9, 8, 7], [255] * 3]),
    ):
        palette = chunk(b"PLTE", bytes([9, 8, 7, 6, 5, 4])) if colour == 3 else b""
        data = png((2, 1), bits, colour, row, DAMAGED["a wrong sum"], palette, chunk(b"tRNS", key))
        assert rgb(data)[0].tolist() == expected, (bits, colour)


def test_a_damaged_critical_chunk_stays_an_error() -> None:
    """Whatever else the file holds, and with the message of the damage that matters."""
    start = PLAIN.index(b"IDAT")
    broken_pixels = bytearray(PLAIN)
    broken_pixels[start + 20] ^= 0xFF
    palette = bytearray(encoded(colours().convert("P"), "PNG"))
    palette[palette.index(b"PLTE") + 5] ^= 0xFF
    header = bytearray(PLAIN)
    header[16] ^= 1
    for critical in (bytes(broken_pixels), bytes(palette), bytes(header), PLAIN[: start + 30]):
        for damage in (b"", DAMAGED["a short gAMA"], chunk(b"tEXt", b"key\0value")):
            assert kind_of(critical[:AFTER_HEADER] + damage + critical[AFTER_HEADER:]) in ("decode", "format")


def test_a_chunk_between_those_of_the_pixels_is_not_metadata() -> None:
    """PNG 1.2, section 4.1.3: IDAT chunks are consecutive."""
    packed = zlib.compress(b"\0\1\2")
    parts = chunk(b"IDAT", packed[:4]), chunk(b"IDAT", packed[4:])
    whole = png((2, 1), 8, 0, b"\0\1\2")
    start, end = whole[:AFTER_HEADER], whole[BEFORE_END:]
    assert rgb(start + parts[0] + parts[1] + end)[0].tolist() == [[1] * 3, [2] * 3]
    assert kind_of(start + parts[0] + chunk(b"tEXt", b"key\0value") + parts[1] + end) == "decode"


def test_ordinary_files_are_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("senet_cli.images.decode.without_metadata", lambda file: pytest.fail("a second try"))
    assert decoded(PLAIN).tobytes() == colours().tobytes()
    with_text = PLAIN[:AFTER_HEADER] + chunk(b"tEXt", b"key\0value") + PLAIN[AFTER_HEADER:]
    assert decoded(with_text).tobytes() == colours().tobytes()


def segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def test_a_jpeg_is_not_lost_for_its_metadata() -> None:
    plain = encoded(colours(), "JPEG")
    expected = decoded(plain)
    exif = Image.Exif()
    exif[0x0112] = 6
    turning = segment(0xE1, b"Exif\0\0" + exif.tobytes())
    for damage in (
        segment(0xE0, b"JFIF\0"),
        segment(0xE0, b"JFIF\0\1"),
        segment(0xEE, b"Adobe\0"),
        segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\x03"),
        segment(0xE2, b"ICC_PROFILE\0\1"),
        segment(0xED, b"Photoshop 3.0\x008BIM\4\4"),
    ):
        assert decoded(plain[:2] + damage + plain[2:]).tobytes() == expected.tobytes(), damage
        turned = decoded(plain[:2] + damage + turning + plain[2:])
        assert turned.tobytes() == expected.transpose(Image.Transpose.ROTATE_270).tobytes(), damage
    cut = plain[: len(plain) // 2]
    assert kind_of(cut[:2] + segment(0xE0, b"JFIF\0\1") + cut[2:]) in ("decode", "format")


def test_an_avif_is_not_lost_for_its_exif() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    data = encoded(colours(), "AVIF", exif=exif, quality=100)
    start = data.index(b"II*\0") if b"II*\0" in data else data.index(b"MM\0*")
    broken = data[:start] + b"????" + data[start + 4 :]
    with pytest.raises(Exception), Image.open(io.BytesIO(broken)) as opened:  # noqa: B017, PT011 - any
        opened.load()
    assert decoded(broken).tobytes() == decoded(data).tobytes()
    assert decoded(broken).size == (8, 12)  # as `irot` says


def test_files_that_were_refused(data: Path) -> None:
    for name in ("ztxt_2mb.png", "bad_gama.png", "bad_crc_text.png"):
        assert rgb((data / "trial" / name).read_bytes())[0, 0].tolist() == [200, 10, 10], name
