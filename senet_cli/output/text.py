"""Text on its way out: harmless though it came from outside (file names, servers), rows in columns, lines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

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


def counted(count: int, noun: str, plural: str = "") -> str:
    """Write a number of things: "1 image", "1,200 images"; `plural` where that is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


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


def folded(words: Iterable[str], width: int) -> Iterator[str]:
    """Give words as they are; one that is wider than `width` cells comes in pieces, for it fits nowhere."""
    for word in words:
        piece = word
        while cells(piece) > width:
            head = piece[:width]
            while cells(head) > width and len(head) > 1:
                head = head[:-1]
            yield head
            piece = piece[len(head) :]
        yield piece


def fitted(rows: Sequence[Sequence[str]], numeric: Sequence[bool], width: int | None) -> str:
    """Lay out a table in the width that there is, without breaking a word.

    Text and titles are wrapped in their columns. Where even that is too wide, each row becomes a paragraph:
    its words, then its numbers with their titles.

    Args:
        rows: titles first.
        numeric: which columns are numbers.
        width: cells of a line; None: as wide as need be.
    """
    whole = columns(rows, numeric)
    if width is None or max(map(cells, whole.splitlines())) <= width:
        return whole
    widths = _column_widths(rows, numeric, width)
    if widths is None:
        return "".join(_paragraph(rows[0], row, numeric, width) for row in rows[1:])
    lines: list[list[str]] = []
    for row in rows:
        wrapped_cells = [wrapped(cell, size) for cell, size in zip(row, widths, strict=True)]
        height = max(map(len, wrapped_cells))
        lines += [
            [cell[line] if line < len(cell) else "" for cell in wrapped_cells] for line in range(height)
        ]
    return columns(lines, numeric)


_GAP = 2


def _column_widths(rows: Sequence[Sequence[str]], numeric: Sequence[bool], width: int) -> list[int] | None:
    """Take from the widest column until all fit, at most down to its longest word; None where they do not."""
    table = list(zip(*rows, strict=True))
    least = [max(cells(word) for cell in column for word in cell.split(" ")) for column in table]
    for place, (column, is_number) in enumerate(zip(table, numeric, strict=True)):
        if is_number:  # only its title may be wrapped
            least[place] = max([least[place], *map(cells, column[1:])])
    widths = [max(map(cells, column)) for column in table]
    while sum(widths) + _GAP * (len(widths) - 1) > width:
        spare = [(have - need, place) for place, (have, need) in enumerate(zip(widths, least, strict=True))]
        most, place = max(spare, key=lambda entry: (entry[0], widths[entry[1]]))
        if most <= 0:
            return None
        widths[place] -= 1
    return widths


def _paragraph(head: Sequence[str], row: Sequence[str], numeric: Sequence[bool], width: int) -> str:
    entries = list(zip(head, row, numeric, strict=True))
    first = ", ".join(cell for _, cell, is_number in entries if cell and not is_number)
    numbers = [f"{title} {cell}" for title, cell, is_number in entries if cell and is_number]
    pieces = [f"{number}," for number in numbers[:-1]] + numbers[-1:]  # a number stays beside its title
    lines = [*wrapped(first, width, rest="  "), *filled(pieces, width, first="  ", rest="  ")]
    return "".join(f"{line}\n" for line in lines)
