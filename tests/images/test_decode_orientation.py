"""Images are turned as their EXIF says, whatever else they hold, and an opened image is not changed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from senet_cli.images.coerce import as_rgb
from senet_cli.images.decode import decode, upright_rgb
from tests.images.image_files import chunk, colours, decoded, encoded, rgb

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


# --- XMP ----------------------------------------------------------------------------------------

XMP_6 = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    b"</rdf:RDF></x:xmpmeta>"
)
WITH_XMP = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]


def with_xmp(format_name: str, orientation: int | None) -> bytes:
    """XMP that says 6, and EXIF that says something else, says nothing (0) or is not there (None)."""
    exif = Image.Exif()
    if orientation == 0:
        exif[0x010E] = "a description"
    elif orientation is not None:
        exif[0x0112] = orientation
    options: dict[str, Any] = {} if orientation is None else {"exif": exif}
    if format_name in ("WEBP", "AVIF"):
        options |= {"lossless": True} if format_name == "WEBP" else {"quality": 100, "subsampling": "4:4:4"}
    if format_name != "PNG":
        if format_name == "TIFF":
            options["tiffinfo"] = {700: XMP_6, **({274: orientation} if orientation else {})}
            options.pop("exif", None)
        else:
            options["xmp"] = XMP_6
        return encoded(colours(64, 32), format_name, **options)
    data = encoded(colours(64, 32), format_name, **options)
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP_6)
    return data[:33] + text + data[33:]


@pytest.mark.parametrize("orientation", [None, 0, *range(1, 9)])
@pytest.mark.parametrize("format_name", WITH_XMP)
def test_xmp_does_not_turn_an_image(format_name: str, orientation: int | None) -> None:
    data = with_xmp(format_name, orientation)
    assert b"tiff:Orientation" in data
    expected = upright(colours(64, 32), orientation or 1)
    result = decoded(data)
    assert result.size == expected.size
    difference = np.abs(np.asarray(result).astype(int) - np.asarray(expected))
    assert np.median(difference) <= 3  # a lossy format's; turned wrongly it is 100 and more


@pytest.mark.parametrize("orientation", [None, 1, 8])
@pytest.mark.parametrize("format_name", WITH_XMP)
def test_xmp_does_not_turn_an_opened_image(format_name: str, orientation: int | None) -> None:
    data = with_xmp(format_name, orientation)
    for asked_before in (False, True):
        with Image.open(io.BytesIO(data)) as opened:
            if asked_before:
                opened.getexif()
            keys = {"xmp", "XML:com.adobe.xmp"} & set(opened.info)
            assert upright_rgb(opened).tobytes() == decoded(data).tobytes()
            assert keys <= set(opened.info)


def test_xmp_behind_the_pixels_of_a_png_does_not_turn_it() -> None:
    data = encoded(colours(), "PNG")
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP_6)
    assert decoded(data[:-12] + text + data[-12:]).tobytes() == colours().tobytes()


def test_imagemagicks_exif_in_the_text_of_a_png_counts_beside_xmp() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    profile = b"\nexif\n%8d\n" % len(exif.tobytes()) + exif.tobytes().hex().encode() + b"\n"
    data = encoded(colours(), "PNG")
    for xmp in (b"", chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP_6)):
        both = data[:33] + chunk(b"tEXt", b"Raw profile type exif\0" + profile) + xmp + data[33:]
        assert decoded(both).tobytes() == upright(colours(), 8).tobytes()


def test_files_that_xmp_turned(data: Path) -> None:
    for name in ("xmp6.jpg", "xmp6.webp", "exif1_xmp6.jpg"):
        assert decoded((data / "trial" / name).read_bytes()).size == (64, 32), name
