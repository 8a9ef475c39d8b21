"""Progress on standard error: bars on a terminal, now and then a line elsewhere, nothing with `-q`."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from senet_cli.cli.console import is_terminal, megabytes, note

if TYPE_CHECKING:
    from rich.progress import Progress

    from senet_cli.errors import SenetError
    from senet_cli.store.cache import Installed

_LINE_SECONDS = 10.0


class DownloadNotices:
    """Shows what `senet_cli.store.install` does.

    Args:
        quiet: True shows errors only.
        clock: seconds, for tests.
    """

    def __init__(self, *, quiet: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._clock = clock
        self._bar: Progress | None = None
        self._name = ""
        self._done = 0
        self._size: int | None = None
        self._begun = self._told = 0.0

    def started(self, name: str, origin: str, size: int | None) -> None:
        """See `Notices`."""
        self._close()
        self._name, self._done, self._size = name, 0, size
        self._begun = self._told = self._clock()
        note(f"fetching {name} ({megabytes(size)}) from {origin}", quiet=self._quiet)
        if not self._quiet and is_terminal(sys.stderr):
            self._bar = _byte_bar()
            self._bar.add_task(name, total=size)
            self._bar.start()

    def advanced(self, count: int) -> None:
        """See `Notices`."""
        self._done += count
        if self._bar:
            self._bar.advance(self._bar.task_ids[0], count)
        elif not self._quiet and self._clock() - self._told >= _LINE_SECONDS:
            self._told = self._clock()
            speed = self._done / max(1e-6, self._told - self._begun) / 1e6
            note(f"{self._name}: {megabytes(self._done)} of {megabytes(self._size)}, {speed:.1f} MB/s")

    def finished(self, installed: Installed) -> None:
        """See `Notices`."""
        self._close()
        seconds = self._clock() - self._begun
        note(
            f"installed {self._name}: {megabytes(self._done)} in {seconds:.1f} s, "
            f"SHA-256 {installed.sha256[:16]}... verified",
            quiet=self._quiet,
        )

    def failed(self, error: SenetError) -> None:
        """See `Notices`."""
        self._close()
        note(error.message, quiet=self._quiet)

    def _close(self) -> None:
        if self._bar:
            self._bar.stop()
            self._bar = None


def _byte_bar() -> Progress:
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
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


@contextlib.contextmanager
def image_progress(*, shown: bool, count: Callable[[], int] | None) -> Iterator[Callable[[int], None]]:
    """Gives a function to call with the number of images done so far.

    Args:
        shown: False for `-q`, and where a table on the terminal is progress enough.
        count: finds out how many there are, in a thread of its own; None if that cannot be known.
    """
    if not shown:
        yield lambda _: None
    elif is_terminal(sys.stderr):
        yield from _bar(count)
    else:
        yield _lines(time.monotonic)


def _bar(count: Callable[[], int] | None) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("classifying"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, rate="")
        begun = time.monotonic()
        if count:
            set_total = lambda: progress.update(task, total=count())  # noqa: E731
            threading.Thread(target=set_total, name="count", daemon=True).start()

        def show(done: int) -> None:
            rate = done / max(1e-6, time.monotonic() - begun)
            progress.update(task, completed=done, rate=f"{rate:.1f} images/s")

        yield show


def _lines(clock: Callable[[], float]) -> Callable[[int], None]:
    begun = told = clock()

    def show(done: int) -> None:
        nonlocal told
        if clock() - told >= _LINE_SECONDS:
            told = clock()
            note(f"{done:,} images done, {done / (told - begun):.1f} images/s")

    return show
