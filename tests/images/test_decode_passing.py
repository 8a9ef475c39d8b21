"""Which failures may pass: all that the bytes of an image alone do not decide, and no other."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from senet_cli.errors import ImageError
from senet_cli.images.decode import decode
from senet_cli.images.sources import Source


def failure(file: io.BytesIO) -> tuple[str, bool]:
    with pytest.raises(ImageError) as caught:
        decode(file)
    return caught.value.kind, caught.value.passing


def png() -> bytes:
    data = io.BytesIO()
    Image.effect_noise((32, 32), 50).save(data, "PNG")
    return data.getvalue()


def test_what_the_bytes_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A format that is not read depends on the libraries that are there."""
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    assert failure(io.BytesIO(b"no image at all")) == ("format", True)
    assert failure(io.BytesIO(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")) == ("format", True)
    assert failure(io.BytesIO(b"")) == ("empty", False)
    assert failure(io.BytesIO(png()[:-60])) == ("decode", False)


class Failing(io.BytesIO):
    """An image whose disk or memory fails once its head was read."""

    def __init__(self, error: Exception) -> None:
        super().__init__(png())
        self._error = error

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 60:
            raise self._error
        return super().read(size)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), ("decode", True)),
        (OSError(errno.EIO, "Input/output error"), ("unreadable", True)),
        (ValueError("odd bytes"), ("decode", False)),
    ],
    ids=["memory", "disk", "bytes"],
)
def test_what_goes_wrong_on_the_way(error: Exception, expected: tuple[str, bool]) -> None:
    assert failure(Failing(error)) == expected


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    for name, passing in (("a\0b", True), (str(tmp_path / "gone"), False), (str(tmp_path), False)):
        with pytest.raises(ImageError) as caught:
            Source(name).open()
        assert caught.value.passing is passing
