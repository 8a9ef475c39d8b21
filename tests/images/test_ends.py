"""Where an image ends, so that a second one behind it on standard input is not lost without a word."""

from __future__ import annotations

import itertools
from typing import Any

from senet_cli.images.ends import holds_another
from senet_cli.images.sources import SourceRequest
from tests.images.heics import heic
from tests.images.image_files import colours, encoded, photo_like
from tests.images.inputs import content, filled_pipe

THUMBNAIL = b"Exif\0\0" + b"II*\0\x08\0\0\0\0\0\0\0\0\0" + encoded(colours(), "JPEG")
"""A JPEG within the metadata of another."""
FRAMES: dict[str, Any] = {"save_all": True, "append_images": [colours(), colours().rotate(90)]}

KNOWN = {
    "JPEG": encoded(photo_like(), "JPEG"),
    "progressive JPEG": encoded(photo_like(), "JPEG", progressive=True, exif=THUMBNAIL),
    "JPEG with restarts": encoded(photo_like(), "JPEG", restart_marker_blocks=1),
    "PNG": encoded(photo_like(), "PNG"),
    "APNG": encoded(colours(), "PNG", **FRAMES),
    "GIF": encoded(colours(), "GIF", **FRAMES, comment=b"; not the end"),
    "WebP": encoded(photo_like(), "WEBP"),
    "BMP": encoded(photo_like(), "BMP"),
    "AVIF": encoded(photo_like(), "AVIF"),
    "HEIC": heic(),
}
UNKNOWN = {
    "TIFF": encoded(photo_like(), "TIFF"),
    "PPM": encoded(photo_like(), "PPM"),
    "MPO": encoded(photo_like(), "MPO", **FRAMES),
}


def test_a_second_image_is_seen_behind_the_first() -> None:
    missed = [
        (first, second)
        for (first, one), (second, other) in itertools.product(KNOWN.items(), (KNOWN | UNKNOWN).items())
        if second != "PPM" and not holds_another(one + other)
    ]
    assert missed == []


def test_one_image_is_one() -> None:
    for name, data in (KNOWN | UNKNOWN).items():
        assert not holds_another(data), name
        for behind in (b"\0", b"\n", b"\0" * 5000, b"a trailer of a camera", b"SEFH\1\2"):
            assert not holds_another(data + behind), (name, behind)
        for cut in range(0, len(data), 7):
            assert not holds_another(data[:cut]), (name, cut)


def test_images_of_which_the_end_is_not_known_are_one() -> None:
    for name, data in UNKNOWN.items():
        assert not holds_another(data + KNOWN["PNG"]), name


def test_two_images_on_standard_input_are_told() -> None:
    for data, told in ((KNOWN["JPEG"] + KNOWN["PNG"], True), (KNOWN["JPEG"], False), (b"", False)):
        with filled_pipe(data) as pipe:
            request = SourceRequest(["-"], stdin=pipe.read)
            (source,) = request.stream()
        assert content(source) == data
        assert request.skipped.more_on_stdin is told
