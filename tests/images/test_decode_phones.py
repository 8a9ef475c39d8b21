"""What phones and Macs leave in folders: HEIC through the extra, JPEG 2000, and what is not an image."""

from __future__ import annotations

import io
import os
import struct
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from senet_cli.errors import ImageError
from senet_cli.images import kinds
from senet_cli.images.coerce import as_rgb
from senet_cli.images.sources import SourceRequest
from tests.images.heics import heic, picture
from tests.images.image_files import decoded, encoded, kind_of, photo_like, rgb
from tests.images.inputs import names, plant

Turn = Image.Transpose
QUARTERS = {0: None, 1: Turn.ROTATE_90, 2: Turn.ROTATE_180, 3: Turn.ROTATE_270}
"""ISO/IEC 23008-12, section 6.5.10: anti-clockwise, as Pillow turns."""
MIRRORS = {0: Turn.FLIP_TOP_BOTTOM, 1: Turn.FLIP_LEFT_RIGHT}


def near(result: Image.Image, expected: Image.Image) -> bool:
    """As near as a few dozen bytes of HEVC come; the corners of the picture are of four colours."""
    if result.size != expected.size:
        return False
    difference = np.abs(np.asarray(result).astype(int) - np.asarray(expected)).max(axis=-1)
    return bool(np.median(difference) <= 25 and (difference > 60).mean() < 0.1)


