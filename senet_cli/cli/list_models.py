"""`senet list` and `senet info`: what there is to choose from."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Annotated, Any, Literal

import typer

from senet_cli.catalogue.resolve import Catalogue
from senet_cli.cli import options as opt
from senet_cli.cli.console import complain, is_terminal, note
from senet_cli.cli.models_table import table
from senet_cli.errors import UsageError
from senet_cli.output.base import open_output
from senet_cli.output.rows import csv_lines
from senet_cli.output.text import columns, encodable_json, printable
from senet_cli.tasks.list_models import ListRequest, SortKey, Summary, list_models
from senet_cli.tasks.model_facts import architecture_facts, class_facts, model_facts

ListFormat = Literal["table", "tsv", "csv", "json"]
FormatOption = Annotated[
    ListFormat | None,
    typer.Option(show_default="table on a terminal, tsv off it", help="Format of the output."),
]
LIST_EPILOG = """Examples:

  senet list --labels imagenet-1k --max-size 60 --sort top1

  senet list --family seresnet50 --format json
"""


def list_(
    family: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            autocompletion=opt.complete_family,
            show_default=False,
            help="Only models with this name before the dot; may be given again.",
        ),
    ] = None,
    publisher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="Only this publisher's models (a word of the name); may be given again.",
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SET",
            autocompletion=opt.complete_labels,
            show_default=False,
            help="Only models with these classes, such as imagenet-1k; may be given again.",
        ),
    ] = None,
    max_size: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="MB", help="Only files up to so many megabytes (unknown: 4 bytes a parameter)."
        ),
    ] = None,
    cached: Annotated[bool, typer.Option("--cached", help="Only models that are on this machine.")] = False,
    sort: Annotated[
        SortKey | None,
        typer.Option(
            show_default="the manifest's order",
            help="Sort by accuracy, best first, or by another value, smallest first.",
        ),
    ] = None,
    architectures: Annotated[
        bool, typer.Option("--architectures", help="List architecture keys instead of models.")
    ] = False,
    format: FormatOption = None,  # noqa: A002 - the name of the option
    manifest: opt.ManifestOption = None,
) -> None:
    """List the models: published accuracy in percent and its size, parameters, multiply-adds, bytes.

    The name before the dot alone (`seresnet50`) stands for the model with the star. Sizes after `~` are not
    published but four bytes a parameter. The forms for programs have a header and more columns.
    """
    millions = None if max_size is None else 1e6 * max_size
    wanted = ListRequest(
        tuple(family or ()), tuple(publisher or ()), tuple(labels or ()), millions, cached, sort
    )
    if architectures and wanted != ListRequest():
        raise UsageError("`--architectures` lists all of them", "Leave the other options out.")
    settings = opt.settings(manifest)
    catalogue = Catalogue.load(settings)
    for damaged in catalogue.damaged.values():
        complain(damaged)
    style = format or ("table" if is_terminal(sys.stdout) else "tsv")
    if architectures:
        keys = [architecture_facts(entry) for entry in catalogue.manifest.architectures.values()]
        with open_output(None) as out:
            out.write(_plain_table(keys) if style == "table" else _for_programs(keys, list(keys[0]), style))
        return
    entries = list_models(wanted, catalogue, settings)
    with open_output(None) as out:
        if style == "table":
            out.write(table(entries, shutil.get_terminal_size().columns))
        else:
            out.write(_for_programs([asdict(entry) for entry in entries], _HEAD, style))
    if not entries:
        note("no model fits all of that")


def info(
    name: Annotated[str, typer.Argument(metavar="NAME|RUN", autocompletion=opt.complete_model)],
    classes: Annotated[
        bool, typer.Option("--classes", help="Show its classes instead: index, id, name and synonyms.")
    ] = False,
    format: Annotated[  # noqa: A002 - the name of the option
        Literal["text", "json"], typer.Option(help="Format of the output.")
    ] = "text",
    manifest: opt.ManifestOption = None,
) -> None:
    """Show everything about one model: structure, preprocessing, files, digests, accuracy, sources."""
    settings = opt.settings(manifest)
    model = Catalogue.load(settings).resolve(name)
    if classes:
        facts = class_facts(model.labels)
        with open_output(None) as out:
            out.write(_json(facts) if format == "json" else _for_programs(facts, list(facts[0]), "tsv"))
        return
    found = model_facts(model, settings)
    with open_output(None) as out:
        out.write(_json(found) if format == "json" else _text(found))


_HEAD = [field.name for field in fields(Summary)]


def _for_programs(facts: Sequence[dict[str, Any]], head: Sequence[str], style: ListFormat) -> str:
    if style == "json":
        return _json(facts)
    rows = [head, *([_cell(fact[key]) for key in head] for fact in facts)]
    return csv_lines(rows) if style == "csv" else "".join("\t".join(row) + "\n" for row in rows)


def _plain_table(facts: Sequence[dict[str, Any]]) -> str:
    head = list(facts[0])
    rows = [[_cell(fact[key]) for key in head] for fact in facts]
    numeric = [all(isinstance(fact[key], int | float | None) for fact in facts) for key in head]
    return columns([[key.replace("_", " ") for key in head], *rows], numeric)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return printable(", ".join(value))
    return printable(str(value))


def _json(facts: object) -> str:
    return encodable_json(json.dumps(facts, indent=1, ensure_ascii=False)) + "\n"


def _text(facts: dict[str, Any], indent: str = "") -> str:
    lines = ""
    for key, value in facts.items():
        title = f"{indent}{key.replace('_', ' ')}"
        if isinstance(value, dict):
            continue  # for programs; people get the words
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines += "".join(f"{title}\n{_text(item, indent + '  ')}" for item in value)
        elif isinstance(value, list):
            lines += "".join(f"{title:22}{_cell(item)}\n" for item in value)
        elif value not in (None, ""):
            lines += f"{title:22}{_cell(value)}\n"
    return lines
