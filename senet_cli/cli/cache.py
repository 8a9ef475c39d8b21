"""`senet cache`: where downloaded models lie, and how to get rid of them."""

from __future__ import annotations

from typing import Annotated

import typer

from senet_cli.cli import options as opt
from senet_cli.cli.console import megabytes, note
from senet_cli.cli.help import INPUT, Command, Commands
from senet_cli.errors import UsageError
from senet_cli.output.base import open_output
from senet_cli.tasks.clear_cache import clear_cache, remove_downloads

app = typer.Typer(
    name="cache",
    help="Where downloaded models lie, and removing them.",
    cls=Commands,
    rich_markup_mode=None,
    add_completion=False,
)


@app.command("dir", cls=Command)
def show() -> None:
    """Print the cache folder (change it with SENET_CACHE)."""
    with open_output(None) as out:
        out.write(f"{opt.settings(None).cache}\n")


@app.command(cls=Command)
def rm(
    names: opt.NamesArgument = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All downloaded models.", rich_help_panel=INPUT)
    ] = False,
    manifest: opt.ManifestOption = None,
    quiet: opt.QuietOption = False,
) -> None:
    """Remove downloaded models."""
    if everything == bool(names):
        raise UsageError("name the models to remove, or give --all", "`senet verify` shows them.")
    settings = opt.settings(manifest)
    from senet_cli.cli.reporter import ConsoleReporter

    with ConsoleReporter(quiet=quiet) as reporter:
        freed = clear_cache(settings) if everything else remove_downloads(names or (), settings, reporter)
    note(f"{megabytes(freed)} freed", quiet=quiet)
