"""What `senet info` shows people: each fact with its unit, on lines that fit the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from senet_cli.catalogue.entries import OWN_RUN
from senet_cli.cli.console import megabytes
from senet_cli.cli.models_table import short
from senet_cli.output.text import cells, printable, wrapped

_COLUMN, _INDENT = 24, " " * 4
_UNTOLD = {"multiply_adds", "preprocess", "test_preprocess", "activation", "path"}
"""Facts that stand in another line, or that only programs need."""
_TITLES = {
    "other_recipes": "other recipes",
    "alias": "also called",
    "cached": "on this machine",
    "source": "sources",
}
_Line = tuple[str, str]


def model_page(facts: dict[str, Any], width: int | None) -> str:
    """Write the facts about a model for people.

    Args:
        facts: as `model_facts` gives them.
        width: cells of the terminal; None: lines are not wrapped.
    """
    lines = []
    for title, text in _lines(facts):
        first = title.ljust(_COLUMN)
        if not text:
            lines.append(title)
        elif width is None:
            lines.append(f"{first}{text}")
        else:
            longest = max(map(cells, text.split(" ")))
            if longest <= width - _COLUMN:
                lines += wrapped(text, width, first=first, rest=" " * _COLUMN)
            else:  # an address or a digest, which must stay whole
                lines += [title, *wrapped(text, width, first=_INDENT, rest=_INDENT)]
    return "".join(f"{line}\n" for line in lines)


def _lines(facts: dict[str, Any]) -> Iterator[_Line]:
    for key, value in facts.items():
        title = _TITLES.get(key, key.replace("_", " "))
        if key in _UNTOLD or value in (None, "", []):
            continue
        if key == "parameters":
            yield "size", f"{short(value)} parameters, {short(facts['multiply_adds'])} multiply-adds"
        elif key == "accuracy":
            yield from (_accuracy(entry) for entry in value)
        elif key == "file":
            for entry in value:
                yield from _file(entry)
        elif key == "cached":
            yield title, printable(facts["path"]) if value else "no"
        elif isinstance(value, list):
            yield title, printable(", ".join(value))
        else:
            yield title, printable(str(value))
        if key == "preprocessing" and facts["activation"] != "softmax":
            yield "activation", facts["activation"]


def _accuracy(entry: dict[str, Any]) -> _Line:
    top5 = "" if entry["top5"] is None else f", {entry['top5']:g} % top-5"
    size = f" at {entry['size']} pixels"
    recipe = f" (--recipe {entry['recipe']})" if entry["recipe"] == "test" else ""
    figures = f"{entry['top1']:g} % top-1{top5}{size}{recipe}"
    dataset, source = printable(entry["dataset"]), printable(entry["source"])
    if entry["source"] == OWN_RUN:
        return "your accuracy", f"{figures}, {dataset}"
    return "accuracy", f"{figures}, {dataset}, {source}"


def _file(entry: dict[str, Any]) -> Iterator[_Line]:
    size = "size not published" if entry["bytes"] is None else megabytes(entry["bytes"])
    yield "file", f"{entry['format']}, {size}, key names as in {printable(entry['key_layout'])}"
    yield "  digest", f"{entry['digest']}"
    seen = entry["seen_by_us"]
    if entry["url"] or seen != "never":  # else they are your own
        yield "  bytes verified by us", "no" if seen == "never" else f"yes, {seen}"
    for url in entry["url"]:
        yield "  address", printable(url)
