"""Text streams whose failures end in our exit codes, whoever writes to them."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Iterator
from typing import TextIO

from senet_cli.errors import DiskError, OutputClosed


@contextlib.contextmanager
def output_errors(name: str) -> Iterator[None]:
    """Tell a reader that went away (`OutputClosed`) from a disk that is full (`DiskError`)."""
    try:
        yield
    except OSError as error:
        closed = error.errno in (errno.EPIPE, errno.ESHUTDOWN)
        if closed or (os.name == "nt" and error.errno == errno.EINVAL):
            raise OutputClosed from error
        raise DiskError.from_os_error(error, f"writing to {name}") from error


class StandardOutput(io.TextIOWrapper):
    """Standard output for everything that prints, the help of commands included."""

    def write(self, text: str) -> int:
        """Write; see `output_errors`."""
        with output_errors("standard output"):
            return super().write(text)

    def flush(self) -> None:
        """Flush; see `output_errors`."""
        with output_errors("standard output"):
            super().flush()


def checked_stdout(stream: TextIO | None) -> TextIO | None:
    """Wrap the process's standard output in `StandardOutput`; a closed one fails at the first write."""
    if stream is None:
        unwritable = os.open(os.devnull, os.O_RDONLY)
        return StandardOutput(io.BufferedWriter(io.FileIO(unwritable, "w")), encoding="utf-8")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    return StandardOutput(
        stream.buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
    )
