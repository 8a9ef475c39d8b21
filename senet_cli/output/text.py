"""Text on its way out: harmless though it came from outside (file names, servers), rows in columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str) -> str:
    """Escape control characters and undecodable bytes: no name moves the cursor or changes colours."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def encodable_json(text: str) -> str:
    """Escape JSON's lone surrogates (bytes of odd file names), as Python reads them back."""
    return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def columns(rows: Sequence[Sequence[str]], numeric: Sequence[bool], gap: int = 2) -> str:
    """Lay out cells as lines, `gap` spaces between the columns; numbers are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, numeric, strict=True)
        aligned = (cell.rjust(width) if right else cell.ljust(width) for cell, width, right in cells)
        lines.append((" " * gap).join(aligned).rstrip() + "\n")
    return "".join(lines)
