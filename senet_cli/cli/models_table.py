"""The list of models as a table that fits a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from senet_cli.output.text import columns, printable
from senet_cli.tasks.list_models import Summary

MIN_WIDTH = 80
_NUMBERS = ("top-1", "top-5", "size", "params", "MACs", "bytes")
_Cell = Callable[[Summary], str]
_COLUMNS: dict[str, _Cell] = {
    "*": lambda entry: "*" if entry.default else "",
    "top-1": lambda entry: _percent(entry.top1),
    "top-5": lambda entry: _percent(entry.top5),
    "size": lambda entry: str(entry.size),
    "params": lambda entry: short(entry.parameters),
    "MACs": lambda entry: short(entry.multiply_adds),
    "bytes": lambda entry: short(entry.bytes) if entry.bytes else f"~{short(entry.likely_bytes)}",
    "here": lambda entry: "yes" if entry.cached else "",
}
_IF_THERE_IS_ROOM: dict[str, _Cell] = {
    "labels": lambda entry: printable(entry.labels),
    "digest": lambda entry: entry.digest,
    "licence": lambda entry: printable(entry.licence),
    "publisher": lambda entry: printable(entry.publisher),
}
_UNITS = (("", 1), ("k", 10**3), ("M", 10**6), ("G", 10**9), ("T", 10**12))


def table(entries: Sequence[Summary], width: int) -> str:
    """Lay out a header and a line for each model; a name too long for its column gets a separate line.

    Args:
        entries: what to show.
        width: cells of the terminal; with more than `MIN_WIDTH` more columns are shown.
    """
    shown = [_column(title, cell, entries) for title, cell in _COLUMNS.items()]
    names = [printable(entry.name) for entry in entries]
    longest = max([len("name"), *map(len, names)])
    gap = next((gap for gap in (2, 1) if longest + _cells(shown, gap) <= max(width, MIN_WIDTH)), 1)
    room = max(width, MIN_WIDTH) - _cells(shown, gap)
    column = max([len("name"), *(len(name) for name in names if len(name) <= room)])
    for title, cell in _IF_THERE_IS_ROOM.items():
        more = _column(title, cell, entries)
        if column + _cells([*shown, more], gap) > width:
            break
        shown.append(more)
    first = ["name", *(name if len(name) <= column else "" for name in names)]
    numeric = [title[0] in _NUMBERS for title in ([""], *shown)]
    head, *lines = columns(list(zip(first, *shown, strict=True)), numeric, gap).splitlines()
    above = (f"{name}\n" if len(name) > column else "" for name in names)
    return f"{head}\n" + "".join(f"{own}{line}\n" for own, line in zip(above, lines, strict=True))


def _column(title: str, cell: _Cell, entries: Sequence[Summary]) -> list[str]:
    return [title, *(cell(entry) for entry in entries)]


def _cells(shown: Sequence[Sequence[str]], gap: int) -> int:
    """Width of these columns with a gap before each."""
    return sum(gap + max(map(len, column)) for column in shown)


def short(number: int) -> str:
    """Write a count with three digits and a unit: 28.1M."""
    unit, scale = next(((u, s) for u, s in _UNITS if number < 999.5 * s), _UNITS[-1])
    value = number / scale
    digits = 0 if scale == 1 or value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}{unit}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
