"""Which writer for which output."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from senet_cli.output.base import Format, Writer
from senet_cli.output.endings import WRITTEN


def make_writer(
    name: Format,
    *,
    width: int = 80,
    colour: bool = False,
    unicode: bool = True,
    brief: bool = False,
    inert: bool = False,
    null: bool = False,
) -> Writer:
    """Make the writer of a format, whose module is imported only now.

    Args:
        name: of the format.
        width, colour, unicode, brief: see `TableWriter`; for the table only.
        inert: see `CsvWriter`; for CSV only.
        null: see `PathsWriter`; for paths only.
    """
    options: dict[Format, dict[str, Any]] = {
        "table": {"width": width, "colour": colour, "unicode": unicode, "brief": brief},
        "csv": {"inert": inert},
        "paths": {"null": null},
    }
    place = WRITTEN[name]
    module = import_module(f"senet_cli.output.{place.module}")
    writer: Writer = getattr(module, place.writer)(**options.get(name, {}))
    return writer
