"""What the tests of sources share: files to find, pipes that are filled, and what a source holds."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from senet_cli.errors import ImageError
from senet_cli.images.sources import Source, SourceRequest

ODD_NAME = b"caf\xe9.jpg"
"""Latin-1, no UTF-8."""


def plant(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")


def names(request: SourceRequest) -> list[str]:
    request.check()
    return [source.name for source in request.stream()]


def kind_of(source: Source) -> str:
    with pytest.raises(ImageError) as caught, source.open():
        pass
    assert caught.value.message
    return caught.value.kind


def content(source: Source) -> bytes:
    with source.open() as file:
        assert file.seekable()
        return file.read()


@dataclass
class Pipe:
    """A pipe that a thread fills, as a child of the shell would."""

    read: int

    @property
    def path(self) -> str:
        return f"/dev/fd/{self.read}"


@contextlib.contextmanager
def filled_pipe(data: bytes) -> Iterator[Pipe]:
    read, write = os.pipe()

    def fill() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield Pipe(read)
    finally:
        os.close(read)
        thread.join(10)
        assert not thread.is_alive()
