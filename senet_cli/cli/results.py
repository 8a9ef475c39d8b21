"""Writing a run's records and telling how it went."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import replace

from senet_cli.cli.console import is_terminal, note, say
from senet_cli.cli.progress import image_progress
from senet_cli.errors import ExitCode
from senet_cli.images.kinds import APPLE_DOUBLE, Skipped
from senet_cli.images.sources import SourceRequest
from senet_cli.inference.records import Record
from senet_cli.output.base import Output, Writer
from senet_cli.output.tally import Tally, is_wanted, outcome
from senet_cli.output.text import counted


class ResultRun:
    """Counts what is written.

    Args:
        request: where the images come from, to count them for the progress bar.
        quiet, verbose, strict: as the options of the same names.

    Attributes:
        images: how many there are in all; None while that is not known.
        tally: how many of which class so far.
    """

    def __init__(self, request: SourceRequest, *, quiet: bool, verbose: bool, strict: bool) -> None:
        self._request = request
        self._quiet, self._verbose, self._strict = quiet, verbose, strict
        self.bar = True
        self.tally = Tally()
        self._kept = 0
        self.images: int | None = None
        self._begun = time.monotonic()

    @property
    def exit_code(self) -> ExitCode:
        """1 as soon as one image failed."""
        return ExitCode.SOME_FAILED if self.tally.failed else ExitCode.OK

    def count_in(self, tally: Tally) -> None:
        """Leave counting to a journal, whose tally holds the records of an earlier run already."""
        self._kept = tally.images
        self.tally = tally

    def write(self, records: Iterable[Record], writer: Writer, output: Output) -> None:
        """Write all records; with `strict` those up to the first failure."""
        self._begun = time.monotonic()
        count = self._count if self._request.repeatable else None
        shown = self.bar and not self._quiet
        if count and output.journal and not (shown and is_terminal(sys.stderr)):
            threading.Thread(target=count, name="count", daemon=True).start()
        with image_progress(shown=shown, count=count, kept=self._kept) as progress:
            # with the first record: a run that ends before it leaves nothing behind
            head = "" if output.journal and output.journal.size else writer.begin()
            try:
                if self._strict and self.tally.failed:
                    output.complete, records = False, ()
                for record in records:
                    if text := writer.record(record) if is_wanted(record) else "":
                        text, head = head + text, ""
                    output.record(record, text)
                    if output.journal is None:
                        self.tally.add(*outcome(record))
                    progress(self.tally.images)
                    if self._strict and self.tally.failed:
                        output.complete = False
                        break
            except BaseException:
                if not head:
                    output.write(writer.end())
                raise
            output.write(head + writer.end())

    def tell(self) -> None:
        """Show notes on standard error: failures, files passed over, and with `-v` the speed."""
        failed, done = self.tally.failed, self.tally.images
        if failed and not self._quiet:
            stopped = ", stopped there (--strict)" if self._strict else ""
            say(
                f"{failed:,} of {done:,} images could not be classified{stopped}",
                "yellow",
            )
        for line in passed_over(self._request.skipped):
            note(line, quiet=self._quiet)
        if self._verbose:
            seconds = time.monotonic() - self._begun
            done -= self._kept
            note(f"{counted(done, 'image')} in {seconds:.2f} s, {done / seconds:.1f} images/s")

    def _count(self) -> int:
        self.images = sum(1 for _ in replace(self._request, skipped=Skipped()).stream())
        return self.images


_KINDS = {
    "HEIC": "install `senet[heic]` to read them",
    "JXL": "they are not read; `djxl` converts them",
    "raw": "they are not read; export them as JPEG",
    APPLE_DOUBLE: "what a Mac keeps beside its files, not images",
}


def passed_over(skipped: Skipped) -> list[str]:
    """Say what was found and not classified, a line for each thing to know."""
    lines = []
    if skipped.others:
        lines.append(
            f"passed over {_files(skipped.others)} without an image extension, such as {skipped.example}"
        )
    lines += [f"{_files(count, kind)}: {_KINDS[kind]}" for kind, count in skipped.kinds.items()]
    if skipped.more_on_stdin:
        lines.append("standard input holds more than one image; only the first is classified")
    return lines


def _files(count: int, kind: str = "") -> str:
    return f"{count:,} {kind}{' ' * bool(kind)}{'file' if count == 1 else 'files'}"
