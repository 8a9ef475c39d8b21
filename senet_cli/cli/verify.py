"""`senet verify`: check what the cache holds."""

from __future__ import annotations

from typing import Annotated

import typer

from senet_cli.catalogue.lookup import find_checkpoint, load_manifest
from senet_cli.cli import options as opt
from senet_cli.cli.console import complain
from senet_cli.errors import CheckpointError, DigestError, ExitCode
from senet_cli.output.base import open_output
from senet_cli.store.cache import Cache


def verify(
    names: opt.NamesArgument = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Hash every file, also those that did not change since.")
    ] = False,
    manifest: opt.ManifestOption = None,
) -> None:
    """Check downloaded models against the published digests.

    Without --deep a file is hashed only if it changed since it was last hashed. Without NAME all that are
    there. Prints name, "ok", "missing" or "damaged", and the SHA-256, separated by
    tabs. A damaged file is put aside, so that the next download fetches it again.
    """
    settings = opt.settings(manifest)
    code = ExitCode.OK
    if names:
        chosen = [find_checkpoint(name, settings.manifest, settings.models)[0] for name in names]
    else:
        catalogue = load_manifest(settings.manifest, settings.models)
        chosen = list(catalogue.checkpoints.values())
        for broken in catalogue.damaged.values():
            complain(broken)
            code = ExitCode.MODEL
    cache = Cache.from_settings(settings)
    with open_output(None) as out:
        for checkpoint in chosen:
            try:
                found = cache.verify(checkpoint) if deep else cache.find(checkpoint)
            except DigestError as error:
                complain(error)
                out.write(f"{checkpoint.name}\tdamaged\t\n")
                code = ExitCode.DIGEST
                continue
            except CheckpointError as error:  # it came with its manifest, and is gone
                complain(error)
                out.write(f"{checkpoint.name}\tmissing\t\n")
                code = code or ExitCode.MODEL
                continue
            if found:
                out.write(f"{checkpoint.name}\tok\t{found.sha256}\n")
            elif names:
                out.write(f"{checkpoint.name}\tmissing\t\n")
                code = code or ExitCode.MODEL
    raise typer.Exit(code)
