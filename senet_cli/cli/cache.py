"""`senet cache`: where downloaded models lie, and how to get rid of them."""

from __future__ import annotations

from typing import Annotated

import typer

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.cli import options as opt
from senet_cli.cli.console import megabytes, note
from senet_cli.errors import UsageError
from senet_cli.output.base import open_output
from senet_cli.store.cache import Cache
from senet_cli.store.conversions import ConvertedStore
from senet_cli.store.model_folders import ImportedModels

app = typer.Typer(
    name="cache",
    help="Where downloaded models lie, and removing them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@app.command("dir")
def show() -> None:
    """Print the cache folder (change it with SENET_CACHE)."""
    with open_output(None) as out:
        out.write(f"{opt.settings(None).cache}\n")


@app.command()
def rm(
    names: opt.NamesArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="All downloaded models.")] = False,
    manifest: opt.ManifestOption = None,
    quiet: opt.QuietOption = False,
) -> None:
    """Remove downloaded models."""
    if everything == bool(names):
        raise UsageError("name the models to remove, or give --all", "`senet verify` shows them.")
    settings = opt.settings(manifest)
    cache, conversions = Cache.from_settings(settings), ConvertedStore(settings)
    if everything:
        freed = cache.clear() + conversions.clear()
    else:
        catalogue = load_manifest(settings.manifest, settings.models)
        checkpoints = [catalogue.checkpoint(name) for name in names or []]
        digests = [digest for checkpoint in checkpoints for digest in cache.digests(checkpoint)]
        freed = sum(map(conversions.remove, dict.fromkeys(digests)))
        freed += sum(map(cache.remove, checkpoints))
        for checkpoint in checkpoints:
            if settings.models and ImportedModels(settings.models).holds(checkpoint.name):
                words = f"is yours and stays; `senet import --remove {checkpoint.name}` deletes it"
                note(f"`{checkpoint.name}` {words}", quiet=quiet)
            elif any(file.path for file in checkpoint.files):
                note(f"`{checkpoint.name}` comes with senet and stays", quiet=quiet)
    note(f"{megabytes(freed)} freed", quiet=quiet)
