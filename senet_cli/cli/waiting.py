"""Work that takes longer than people wait without a word: it says what it is, on standard error."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable

from senet_cli.cli.console import is_terminal, note, terminal_width

PATIENCE = 2.0
"""Seconds of silence."""
_FRAMES = "|/-\\"
_FRAME_SECONDS = 0.2


class Waiting:
    """Names the work under way once it takes too long: a line that turns on a terminal, one note elsewhere.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._words = ""
        self._ended: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def begin(self, words: str) -> None:
        """Say what is being done; where something is already, that it has become this."""
        self._words = words
        if self._ended is None:
            self._ended = threading.Event()
            self._thread = threading.Thread(target=self._watch, args=(self._ended,), daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Leave the terminal as it should be."""
        if self._ended is not None and self._thread is not None:
            self._ended.set()
            self._thread.join()
        self._ended = self._thread = None

    def _watch(self, ended: threading.Event) -> None:
        begun = self._clock()
        if ended.wait(PATIENCE):
            return
        if not is_terminal(sys.stderr) or os.environ.get("TERM") == "dumb":
            note(f"{self._words} ...")
            return
        turn = 0
        while not ended.wait(_FRAME_SECONDS):
            _draw(f"{_FRAMES[turn % len(_FRAMES)]} {self._words} ... {self._clock() - begun:.0f} s")
            turn += 1
        _draw("")
        note(f"{self._words} ... {self._clock() - begun:.0f} s")


def _draw(line: str) -> None:
    width = terminal_width(sys.stderr) or len(line) + 1
    with contextlib.suppress(OSError):
        sys.stderr.write(f"\r\033[K{line[: width - 1]}")
        sys.stderr.flush()
