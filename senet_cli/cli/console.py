"""Words for people, on standard error."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from senet_cli.errors import SenetError
from senet_cli.output.text import cells, printable, wrapped

_USUAL_WIDTH = 80
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


def terminal_width(stream: TextIO | None, environment: Mapping[str, str] = os.environ) -> int | None:
    """Measure a stream's terminal, in cells; COLUMNS comes first. None: it does not go to one."""
    if stream is None or not is_terminal(stream):
        return None
    asked = environment.get("COLUMNS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except (OSError, ValueError):
        return _USUAL_WIDTH


def say(text: str, style: str = "") -> None:
    """Write one line or more to standard error, if there is one; on a terminal they break between words."""
    if sys.stderr is None:
        return
    width = terminal_width(sys.stderr)
    shown = (printable(line) for line in text.split("\n"))
    lines = "\n".join("\n".join(_fitted(line, width)) for line in shown)
    if style and colour_allowed(sys.stderr):
        lines = f"\033[{_STYLES[style]}m{lines}\033[0m"
    with contextlib.suppress(OSError):  # words for people never decide how a run ends
        print(lines, file=sys.stderr, flush=True)  # noqa: T201 - the one place that prints


def _fitted(line: str, width: int | None) -> list[str]:
    """Break a line that is too wide for the terminal; one that was laid out to fit stays as it is."""
    if width is None or cells(line) <= width:
        return [line]
    indent = line[: len(line) - len(line.lstrip(" "))]
    return wrapped(line.lstrip(" "), width, first=indent, rest=indent)


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


def telling_files(*, quiet: bool) -> Callable[[Path | str], None]:
    """Make a function that says which file was written; `-q` silences it."""

    def wrote(path: Path | str) -> None:
        if not quiet:
            say(f"wrote {path}", style="dim")

    return wrote


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
