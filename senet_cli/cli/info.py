"""`senet info`: everything about one model."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from senet_cli.catalogue.resolve import Catalogue
from senet_cli.cli import options as opt
from senet_cli.cli.console import terminal_width
from senet_cli.cli.facts import as_json, for_programs
from senet_cli.cli.help import OUTPUT
from senet_cli.cli.model_page import model_page
from senet_cli.cli.pager import show
from senet_cli.tasks.model_facts import class_facts, model_facts

EXAMPLES = ("senet info seresnet50", "senet info runs/pets --classes")


def info(
    name: opt.NameArgument,
    classes: Annotated[
        bool,
        typer.Option(
            "--classes",
            help="Show its classes instead: index, id, name and synonyms.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    format: Annotated[  # noqa: A002 - the name of the option
        Literal["text", "json"], typer.Option(help="Format of the output.", rich_help_panel=OUTPUT)
    ] = "text",
    manifest: opt.ManifestOption = None,
) -> None:
    """Show everything about one model: structure, preprocessing, files, digests, accuracy, sources."""
    settings = opt.settings(manifest)
    model = Catalogue.load(settings).resolve(name)
    if classes:
        facts = class_facts(model.labels)
        show(as_json(facts) if format == "json" else for_programs(facts, list(facts[0]), "tsv"))
        return
    found = model_facts(model, settings)
    show(as_json(found) if format == "json" else model_page(found, terminal_width(sys.stdout)))
