"""JSON (one array) and JSON lines (one object a line), both in the published form of a record."""

from __future__ import annotations

import json

from senet_cli.inference.records import Record, as_dict
from senet_cli.output.text import encodable_json


def dumps(record: Record) -> str:
    """Write one line. Bytes that are not UTF-8 become escaped lone surrogates, as Python reads them."""
    return encodable_json(json.dumps(as_dict(record), ensure_ascii=False))


class JsonlWriter:
    """One object a line."""

    def begin(self) -> str:
        """See `Writer`."""
        return ""

    def record(self, record: Record) -> str:
        """See `Writer`."""
        return dumps(record) + "\n"

    def end(self) -> str:
        """See `Writer`."""
        return ""


class JsonWriter:
    """One array, a record a line; it is closed also when the run stops early."""

    def __init__(self) -> None:
        self._separator = "\n"

    def begin(self) -> str:
        """See `Writer`."""
        return "["

    def record(self, record: Record) -> str:
        """See `Writer`."""
        separator, self._separator = self._separator, ",\n"
        return separator + dumps(record)

    def end(self) -> str:
        """See `Writer`."""
        return "\n]\n"
