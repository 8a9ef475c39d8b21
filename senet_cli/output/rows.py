"""TSV and CSV: one row for each prediction, one for an image without any."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from senet_cli.inference.records import ImageFailure, Record
from senet_cli.output.base import COLUMNS

_FORMULAS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""What formulas begin with, or what comes before them: OWASP's list for CSV injection."""
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def rows(record: Record) -> Iterator[tuple[str, ...]]:
    """Yield the values of `COLUMNS` for each row. Rank 0 stands for an image without predictions."""
    if isinstance(record, ImageFailure):
        yield record.path, "0", "", "", "", "", record.kind
        return
    for rank, best in enumerate(record.predictions, start=1):
        score = f"{best.score:.6g}"
        yield record.path, str(rank), best.label, score, best.id or "", str(best.index), ""
    if not record.predictions:
        yield record.path, "0", "", "", "", "", ""


def tsv_line(values: Iterable[str]) -> str:
    """Join values to a line; tab, line ends and backslash are escaped."""
    return "\t".join(value.translate(_ESCAPES) for value in values) + "\n"


class TsvWriter:
    """Tab-separated, no header; tab, line ends and backslash are escaped."""

    def begin(self) -> str:
        """See `Writer`."""
        return ""

    def record(self, record: Record) -> str:
        """See `Writer`."""
        return "".join(map(tsv_line, rows(record)))

    def end(self) -> str:
        """See `Writer`."""
        return ""


class CsvWriter:
    """RFC 4180 with a header.

    Args:
        inert: True to put an apostrophe before what a spreadsheet would calculate as a formula.
    """

    def __init__(self, *, inert: bool = False) -> None:
        self._inert = inert

    def begin(self) -> str:
        """See `Writer`."""
        return csv_lines([COLUMNS])

    def record(self, record: Record) -> str:
        """See `Writer`."""
        found = rows(record)
        return csv_lines([list(map(_inert, row)) for row in found] if self._inert else found)

    def end(self) -> str:
        """See `Writer`."""
        return ""


def _inert(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULAS) else value


def csv_lines(lines: Iterable[Sequence[str]]) -> str:
    """Write rows as RFC 4180 has them."""
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows(lines)
    return buffer.getvalue()
