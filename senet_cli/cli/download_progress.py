"""How downloads are shown on standard error: one display for all files on a terminal, else lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from senet_cli.cli.console import is_terminal, megabytes, note
from senet_cli.events import (
    DownloadAdvanced,
    DownloadFinished,
    DownloadRetried,
    DownloadsPlanned,
    DownloadStarted,
    OriginFailed,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

DownloadEvent = (
    DownloadsPlanned | DownloadStarted | DownloadAdvanced | DownloadRetried | OriginFailed | DownloadFinished
)
_LINE_SECONDS = 10.0


class DownloadDisplay:
    """Shows how far downloads are; `-q` needs no display.

    Args:
        clock: seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sizes: tuple[int | None, ...] = ()
        self._display: Progress | None = None
        self._all: TaskID | None = None
        self._one: TaskID | None = None
        self._name = ""
        self._done = self._had = 0
        self._size: int | None = None
        self._begun = self._told = 0.0

    def show(self, event: DownloadEvent) -> None:
        """Show an event."""
        match event:
            case DownloadsPlanned(sizes):
                self._sizes = sizes
            case DownloadStarted():
                self._start(event)
            case DownloadAdvanced(count):
                self._advance(count)
            case DownloadRetried(error, seconds):
                note(f"{error.message}; trying again in {seconds:.1f} s")
            case OriginFailed(error):
                self._end_of_file()
                note(error.message)
            case DownloadFinished(_, sha256):
                self._finish(sha256)

    def close(self) -> None:
        """Take the display off the terminal."""
        if self._display:
            self._display.stop()
            self._display = self._all = self._one = None

    def _start(self, event: DownloadStarted) -> None:
        self._end_of_file()
        self._name, self._size = event.name, event.size
        self._done = self._had = event.done
        self._begun = self._told = self._clock()
        going_on = f", going on after {megabytes(event.done)}" if event.done else ""
        note(f"fetching {event.name} ({megabytes(event.size)}) from {event.origin}{going_on}")
        if is_terminal(sys.stderr):
            self._one = self._open_display().add_task(event.name, total=event.size, completed=event.done)

    def _advance(self, count: int) -> None:
        self._done += count
        if self._display and self._one is not None:
            self._display.advance(self._one, count)
            if self._all is not None:
                self._display.advance(self._all, count)
        elif self._clock() - self._told >= _LINE_SECONDS:
            self._told = self._clock()
            note(f"{self._name}: {megabytes(self._done)} of {megabytes(self._size)}{self._pace()}")

    def _finish(self, sha256: str) -> None:
        self._end_of_file()
        seconds = self._clock() - self._begun
        note(
            f"installed {self._name}: {megabytes(self._done - self._had)} in {seconds:.1f} s, "
            f"SHA-256 {sha256[:16]}... verified"
        )

    def _open_display(self) -> Progress:
        if self._display is None:
            self._display = _byte_display()
            if len(self._sizes) > 1:
                total = None if None in self._sizes else sum(size or 0 for size in self._sizes)
                self._all = self._display.add_task(f"{len(self._sizes)} models", total=total)
            self._display.start()
        return self._display

    def _end_of_file(self) -> None:
        if self._display and self._one is not None:
            self._display.remove_task(self._one)
            self._one = None
            if self._all is None:
                self.close()

    def _pace(self) -> str:
        seconds = max(1e-6, self._clock() - self._begun)
        speed = (self._done - self._had) / seconds
        left = f", {(self._size - self._done) / speed:,.0f} s left" if self._size and speed else ""
        return f", {speed / 1e6:.1f} MB/s{left}"


def _byte_display() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Megabytes(ProgressColumn):
        """What has arrived, of what, and how fast: in the unit that is used everywhere."""

        def render(self, task: Task) -> Text:
            total = "" if task.total is None else f" of {megabytes(int(task.total))}"
            speed = f", {megabytes(int(task.speed))}/s" if task.speed else ""
            return Text(f"{megabytes(int(task.completed))}{total}{speed}")

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        Megabytes(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
