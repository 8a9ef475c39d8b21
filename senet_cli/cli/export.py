"""`senet export`: write a checkpoint as another publisher's software reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from senet_cli.catalogue.resolve import ModelRef
from senet_cli.cli import options as opt
from senet_cli.cli.console import note, telling_files
from senet_cli.cli.help import MODEL, OUTPUT
from senet_cli.cli.hints import import_command
from senet_cli.output.base import open_output

EXAMPLES = (
    "senet export seresnet50 --layout senet",
    "senet export runs/pets --to torch --layout timm -o pets.pth",
    "senet export runs/pets --to zip -o pets.zip",
)
_TORCH_ENDINGS = {".pth", ".pt", ".bin"}


def _complete_layout(incomplete: str) -> list[str]:
    from senet_cli.weights.publishers import WRITABLE

    return [name for name in WRITABLE if name.startswith(incomplete)]


def export(
    context: typer.Context,
    name: opt.NameArgument,
    layout: Annotated[
        str | None,
        typer.Option(
            metavar="LAYOUT",
            autocompletion=_complete_layout,
            help="Whose names the tensors get: senet, timm, cadene, mmpretrain, ... Needed but for zip.",
            show_default=False,
            rich_help_panel=MODEL,
        ),
    ] = None,
    to: Annotated[
        Literal["safetensors", "torch", "zip"] | None,
        typer.Option(
            show_default="by the ending of -o, else safetensors",
            help="Kind of file; zip: the whole model, for somebody else's `senet import`.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write to this file.",
            show_default="NAME.LAYOUT.safetensors or .pth, NAME.zip",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file that is there.", rich_help_panel=OUTPUT)
    ] = False,
    manifest: opt.ManifestOption = None,
    offline: opt.OfflineOption = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Write a model's weights for another package: its key names, its shapes, its container.

    Prints the file, its bytes, its SHA-256, and what loads it, separated by tabs. The last is empty where no
    package builds exactly this network.
    """
    from senet_cli.tasks.export import ExportRequest
    from senet_cli.tasks.export import export as run

    if context.info_name == "convert":
        note(
            "`senet convert` is now called `senet export`; the old name goes with the next release",
            quiet=quiet,
        )
    ending = output.suffix.lower() if output else ""
    usual: Literal["safetensors", "torch", "zip"] = (
        "torch" if ending in _TORCH_ENDINGS else "zip" if ending == ".zip" else "safetensors"
    )
    request = ExportRequest(
        model=ModelRef.parse(name),
        container=to or usual,
        layout=layout,
        output=output,
        force=force,
    )
    settings = opt.settings(manifest, offline=offline)
    from senet_cli.cli.reporter import ConsoleReporter

    with open_output(None) as out, ConsoleReporter(quiet=quiet) as reporter:
        written = run(request, settings, reporter)
        if written.caution:
            note(written.caution, quiet=quiet)
        telling_files(quiet=quiet)(written.path)
        load = written.load
        if written.model:
            load = import_command(str(written.path), written.model, written.renamed)
        out.write(f"{written.path}\t{written.size}\t{written.sha256}\t{load}\n")
