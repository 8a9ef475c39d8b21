"""Words for people, on standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping
from typing import TextIO

from senet_cli.errors import SenetError
from senet_cli.output.text import printable

_STYLES = {"red": "31", "yellow": "33", "green": "32", "dim": "2"}


def is_terminal(stream: TextIO | None) -> bool:
    """Return True if a person reads the stream directly; False also if there is no stream at all."""
    return stream is not None and stream.isatty()


def colour_allowed(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Decide on colour: NO_COLOR forbids (no-color.org), FORCE_COLOR allows, else a terminal that can."""
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR"):
        return True
    return is_terminal(stream) and environment.get("TERM") != "dumb"


def say(text: str, style: str = "") -> None:
    """Write one line or more to standard error, if there is one."""
    if sys.stderr is None:
        return
    lines = "\n".join(printable(line) for line in text.split("\n"))
    if style and colour_allowed(sys.stderr):
        lines = f"\033[{_STYLES[style]}m{lines}\033[0m"
    with contextlib.suppress(OSError):  # words for people never decide how a run ends
        print(lines, file=sys.stderr, flush=True)  # noqa: T201 - the one place that prints


def complain(error: SenetError) -> None:
    """Show an error and its next step."""
    from senet_cli.cli.hints import hint  # only those who err wait for it

    say(f"error: {error.message}", style="red")
    if next_step := hint(error):
        say(f"hint: {next_step}")


def warn(text: str) -> None:
    """Show a line that matters also with `-q`, such as where results lie."""
    say(text, style="yellow")


def note(text: str, *, quiet: bool = False) -> None:
    """Show a line that `-q` silences."""
    if not quiet:
        say(f"note: {text}", style="dim")


def megabytes(size: int | None) -> str:
    """Write a size for people."""
    return "unknown size" if size is None else f"{size / 1e6:,.1f} MB"


def mute_native_code() -> None:
    """Keep what C libraries print (libtiff: hundreds of lines for one damaged file) out of people's sight.

    Python's own standard error goes on as before.
    """
    if sys.stderr is None:
        return
    own = os.dup(2)
    sys.stderr = os.fdopen(own, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