def exif_of(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes().removeprefix(b"Exif\0\0")


def turned(image: Image.Image, turn: Image.Transpose | None) -> Image.Image:
    return image if turn is None else image.transpose(turn)


def test_the_picture_can_tell_its_turns() -> None:
    turns = [None, *Turn]
    results = [turned(picture(), turn) for turn in turns]
    assert sum(near(one, other) for one in results for other in results) == len(turns)


# --- HEIC with the extra ------------------------------------------------------------------------


def test_heic_is_turned_once_as_the_container_says() -> None:
    """Whatever EXIF says, which in HEIF is information only (ISO/IEC 23008-12, annex A)."""
    pytest.importorskip("pi_heif")
    wrong = []
    for quarter in (None, *QUARTERS):
        for mirror in (None, *MIRRORS):
            for orientation in (None, 1, 3, 6):
                exif = None if orientation is None else exif_of(orientation)
                data = heic(irot=quarter, imir=mirror, exif=exif)
                expected = turned(picture(), QUARTERS[quarter or 0])
                if mirror is not None:
                    expected = turned(expected, MIRRORS[mirror])
                if not near(decoded(data), expected):
                    wrong.append((quarter, mirror, orientation))
    assert wrong == []


def test_heic_of_any_brand_and_as_an_opened_file(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    for brand in (b"heic", b"heix", b"mif1"):
        assert near(decoded(heic(brand=brand)), picture()), brand
    (tmp_path / "IMG_0001.HEIC").write_bytes(heic(irot=3, exif=exif_of(6)))
    assert near(as_rgb(tmp_path / "IMG_0001.HEIC"), picture().transpose(Turn.ROTATE_270))


def test_damaged_heic_is_one_kind_of_error(data: Path) -> None:
    pytest.importorskip("pi_heif")
    whole = heic()
    for cut in (13, 40, 200, len(whole) - 40):
        assert kind_of(whole[:cut]) in ("decode", "format"), cut
    assert kind_of((data / "trial" / "heic.heic").read_bytes()) == "decode"


def test_a_heic_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pi_heif")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 128 * 64 // 2 - 1)
    assert kind_of(heic()) == "too_large"


def test_heic_is_found_in_folders_where_it_is_read(tmp_path: Path) -> None:
    pytest.importorskip("pi_heif")
    plant(tmp_path, "IMG_1.HEIC", "b.heif", "c.hif")
    assert names(SourceRequest([str(tmp_path)])) == [
        f"{tmp_path}/{n}" for n in ("IMG_1.HEIC", "b.heif", "c.hif")
    ]


# --- without it ---------------------------------------------------------------------------------


@pytest.fixture
def _without_heif(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    monkeypatch.setattr(kinds, "heif_is_read", lambda: False)


@pytest.mark.usefixtures("_without_heif")
def test_heic_says_what_to_install() -> None:
    for brand in (b"heic", b"mif1"):
        with pytest.raises(ImageError, match=r"HEIC.*pip install 'senet\[heic\]'") as caught:
            decoded(heic(brand=brand))
        assert caught.value.kind == "format"


@pytest.mark.usefixtures("_without_heif")
def test_what_is_not_read_is_counted_by_its_name(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "IMG_1.HEIC", "sub/IMG_2.heic", "c.heif", "d.jxl", "e.dng", "f.CR2", "notes.txt")
    request = SourceRequest([str(tmp_path)])
    assert names(request) == [f"{tmp_path}/a.jpg"]
    assert request.skipped.count == 7
    assert dict(request.skipped.kinds) == {"HEIC": 3, "JXL": 1, "raw": 2}
    assert (request.skipped.others, request.skipped.example) == (1, f"{tmp_path}/notes.txt")
    named = SourceRequest([f"{tmp_path}/IMG_1.HEIC", f"{tmp_path}/*.jxl"])
    assert names(named) == [f"{tmp_path}/IMG_1.HEIC", f"{tmp_path}/d.jxl"]  # explicitly: tried
    assert named.skipped.count == 0


def test_the_words_for_what_was_passed_over() -> None:
    from senet_cli.cli.results import passed_over

    skipped = kinds.Skipped(6, "notes.txt", Counter({"HEIC": 3, "JXL": 1, "AppleDouble": 1}))
    assert passed_over(skipped) == [
        "passed over 1 file without an image extension, such as notes.txt",
        "3 HEIC files: install `senet[heic]` to read them",
        "1 JXL file: they are not read; `djxl` converts them",
        "1 AppleDouble file: what a Mac keeps beside its files, not images",
    ]
    assert passed_over(kinds.Skipped()) == []
    assert len(passed_over(kinds.Skipped(more_on_stdin=True))) == 1


def test_other_formats_are_named() -> None:
    for data, words in (
        (b"\xff\x0a" + bytes(20), "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), "JPEG XL"),
        (b"\0\x05\x16\x07" + bytes(20), "a Mac keeps"),
    ):
        with pytest.raises(ImageError, match=words) as caught:
            decoded(data)
        assert caught.value.kind == "format"


# --- AppleDouble --------------------------------------------------------------------------------


def test_apple_double_is_passed_over_and_a_photograph_of_such_a_name_is_not(tmp_path: Path) -> None:
    (tmp_path / "p.jpg").write_bytes(encoded(photo_like(), "JPEG"))
    (tmp_path / "._p.jpg").write_bytes(b"\0\x05\x16\x07\0\2\0\0" + b"Mac OS X        ")
    (tmp_path / "._real.jpg").write_bytes(encoded(photo_like(), "JPEG"))
    (tmp_path / "._empty.jpg").touch()
    (tmp_path / "._gone.jpg").symlink_to("nowhere")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "._q.png").write_bytes(b"\0\x05\x16\x07")
    (tmp_path / "double.jpg").write_bytes(b"\0\x05\x16\x07")  # a name like any other: its record will tell
    request = SourceRequest([str(tmp_path)])
    assert [Path(name).name for name in names(request)] == [
        *("._empty.jpg", "._gone.jpg", "._real.jpg", "double.jpg", "p.jpg"),
    ]
    assert dict(request.skipped.kinds) == {"AppleDouble": 2}
    assert (request.skipped.count, request.skipped.others) == (2, 0)
    assert names(SourceRequest([f"{tmp_path}/._p*"])) == [f"{tmp_path}/._p.jpg"]  # asked for


def test_a_photograph_and_its_twin(data: Path) -> None:
    request = SourceRequest([str(data / "trial" / "mac")])
    assert [os.path.basename(name) for name in names(request)] == ["p.jpg"]  # noqa: PTH119
    assert dict(request.skipped.kinds) == {"AppleDouble": 1}


# --- JPEG 2000 ----------------------------------------------------------------------------------


def test_jpeg_2000_is_read_to_the_last_bit() -> None:
    image = photo_like()
    for kind in ({}, {"no_jp2": True}):
        data = encoded(image, "JPEG2000", irreversible=False, **kind)
        assert np.array_equal(rgb(data), np.asarray(image))
        gray = image.convert("L")
        assert np.array_equal(rgb(encoded(gray, "JPEG2000", **kind))[..., 0], np.asarray(gray))
    deep = np.array([[0, 128, 129, 32768, 65407, 65535]], np.uint16).repeat(8, axis=0)
    assert rgb(encoded(Image.fromarray(deep), "JPEG2000"))[0, :, 0].tolist() == [0, 0, 1, 128, 255, 255]
    alpha = image.copy()
    alpha.putalpha(image.convert("L"))
    over_white = rgb(encoded(alpha, "PNG"))
    assert np.array_equal(rgb(encoded(alpha, "JPEG2000", irreversible=False)), over_white)


def test_damaged_and_huge_jpeg_2000() -> None:
    data = encoded(photo_like(), "JPEG2000")
    for cut in (12, 40, 100):
        assert kind_of(data[:cut]) in ("decode", "format"), cut
    at = data.index(b"ihdr") + 4
    huge = data[:at] + struct.pack(">II", 60_000, 60_000) + data[at + 8 :]
    assert kind_of(huge) == "too_large"


def test_jpeg_2000_is_found_in_folders(tmp_path: Path) -> None:
    plant(tmp_path, "a.jp2", "b.J2K", "c.jpx")
    assert len(names(SourceRequest([str(tmp_path)]))) == 3


def test_an_opened_heif_is_an_image_like_any_other() -> None:
    pi_heif = pytest.importorskip("pi_heif")
    with pi_heif.HeifImageFile(io.BytesIO(heic(irot=1, exif=exif_of(8)))) as opened:
        assert near(as_rgb(opened), picture().transpose(Turn.ROTATE_90))
