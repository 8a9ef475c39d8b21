"""`senet list` and `senet info`: what there is to choose from."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from senet_cli.cli import options as opt
from senet_cli.cli.console import is_terminal
from senet_cli.describe import architecture_facts, checkpoint_facts, checkpoint_summary
from senet_cli.manifest import find_checkpoint, load_manifest
from senet_cli.store.cache import Cache
from senet_cli.writers.base import Output, open_output
from senet_cli.writers.text import columns, encodable_json, printable

_TABLE_COLUMNS = ("name", "default", "top1", "size", "params_M", "GMACs", "MB", "cached")
"""What fits a terminal; tsv and json have everything."""

ListFormat = Literal["table", "tsv", "json"]
FormatOption = Annotated[
    ListFormat | None,
    typer.Option(show_default="table on a terminal, tsv off it", help="How it is written."),
]


def list_(
    architectures: Annotated[
        bool, typer.Option("--architectures", help="Architecture keys instead of models.")
    ] = False,
    format: FormatOption = None,  # noqa: A002 - the name of the option
    manifest: opt.ManifestOption = None,
) -> None:
    """List the models, with accuracy and size.

    The name before the dot alone (`seresnet50`) stands for the model with the star. The tab-separated form
    has a header and more columns.
    """
    settings = opt.settings(manifest)
    catalogue = load_manifest(settings.manifest)
    if architectures:
        facts = [architecture_facts(entry) for entry in catalogue.architectures.values()]
    else:
        cache = Cache.from_settings(settings)
        facts = [
            checkpoint_summary(entry, catalogue, cached=bool(cache.holds(entry)))
            for entry in catalogue.checkpoints.values()
        ]
    with open_output(None) as out:
        _write(facts, format or ("table" if is_terminal(sys.stdout) else "tsv"), out)


def info(
    name: Annotated[str, typer.Argument(metavar="NAME|RUN", autocompletion=opt.complete_model)],
    format: Annotated[  # noqa: A002 - the name of the option
        Literal["text", "json"], typer.Option(help="How it is written.")
    ] = "text",
    manifest: opt.ManifestOption = None,
) -> None:
    """Show everything about one model: structure, preprocessing, files, digests, accuracy, sources."""
    settings = opt.settings(manifest)
    checkpoint, catalogue = find_checkpoint(name, settings.manifest)
    cached = bool(Cache.from_settings(settings).holds(checkpoint))
    facts = checkpoint_facts(checkpoint, catalogue, cached=cached)
    with open_output(None) as out:
        out.write(_json(facts) if format == "json" else _text(facts))


def _write(facts: Sequence[dict[str, Any]], style: ListFormat, out: Output) -> None:
    if style == "json":
        out.write(_json(facts))
        return
    if style == "table":
        facts = [_for_table(fact) for fact in facts]
    head = list(facts[0]) if facts else []
    rows = [[_cell(fact[key]) for key in head] for fact in facts]
    if style == "tsv":
        out.write("".join("\t".join(row) + "\n" for row in [head, *rows]))
        return
    titles = [key.replace("_", " ") for key in head]
    numeric = [all(isinstance(fact[key], int | float | None) for fact in facts) for key in head]
    out.write(columns([titles, *rows], numeric))


def _for_table(fact: dict[str, Any]) -> dict[str, Any]:
    """Fewer columns, shorter cells, and a star for a default: the name before the dot says for what."""
    if "name" not in fact:
        return fact
    star, size = "*" if fact["default"] else None, fact["MB"]
    short = {"default": star, "MB": round(size) if size and size >= 10 else size}
    return {key: short.get(key, fact[key]) for key in _TABLE_COLUMNS}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(str(value))


def _json(facts: object) -> str:
    return encodable_json(json.dumps(facts, indent=1, ensure_ascii=False)) + "\n"


def _text(facts: dict[str, Any], indent: str = "") -> str:
    lines = ""
    for key, value in facts.items():
        title = f"{indent}{key.replace('_', ' ')}"
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines += "".join(f"{title}\n{_text(item, indent + '  ')}" for item in value)
        elif isinstance(value, list):
            lines += "".join(f"{title:22}{_cell(item)}\n" for item in value)
        elif value not in (None, ""):
            lines += f"{title:22}{_cell(value)}\n"
    return lines
