"""The formats of records: who writes them, and what the ending of a file's name says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, TypeVar, get_args

from senet_cli.errors import UsageError, advise

Format = Literal["table", "tsv", "csv", "json", "jsonl", "paths"]
FORMATS: tuple[Format, ...] = get_args(Format)


class Written(NamedTuple):
    """How a format is written: a module of `senet_cli.output`, its `Writer`, the endings of such files.

    A format is resumable if all that comes after a record is more records.
    """

    module: str
    writer: str
    endings: tuple[str, ...]
    resumable: bool = False


WRITTEN: dict[Format, Written] = {
    "tsv": Written("rows", "TsvWriter", ("", ".tsv", ".txt"), resumable=True),
    "csv": Written("rows", "CsvWriter", (".csv",), resumable=True),
    "json": Written("json", "JsonWriter", (".json",)),
    "jsonl": Written("json", "JsonlWriter", (".jsonl", ".ndjson"), resumable=True),
    "paths": Written("paths", "PathsWriter", (), resumable=True),
    "table": Written("table", "TableWriter", (".table",)),
}
"""A new format is a row here, its name in `Format`, and a module with its writer."""
Compression = Literal["gz", "zst"]

ReportFormat = Literal["table", "json"]
EvaluationFormat = Literal["table", "tsv", "json"]
_FORMATS = {ending: name for name, written in WRITTEN.items() for ending in written.endings}
_REPORTS: dict[str, ReportFormat] = {"": "table", ".txt": "table", ".table": "table", ".json": "json"}
_EVALUATIONS: dict[str, EvaluationFormat] = {**_REPORTS, ".tsv": "tsv"}
_COMPRESSIONS: dict[str, Compression] = {".gz": "gz", ".zst": "zst"}
_Name = TypeVar("_Name", bound=str)


def compression_of(path: Path) -> Compression | None:
    """Find how a file of this name is compressed: by its ending, in any case."""
    return _COMPRESSIONS.get(path.suffix.lower())


def format_of(path: Path) -> Format:
    """Find the format of records in a file by its ending, in any case, before a compression's.

    What is there and no file, such as a pipe, may be named at will.

    Raises:
        UsageError: it ends like something that we do not write.
    """
    return _by_ending(path, _FORMATS)


def report_format_of(path: Path | None) -> ReportFormat:
    """Find the format of a report, like `format_of`; a table if there is no file.

    Raises:
        UsageError: it ends like something that we do not write.
    """
    return _by_ending(path, _REPORTS) if path else "table"


def evaluation_format_of(path: Path | None) -> EvaluationFormat:
    """Find the format of an evaluation, like `report_format_of`."""
    return _by_ending(path, _EVALUATIONS) if path else "table"


def _by_ending(path: Path, formats: dict[str, _Name]) -> _Name:
    name = path.with_suffix("") if compression_of(path) else path
    found = formats.get(name.suffix.lower())
    if found is None and path.exists() and not path.is_file():
        found = formats[""]
    if found is None:
        known = ", ".join(ending for ending in formats if ending)
        raise UsageError(
            f"`{path}`: `{name.suffix}` is not the ending of a format that is written",
            f"Endings: {known}, each also with {' or '.join(_COMPRESSIONS)}.",
            advise("name-format"),
        )
    return found
