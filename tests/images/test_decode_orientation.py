"""Images are turned as their EXIF says, whatever else it holds, and an opened image is not changed."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageOps

from senet_cli.images.coerce import as_rgb
from senet_cli.images.decode import decode, upright_rgb
from tests.images.pictures import colours, decoded, encoded, rgb

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
