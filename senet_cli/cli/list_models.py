"""`senet list`: what there is to choose from."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict, fields, replace
from typing import Annotated

import typer

from senet_cli.catalogue.resolve import Catalogue
from senet_cli.cli import options as opt
from senet_cli.cli.console import complain, is_terminal, note, terminal_width
from senet_cli.cli.facts import ListFormat, for_programs, plain_table
from senet_cli.cli.help import INPUT, OUTPUT
from senet_cli.cli.models_table import overview, table
from senet_cli.cli.pager import show
from senet_cli.errors import UsageError
from senet_cli.tasks.list_models import ListRequest, SortKey, Summary, list_models
from senet_cli.tasks.model_facts import architecture_facts

FormatOption = Annotated[
    ListFormat | None,
    typer.Option(
        show_default="table on a terminal, tsv off it", help="Format of the output.", rich_help_panel=OUTPUT
    ),
]
EXAMPLES = (
    "senet list 'seresnet50*'",
    "senet list --labels imagenet-1k --max-size 60 --sort top1",
    "senet list --family seresnet50 --format json",
)
FIRST = ("labels", "cached", "max_size", "sort", "format")


def list_(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            autocompletion=opt.complete_model,
            show_default=False,
            help="Only models of these names; `*` and `?` stand for anything, as in 'seresnet50*'.",
        ),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            autocompletion=opt.complete_family,
            show_default=False,
            help="Only models with this name before the dot; may be given again.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    publisher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            show_default=False,
            help="Only this publisher's models (a word of the name); may be given again.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SET",
            autocompletion=opt.complete_labels,
            show_default=False,
            help="Only models with these classes, such as imagenet-1k; may be given again.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    max_size: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="MB",
            help="Only files up to so many megabytes (unknown: 4 bytes a parameter).",
            rich_help_panel=INPUT,
        ),
    ] = None,
    cached: Annotated[
        bool, typer.Option("--cached", help="Only models that are on this machine.", rich_help_panel=INPUT)
    ] = False,
    sort: Annotated[
        SortKey | None,
        typer.Option(
            metavar="KEY",
            show_default="the manifest's order",
            help="name, top1, top5, parameters, multiply-adds or bytes: accuracy best first, the others "
            "smallest first.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    architectures: Annotated[
        bool,
        typer.Option(
            "--architectures", help="List architecture keys instead of models.", rich_help_panel=OUTPUT
        ),
    ] = False,
    format: FormatOption = None,  # noqa: A002 - the name of the option
    manifest: opt.ManifestOption = None,
) -> None:
    """List the models: accuracy in percent, parameters, multiply-adds (MACs), megabytes.

    Accuracies are the publishers', for each label set apart; `yours` is what `senet train` measured on so
    many images of yours. The name before the dot alone (`seresnet50`) stands for the model with the star.
    Megabytes after `~` are not published but four bytes a parameter. The forms for programs have a header
    and more columns.
    """
    millions = None if max_size is None else 1e6 * max_size
    wanted = ListRequest(
        names=tuple(names or ()),
        families=tuple(family or ()),
        publishers=tuple(publisher or ()),
        labels=tuple(labels or ()),
        max_bytes=millions,
        cached=cached,
        sort=sort,
    )
    if architectures and wanted != ListRequest():
        raise UsageError("`--architectures` lists all of them", "Leave the other options out.")
    settings = opt.settings(manifest)
    catalogue = Catalogue.load(settings)
    for damaged in catalogue.damaged.values():
        complain(damaged)
    style = format or ("table" if is_terminal(sys.stdout) else "tsv")
    width = shutil.get_terminal_size().columns
    if architectures:
        keys = [architecture_facts(entry) for entry in catalogue.manifest.architectures.values()]
        show(
            plain_table(keys, terminal_width(sys.stdout))
            if style == "table"
            else for_programs(keys, list(keys[0]), style)
        )
        return
    entries = list_models(wanted, catalogue, settings)
    if style == "table":
        above = f"{overview(entries, width)}\n" if replace(wanted, sort=None) == ListRequest() else ""
        show(above + table(entries, width))
    else:
        show(for_programs([asdict(entry) for entry in entries], _HEAD, style))
    if not entries:
        note("no model fits all of that")


_HEAD = [field.name for field in fields(Summary)]
