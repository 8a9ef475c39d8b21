"""`senet download`: fetch checkpoints ahead of time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from senet_cli.cli import options as opt
from senet_cli.cli.console import complain
from senet_cli.cli.help import INPUT, OUTPUT
from senet_cli.errors import UsageError
from senet_cli.output.base import open_output
from senet_cli.tasks.download import Download, DownloadRequest


def download(
    names: opt.NamesArgument = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="All models; with --from, those that are found there.", rich_help_panel=INPUT
        ),
    ] = False,
    origin: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE|DIR",
            help="Take a file, or what a folder holds, instead of the network; verified all the same.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be done.", rich_help_panel=OUTPUT)
    ] = False,
    print_urls: Annotated[
        bool,
        typer.Option(
            "--print-urls",
            help="Only print what another machine should fetch: address, file name, model.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    manifest: opt.ManifestOption = None,
    offline: Annotated[
        bool, opt.offline_option("Never use the network: what is not here is an error.")
    ] = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Download and verify models. What is there already is left alone.

    Prints the name and the path of each model's file, separated by a tab; with --dry-run the name, "present",
    "download", "import" or "absent" (with --from), the bytes to fetch and from where; with --print-urls what
    to fetch elsewhere for `senet download --all --from DIR` here.
    """
    if print_urls and (dry_run or origin is not None):
        raise UsageError("`--print-urls` only prints", "Give it without --dry-run and --from.")
    if everything == bool(names):
        raise UsageError("name the models to download, or give --all", "`senet list` shows them.")
    settings = opt.settings(manifest, offline=offline)
    request = DownloadRequest(names=tuple(names or ()), origin=origin)
    from senet_cli.cli.reporter import ConsoleReporter

    with open_output(None) as out, ConsoleReporter(quiet=quiet) as reporter:
        task = Download(request, settings, reporter)
        if print_urls:
            for address in task.addresses():
                out.write(f"{address.url}\t{address.file_name}\t{address.model}\n")
        elif dry_run:
            for plan in task.plan():
                size = "" if plan.size is None else plan.size
                out.write(f"{plan.name}\t{plan.action}\t{size}\t{plan.place}\n")
        else:
            for name, path in task.run():
                out.write(f"{name}\t{path}\n")
    for error in task.errors:
        complain(error)
    if task.errors:
        raise typer.Exit(task.errors[0].exit_code)
