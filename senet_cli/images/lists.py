"""Lists of names, one a line or separated by NUL bytes, as they come."""

from __future__ import annotations

import itertools
import os
import stat
from collections.abc import Iterable, Iterator

from senet_cli.errors import DiskError, UsageError, advise

_UTF_8_MARK = b"\xef\xbb\xbf"
_WIDE_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""Byte-order marks (Unicode 16.0, section 23.8); the longer first."""
_MARKS = (_UTF_8_MARK, *_WIDE_MARKS)
_HEAD = 512
"""Bytes in which a text of two or four bytes a character shows."""


def check_list(name: str, *, null: bool) -> None:
    """Make sure that a list can be read, without opening a pipe: its writer has only one reader to lose.

    Raises:
        UsageError: it is a folder, in UTF-16 or UTF-32, or separated in another way.
        DiskError: it cannot be read.
    """
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISREG(mode):
            with open(name, "rb") as file:
                _check_text(file.read(_HEAD), name, null=null)
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading the list `{name}`") from error
    if stat.S_ISDIR(mode):
        raise UsageError(f"the list `{name}` is a folder", "Name the folder itself as a source.")


def names_in(chunks: Iterator[bytes], name: str, *, null: bool) -> Iterator[str]:
    """Read the names of a list as its bytes come. A byte-order mark is not part of the first name.

    Raises:
        UsageError: the list is in UTF-16 or UTF-32, or separated in another way.
    """
    head = b""
    for chunk in chunks:  # a mark may come in pieces
        head += chunk
        if not any(len(head) < len(mark) and mark.startswith(head) for mark in _MARKS):
            break
    _check_text(head, name, null=null)
    found = entries(itertools.chain([head], chunks), b"\0" if null else b"\n")
    for first in found:
        marked = os.fsencode(first).startswith(_UTF_8_MARK) and head.startswith(_UTF_8_MARK)
        plain = os.fsdecode(os.fsencode(first).removeprefix(_UTF_8_MARK))
        if not marked or os.path.lexists(first):  # after all, a name may begin so
            yield first
        elif plain not in ("", "\r"):
            yield plain
        break
    yield from found


def _check_text(head: bytes, name: str, *, null: bool) -> None:
    """Find what is not a list of lines in UTF-8: by its mark and NUL bytes, or by where those are."""
    kind = next((kind for mark, kind in _WIDE_MARKS.items() if head.startswith(mark)), None)
    start = head[:_HEAD]
    shown = "standard input" if name == "-" else f"`{name}`"
    if kind is None and not null and len(start) >= 4:
        halves = start[: len(start) // 2 * 2][::2], start[1::2]
        kind = "UTF-16" if any(set(half) == {0} for half in halves) else None
    if kind is None and not null and b"\0" in start.partition(b"\n")[0]:
        raise UsageError(f"the list in {shown} is separated by NUL bytes", advise("separate-by-nul"))
    if kind is None or b"\0" not in start:
        return
    raise UsageError(
        f"the list in {shown} is {kind} text, and lists are read as UTF-8",
        advise("convert-list", encoding=kind),
    )


def entries(chunks: Iterable[bytes], separator: bytes) -> Iterator[str]:
    """Split chunks into names; empty ones and, in lines, a final carriage return are dropped."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(separator)
        yield from _names(whole, separator)
    yield from _names([rest], separator)


def _names(parts: Iterable[bytes], separator: bytes) -> Iterator[str]:
    for part in parts:
        name = part.removesuffix(b"\r") if separator == b"\n" else part
        if name:
            yield os.fsdecode(name)
