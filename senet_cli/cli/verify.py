"""`senet verify`: check what the cache holds."""

from __future__ import annotations

from typing import Annotated

import typer

from senet_cli.catalogue.resolve import Catalogue
from senet_cli.cli import options as opt
from senet_cli.cli.console import complain
from senet_cli.cli.help import GENERAL
from senet_cli.errors import ExitCode
from senet_cli.output.base import open_output
from senet_cli.tasks.verify import verify as run


def verify(
    names: opt.NamesArgument = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep", help="Hash every file, also those that did not change since.", rich_help_panel=GENERAL
        ),
    ] = False,
    manifest: opt.ManifestOption = None,
) -> None:
    """Check downloaded models against the published digests.

    Without --deep a file is hashed only if it changed since it was last hashed. Without NAME, all downloaded
    models are checked. Prints name, "ok", "missing" or "damaged", and the SHA-256, separated by tabs. A
    damaged file is put aside, so that the next download fetches it again.
    """
    settings = opt.settings(manifest)
    catalogue = Catalogue.load(settings)
    code = ExitCode.OK
    for broken in () if names else catalogue.damaged.values():
        complain(broken)
        code = ExitCode.MODEL
    with open_output(None) as out:
        for found in run(names or (), catalogue, settings, deep=deep):
            if found.error:
                complain(found.error)
            out.write(f"{found.name}\t{found.state}\t{found.sha256}\n")
            if found.state == "damaged":
                code = ExitCode.DIGEST
            elif found.state == "missing":
                code = code or ExitCode.MODEL
    raise typer.Exit(code)
