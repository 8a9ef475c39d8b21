"""The protocol of all writers, and the stream they write to."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol, TextIO

from senet_cli.errors import DiskError
from senet_cli.inference.records import Record
from senet_cli.output.stream import output_errors

Format = Literal["table", "tsv", "csv", "json", "jsonl"]
FORMATS: tuple[Format, ...] = ("table", "tsv", "csv", "json", "jsonl")

COLUMNS = ("path", "rank", "label", "score", "id", "index", "error")
"""Columns of the row formats, TSV and CSV. New ones are only ever added at the end."""


class Writer(Protocol):
    """Writes records as they come. `begin` and `end` frame them; each call is flushed by the output."""

    def begin(self) -> str:
        """Text before the first record."""
        ...

    def record(self, record: Record) -> str:
        """Text of one record."""
        ...

    def end(self) -> str:
        """Text after the last record."""
        ...


class Output:
    """Where text goes: every write is flushed, and what fails has its own exit code.

    Args:
        stream: open for text.
        name: for messages.

    Attributes:
        complete: set to False by a run that stops early; a file then keeps its partial name.
    """

    def __init__(self, stream: TextIO, name: str) -> None:
        self.stream = stream
        self._name = name
        self.complete = True

    def write(self, text: str) -> None:
        """Write and flush.

        Raises:
            OutputClosed: the reader went away.
            DiskError: the disk is full, or another failure.
        """
        with output_errors(self._name):
            self.stream.write(text)
            self.stream.flush()


@contextlib.contextmanager
def open_output(path: Path | None) -> Iterator[Output]:
    """Standard output, or a file that gets its name only when it is complete.

    Until then, and if the run is interrupted, the records lie in `<path>.partial`. Pipes and devices are
    written directly.

    Raises:
        DiskError: the file cannot be written.
    """
    if path is None or str(path) == "-":
        yield Output(_utf8(sys.stdout), "standard output")
        return
    path = Path(os.path.realpath(path))  # what a link points to is meant, not the link
    special = path.exists() and not path.is_file()
    partial = path if special else path.with_name(path.name + ".partial")
    stream = _open(partial, path)
    output = Output(stream, f"`{partial}`")
    try:
        yield output
    except BaseException:
        with contextlib.suppress(OSError):
            stream.close()
        raise
    _complete(stream, partial, path if output.complete else partial)


def _open(partial: Path, path: Path) -> TextIO:
    try:
        return partial.open("w", encoding="utf-8", errors="surrogateescape", newline="")
    except OSError as error:
        raise DiskError.from_os_error(error, f"writing `{path}`", "Choose another file for -o.") from error


def _complete(stream: TextIO, partial: Path, path: Path) -> None:
    try:
        with stream:
            stream.flush()
            if partial != path:
                os.fsync(stream.fileno())
        if partial != path:
            partial.replace(path)
    except OSError as error:
        raise DiskError.from_os_error(error, f"writing `{path}`") from error


def _utf8(stream: TextIO) -> TextIO:
    """The stream as all formats want it: UTF-8, bytes of odd file names unchanged, line ends as written."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
    return stream
