"""Text on its way out: harmless though it came from outside (file names, servers), rows in columns, lines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """Escape control characters and undecodable bytes: no name moves the cursor or changes colours."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def encodable_json(text: str) -> str:
    """Escape JSON's lone surrogates (bytes of odd file names), as Python reads them back."""
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def cells(text: str) -> int:
    """Count the cells of a terminal that a text takes: two for a wide character, none for a combining one."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.category(c) in {"Mn", "Me", "Cf"} for c in text)


def columns(rows: Sequence[Sequence[str]], numeric: Sequence[bool], gap: int = 2) -> str:
    """Lay out cells as lines, `gap` spaces between the columns; numbers are aligned to the right."""
    widths = [max(map(cells, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        parts = []
        for cell, width, right in zip(row, widths, numeric, strict=True):
            blank = " " * (width - cells(cell))
            parts.append(blank + cell if right else cell + blank)
        lines.append((" " * gap).join(parts).rstrip() + "\n")
    return "".join(lines)


def wrapped(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Break a text into lines, between words only: a word that is wider than the line stays whole.

    Args:
        text: without line breaks.
        width: cells of a line, what stands before it included.
        first, rest: stands before the first line, and before the others.
    """
    return filled(text.split(" "), width, first=first, rest=rest)


def filled(words: Iterable[str], width: int, *, first: str = "", rest: str = "", end: str = "") -> list[str]:
    """Fill lines with words, a space between two.

    Args:
        words: what is not broken.
        width, first, rest: see `wrapped`.
        end: stands after each line but the last.
    """
    lines, line, empty = [], first, True
    room = width - cells(end)
    for word in words:
        if empty or cells(line) + 1 + cells(word) <= room:
            line += word if empty else f" {word}"
            empty = empty and not word
        else:
            lines.append(line.rstrip() + end)
            line, empty = rest + word, not word
    return [*lines, line.rstrip()]
