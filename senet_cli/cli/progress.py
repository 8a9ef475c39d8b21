"""How far classifying is, on standard error: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

from senet_cli.cli.console import is_terminal, note

_LINE_SECONDS = 10.0


@contextlib.contextmanager
def image_progress(
    *, shown: bool, count: Callable[[], int] | None, kept: int = 0
) -> Iterator[Callable[[int], None]]:
    """Provide a function to call with the number of images done so far.

    Args:
        shown: False for `-q`, and where a table on the terminal is progress enough.
        count: finds out how many there are, in a thread of its own; None if that cannot be known.
        kept: how many were done before, by a run that is gone on with.
    """
    if not shown:
        yield lambda _: None
    elif is_terminal(sys.stderr):
        yield from _bar(count, kept)
    else:
        yield _lines(time.monotonic, kept)


def _bar(count: Callable[[], int] | None, kept: int) -> Iterator[Callable[[int], None]]:
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
        task = progress.add_task("", total=None, rate="", completed=kept)
        begun = time.monotonic()
        if count:
            set_total = lambda: progress.update(task, total=count())  # noqa: E731
            threading.Thread(target=set_total, name="count", daemon=True).start()

        def show(done: int) -> None:
            rate = (done - kept) / max(1e-6, time.monotonic() - begun)
            progress.update(task, completed=done, rate=f"{rate:.1f} images/s")

        yield show


def _lines(clock: Callable[[], float], kept: int = 0) -> Callable[[int], None]:
    begun = told = clock()

    def show(done: int) -> None:
        nonlocal told
        if clock() - told >= _LINE_SECONDS:
            told = clock()
            note(f"{done:,} images done, {(done - kept) / (told - begun):.1f} images/s")

    return show


@contextlib.contextmanager
def epoch_progress(epochs: int, *, shown: bool) -> Iterator[Callable[[int, int, int], None]]:
    """Provide a function to call with epoch, images done in it, images in all; it draws on terminals only."""
    if not shown or not is_terminal(sys.stderr):
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("epoch {task.fields[epoch]} of {task.fields[epochs]}"),
        BarColumn(),
        TextColumn("{task.percentage:.0f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, epoch=1, epochs=epochs)

        def show(epoch: int, done: int, images: int) -> None:
            completed = (epoch - 1) * images + done
            progress.update(task, completed=completed, total=epochs * images, epoch=epoch)

        yield show
