"""What downloads tell on standard error: one display for all files on a terminal, else lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from senet_cli.cli.console import is_terminal, megabytes, note

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from senet_cli.catalogue.entries import Checkpoint
    from senet_cli.errors import SenetError
    from senet_cli.store.notices import Installed

_LINE_SECONDS = 10.0


class DownloadNotices:
    """Shows what the store does; see `senet_cli.store.notices.Notices`.

    Args:
        quiet: True shows errors only.
        planned: what is going to be fetched, for the display of all files together.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        *,
        quiet: bool,
        planned: Sequence[Checkpoint] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._quiet = quiet
        self._planned = planned
        self._clock = clock
        self._display: Progress | None = None
        self._all: TaskID | None = None
        self._one: TaskID | None = None
        self._name = ""
        self._done = self._had = 0
        self._size: int | None = None
        self._begun = self._told = 0.0

    def started(self, name: str, origin: str, size: int | None, done: int) -> None:
        """See `Notices`."""
        self._end_of_file()
        self._name, self._done, self._had, self._size = name, done, done, size
        self._begun = self._told = self._clock()
        going_on = f", going on after {megabytes(done)}" if done else ""
        note(f"fetching {name} ({megabytes(size)}) from {origin}{going_on}", quiet=self._quiet)
        if not self._quiet and is_terminal(sys.stderr):
            display = self._open_display()
            self._one = display.add_task(name, total=size, completed=done)

    def advanced(self, count: int) -> None:
        """See `Notices`."""
        self._done += count
        if self._display and self._one is not None:
            self._display.advance(self._one, count)
            if self._all is not None:
                self._display.advance(self._all, count)
        elif not self._quiet and self._clock() - self._told >= _LINE_SECONDS:
            self._told = self._clock()
            note(f"{self._name}: {megabytes(self._done)} of {megabytes(self._size)}{self._pace()}")

    def waiting(self, error: SenetError, seconds: float) -> None:
        """See `Notices`."""
        note(f"{error.message}; trying again in {seconds:.1f} s", quiet=self._quiet)

    def locked(self, name: str) -> None:
        """See `Notices`."""
        note(f"another process is fetching {name}; waiting for it", quiet=self._quiet)

    def failed(self, error: SenetError) -> None:
        """See `Notices`."""
        self._end_of_file()
        note(error.message, quiet=self._quiet)

    def finished(self, installed: Installed) -> None:
        """See `Notices`."""
        self._end_of_file()
        seconds = self._clock() - self._begun
        note(
            f"installed {self._name}: {megabytes(self._done - self._had)} in {seconds:.1f} s, "
            f"SHA-256 {installed.sha256[:16]}... verified",
            quiet=self._quiet,
        )

    def close(self) -> None:
        """Take the display off the terminal."""
        if self._display:
            self._display.stop()
            self._display = self._all = self._one = None

    def _open_display(self) -> Progress:
        if self._display is None:
            self._display = _byte_display()
            if len(self._planned) > 1:
                sizes = [checkpoint.files[0].size for checkpoint in self._planned]
                total = None if None in sizes else sum(size or 0 for size in sizes)
                self._all = self._display.add_task(f"{len(sizes)} models", total=total)
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
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
