"""Which writer for which output."""

from __future__ import annotations

from collections.abc import Callable

from senet_cli.output.base import Format, Writer
from senet_cli.output.json import JsonlWriter, JsonWriter
from senet_cli.output.rows import CsvWriter, TsvWriter
from senet_cli.output.table import TableWriter


def make_writer(
    name: Format, *, width: int = 80, colour: bool = False, unicode: bool = True, inert: bool = False
) -> Writer:
    """The writer of a format; width, colour and characters matter for the table only, `inert` for CSV."""
    if name == "table":
        return TableWriter(width, colour=colour, unicode=unicode)
    writers: dict[Format, Callable[[], Writer]] = {
        "tsv": TsvWriter,
        "csv": lambda: CsvWriter(inert=inert),
        "json": JsonWriter,
        "jsonl": JsonlWriter,
    }
    return writers[name]()
