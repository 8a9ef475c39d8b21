"""The protocol of all writers, and the stream they write to."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TextIO

from senet_cli.inference.records import Record
from senet_cli.output.endings import FORMATS, Compression, Format, compression_of
from senet_cli.output.files import Sink, Tell, ignore, open_sink
from senet_cli.output.stream import output_errors
from senet_cli.output.targets import Target, check_target

if TYPE_CHECKING:
    from senet_cli.output.journal import Journal
    from senet_cli.output.recording import Recording

__all__ = [
    "COLUMNS",
    "FORMATS",
    "Format",
    "Output",
    "Writer",
    "check_output",
    "open_output",
]

_STANDARD_OUTPUT = Path("-")
_PAUSE = 1.0
"""Seconds between two flushes of compressed text: each one ends a block and costs bytes."""
COLUMNS = ("path", "rank", "label", "score", "id", "index", "error")
"""Columns of the row formats, TSV and CSV. New ones are only ever added at the end."""


class Writer(Protocol):
    """Writes records as they come. `begin` and `end` frame them; each call is flushed by the output."""

    def begin(self) -> str:
        """Return the text before the first record."""
        ...

    def record(self, record: Record) -> str:
        """Return the text of one record."""
        ...

    def end(self) -> str:
        """Return the text after the last record."""
        ...


class Output:
    """Where text goes: every write is flushed, and what fails has its own exit code.

    Args:
        stream: open for text.
        name: for messages.
        begin: called before the first text.
        pause: seconds between two flushes at least; 0: after each write. Each makes compressed text longer.
        clock: tells seconds.
        journal: of the records, where another run shall be able to go on.

    Attributes:
        complete: set to False by a run that stops early; a file then keeps its partial name.
        empty: True until something was written.
    """

    def __init__(
        self,
        stream: TextIO,
        name: str,
        *,
        begin: Callable[[], None] | None = None,
        pause: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        journal: Journal | None = None,
    ) -> None:
        self.stream, self.journal = stream, journal
        self._name, self._begin = name, begin
        self._pause, self._clock, self._flushed = pause, clock, clock()
        self.complete = self.empty = True

    def record(self, record: Record, text: str) -> None:
        """Write a record that a writer made this text of; see `write`."""
        self.write(text)
        if self.journal is not None:
            self.journal.add(record, text)

    def write(self, text: str) -> None:
        """Write and flush.

        Raises:
            OutputClosed: the reader went away.
            DiskError: the disk is full, or another failure.
        """
        with output_errors(self._name):
            if text and self.empty:
                if self._begin is not None:
                    self._begin()
                self.empty = False
            self.stream.write(text)
            if not self._pause or self._clock() - self._flushed >= self._pause:
                self.stream.flush()
                self._flushed = self._clock()


def check_output(path: Path | None, inputs: Iterable[str | Path] = ()) -> Target | None:
    """Find out before any work whether results may be written to a path.

    Args:
        path: where; None or `-` for standard output.
        inputs: files that this run reads.

    Returns:
        What it is; None for standard output.

    Raises:
        UsageError, DiskError: see `check_target`; or the library for the compression is missing.
    """
    if path is None or path == _STANDARD_OUTPUT:
        return None
    if compression := compression_of(path):
        from senet_cli.output.compression import check_compression

        check_compression(compression)
    return check_target(path, inputs)


@contextlib.contextmanager
def open_output(
    path: Path | None,
    inputs: Iterable[str | Path] = (),
    *,
    tell: Tell = ignore,
    wrote: Callable[[Path], None] | None = None,
    recording: Recording | None = None,
) -> Iterator[Output]:
    """Open standard output, or a file that gets its name only when it is complete (see `output.files`).

    Text is compressed where the name of the file ends like that. To be entered before any long work: it keeps
    other runs from writing the same file. An existing file changes with the first text at the earliest.

    Args:
        path: None or `-` for standard output.
        inputs: files that this run reads, which are never written.
        tell: gets what people should know, such as where lies what was written when a run is interrupted.
        wrote: gets the path of a file that is complete; not of what is no file, such as a pipe.
        recording: how records are kept for another run; a journal is there only where they go to a file that
            appears when it is complete. None: they are not kept.

    Raises:
        UsageError, DiskError: see `check_output`; or writing failed.
    """
    target = check_output(path, inputs)
    if target is None:
        yield Output(_utf8(sys.stdout), "standard output")
        return
    sink = open_sink(target, tell, earlier=recording.earlier if recording else None)
    compression = compression_of(target.given)
    stream = _text_over(sink.descriptor, compression)
    pause = _PAUSE if compression else 0.0
    output = Output(stream, sink.name, begin=sink.begin, pause=pause, journal=sink.journal)
    try:
        yield output
        with output_errors(sink.name):
            if output.empty and output.complete:
                sink.begin()
            stream.close()
    except BaseException as error:
        with contextlib.suppress(OSError, ValueError):
            stream.close()
        _abandon(sink, output, tell, recording, error)
        raise
    if output.complete:
        sink.finish()
        if wrote is not None and target.is_file:
            wrote(target.given)
    else:
        _abandon(sink, output, tell, recording)


def _abandon(
    sink: Sink, output: Output, tell: Tell, recording: Recording | None, error: BaseException | None = None
) -> None:
    journal = sink.journal
    kept = sink.abandon(empty=output.empty if journal is None else journal.holds_nothing)
    if not kept:
        return
    if journal is None or recording is None:
        tell(f"what was written so far is in `{kept}`")
    elif journal.begun and journal.tally.images:
        recording.stopped(kept, journal.tally.images, error)


def _text_over(descriptor: int, compression: Compression | None) -> TextIO:
    """Text to a descriptor, which stays open: UTF-8, bytes of odd file names and line ends as they are."""
    binary: BinaryIO = os.fdopen(descriptor, "wb", closefd=False)
    if compression is not None:
        from senet_cli.output.compression import compressor

        binary = compressor(binary, compression)
    return io.TextIOWrapper(binary, encoding="utf-8", errors="surrogateescape", newline="")


def _utf8(stream: TextIO) -> TextIO:
    """Set a stream up for all formats: UTF-8, bytes of odd file names unchanged, line ends as written."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape", newline="")
    return stream
