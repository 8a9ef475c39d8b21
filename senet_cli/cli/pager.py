"""Long answers in a pager, as `git` shows them: on a terminal only, and only what does not fit on it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping

from senet_cli.cli.console import is_terminal
from senet_cli.output.base import open_output


def show(text: str) -> None:
    """Write a text to standard output, on a terminal that is too small for it through PAGER or `less`."""
    words = pager_for(text, os.environ)
    if not words or not _paged(text, words):
        with open_output(None) as out:
            out.write(text)


def pager_for(text: str, environment: Mapping[str, str]) -> list[str]:
    """Find the program to show a text with; empty where it is to be printed as it is."""
    asked = environment.get("PAGER", "less").strip()
    if not asked or asked == "cat" or environment.get("TERM") == "dumb":
        return []
    if not (is_terminal(sys.stdin) and is_terminal(sys.stdout)):
        return []
    if text.count("\n") < shutil.get_terminal_size().lines:
        return []
    import shlex

    try:
        words = shlex.split(asked)
    except ValueError:
        return []
    return words if words and shutil.which(words[0]) else []


def _paged(text: str, words: list[str]) -> bool:
    import subprocess

    environment = {"LESS": "FRX", **os.environ}  # as git does: end if it fits, keep colours, leave the screen
    try:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, env=environment)
    except OSError:
        return False
    with contextlib.suppress(BrokenPipeError):  # the reader has seen enough
        process.communicate(text.encode("utf-8", "surrogateescape"))
    process.wait()
    return True
