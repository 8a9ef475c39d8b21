"""The list of models for people: a summary, three to begin with, and tables that fit a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from senet_cli.output.text import counted, fitted, printable, wrapped
from senet_cli.tasks.list_models import Summary
from senet_cli.tasks.recommend import recommend

_BEGIN_WITH = "To begin with, by published accuracy and multiply-adds, for ImageNet's 1,000 classes:"
_MIN_WIDTH, _WIDE = 40, 70
_NAME, _SHORT_NAME = 28, 25
_TITLES_OF_TEXT = {"", "*", "here", "labels", "digest", "licence", "publisher"}
_UNITS = (("", 1), ("k", 10**3), ("M", 10**6), ("G", 10**9), ("T", 10**12))


class _Column(NamedTuple):
    """A column: its title, its cells, and when it is shown: the smallest rank first, while there is room."""

    title: str
    cell: Callable[[Summary], str]
    rank: int


def short(number: int) -> str:
    """Write a count with three digits and a unit: 28.1 M."""
    unit, scale = next(((u, s) for u, s in _UNITS if number < 999.5 * s), _UNITS[-1])
    value = number / scale
    digits = 0 if scale == 1 or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f} {unit}".rstrip()


def _megabytes(entry: Summary) -> str:
    """Write the size of a file; after `~` it is not published."""
    size = entry.likely_bytes / 1e6
    return f"{'' if entry.bytes else '~'}{size:,.{0 if size >= 9.95 else 1}f}"


def _own(entry: Summary) -> str:
    """Write an accuracy that you measured, with the number of images."""
    if entry.own_top1 is None:
        return ""
    images = f" of {entry.own_images:,}" if entry.own_images else ""
    return f"{_percent(entry.own_top1)}{images}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


_COLUMNS = (
    _Column("*", lambda entry: "*" if entry.default else "", 6),
    _Column("top-1", lambda entry: _percent(entry.top1), 0),
    _Column("top-5", lambda entry: _percent(entry.top5), 9),
    _Column("yours", _own, 1),
    _Column("size", lambda entry: str(entry.size), 8),
    _Column("params", lambda entry: short(entry.parameters), 7),
    _Column("MACs", lambda entry: short(entry.multiply_adds), 3),
    _Column("MB", _megabytes, 2),
    _Column("here", lambda entry: "yes" if entry.cached else "", 4),
    _Column("labels", lambda entry: printable(entry.labels), 5),
    _Column("digest", lambda entry: entry.digest, 10),
    _Column("licence", lambda entry: printable(entry.licence), 11),
    _Column("publisher", lambda entry: printable(entry.publisher), 12),
)


def overview(entries: Sequence[Summary], width: int) -> str:
    """Say how many models there are, and which three to begin with.

    Args:
        entries: all models.
        width: cells of the terminal.
    """
    here = sum(entry.cached for entry in entries)
    first = f"{counted(len(entries), 'model')}, {here:,} of them on this machine."
    lines = wrapped(first, width)
    if found := recommend(entries):
        lines += ["", *wrapped(_BEGIN_WITH, width)]
        rows = [["", "", "top-1", "MACs", "MB"]]
        for word, entry in found._asdict().items():
            figures = [_percent(entry.top1), short(entry.multiply_adds), _megabytes(entry)]
            rows.append([word, entry.name, *figures])
        lines += fitted(rows, [False, False, True, True, True], width).rstrip("\n").split("\n")
    return "".join(f"{line}\n" for line in lines)


def table(entries: Sequence[Summary], width: int) -> str:
    """Lay out a table for each label set: an accuracy on one is not comparable with that on another.

    Args:
        entries: what to show.
        width: cells of the terminal; the wider it is, the more columns are shown.
    """
    width = max(width, _MIN_WIDTH)
    groups: dict[str, list[Summary]] = {}
    for entry in entries:
        groups.setdefault(entry.labels, []).append(entry)
    layout = _Layout(entries, width)
    parts = []
    for labels, members in groups.items():
        heading = f"{printable(labels)}: {counted(len(members), 'model')}"
        parts.append("".join(f"{line}\n" for line in wrapped(heading, width)) + layout.lines(members))
    return "\n".join(parts) if parts else layout.lines([])


class _Layout:
    """Columns that fit, the same for all tables of a list; a longer name has a line of its own."""

    def __init__(self, entries: Sequence[Summary], width: int) -> None:
        names = [printable(entry.name) for entry in entries]
        usual = _NAME if width >= _WIDE else _SHORT_NAME
        if sum(len(name) > usual for name in names) * 2 > len(names):
            usual = min(max(map(len, names)), width // 2)
        self._name = max([len("name"), *(len(name) for name in names if len(name) <= usual)])
        offered = [column for column in _COLUMNS if column.title != "yours" or any(map(_own, entries))]
        widths = {
            column.title: max([len(column.title), *(len(column.cell(entry)) for entry in entries)])
            for column in offered
        }
        shown: list[_Column] = []
        room = width - self._name
        for column in sorted(offered, key=lambda column: column.rank):
            if widths[column.title] + 1 > room:
                break
            room -= widths[column.title] + 1
            shown.append(column)
        self._gap = 2 if room >= len(shown) else 1
        room -= (self._gap - 1) * len(shown)
        self._name = max([self._name, *(len(name) for name in names if len(name) <= self._name + room)])
        self._widths = widths
        self._shown = [column for column in _COLUMNS if column in shown]

    def lines(self, entries: Sequence[Summary]) -> str:
        """Write a header and a line for each model."""
        rows = [self._row("name", [column.title for column in self._shown])]
        for entry in entries:
            rows.append(self._row(printable(entry.name), [column.cell(entry) for column in self._shown]))
        return "".join(rows)

    def _row(self, name: str, parts: Sequence[str]) -> str:
        cells = [name if len(name) <= self._name else ""]
        cells[0] = cells[0].ljust(self._name)
        for column, part in zip(self._shown, parts, strict=True):
            size = self._widths[column.title]
            cells.append(part.ljust(size) if column.title in _TITLES_OF_TEXT else part.rjust(size))
        line = (" " * self._gap).join(cells).rstrip() + "\n"
        return line if len(name) <= self._name else f"{name}\n{line}"
