"""Facts about models as text for people, and as tables and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

from senet_cli.output.rows import csv_lines
from senet_cli.output.text import encodable_json, fitted, printable

ListFormat = Literal["table", "tsv", "csv", "json"]


def for_programs(facts: Sequence[dict[str, Any]], head: Sequence[str], style: ListFormat) -> str:
    """Write facts with a header, or as JSON."""
    if style == "json":
        return as_json(facts)
    rows = [head, *([_cell(fact[key]) for key in head] for fact in facts)]
    return csv_lines(rows) if style == "csv" else "".join("\t".join(row) + "\n" for row in rows)


def plain_table(facts: Sequence[dict[str, Any]], width: int | None) -> str:
    """Write facts as a table that fits a terminal, with the first one's names as its header."""
    head = list(facts[0])
    rows = [[_cell(fact[key]) for key in head] for fact in facts]
    numeric = [all(isinstance(fact[key], int | float | None) for fact in facts) for key in head]
    return fitted([[key.replace("_", " ") for key in head], *rows], numeric, width)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return printable(", ".join(value))
    return printable(str(value))


def as_json(facts: object) -> str:
    """Write facts as JSON."""
    return encodable_json(json.dumps(facts, indent=1, ensure_ascii=False)) + "\n"
