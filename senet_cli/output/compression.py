"""Compressed files. Flushing one makes all that was written so far readable; closing ends it."""

from __future__ import annotations

import gzip
from typing import BinaryIO, cast

from senet_cli.errors import UsageError
from senet_cli.output.endings import Compression


def check_compression(compression: Compression) -> None:
    """Find out before any work whether files can be compressed like that.

    Raises:
        UsageError: the library for it is missing.
    """
    if compression == "zst":
        try:
            import zstandard  # noqa: F401
        except ImportError as error:
            raise UsageError(
                "the Python package `zstandard`, which writes .zst, cannot be imported",
                "Install it, or let the file end with .gz.",
            ) from error


def compressor(raw: BinaryIO, compression: Compression) -> BinaryIO:
    """Wrap a stream in one that compresses what is written to it; closing it closes `raw`.

    Levels are what the programs `gzip` and `zstd` do unasked. The bytes depend on nothing but the content and
    when it was flushed.
    """
    if compression == "gz":
        return cast(BinaryIO, _Gzip(raw))
    import zstandard

    packer = zstandard.ZstdCompressor(level=3, write_checksum=True)
    return cast(BinaryIO, packer.stream_writer(raw, closefd=True))


class _Gzip(gzip.GzipFile):
    """A `GzipFile` that closes what it writes to."""

    def __init__(self, raw: BinaryIO) -> None:
        super().__init__("", "wb", compresslevel=6, fileobj=raw, mtime=0)
        self._raw_file = raw

    def close(self) -> None:
        """End the compressed data, then close."""
        try:
            super().close()
        finally:
            self._raw_file.close()
