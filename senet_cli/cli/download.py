"""`senet download`: fetch checkpoints ahead of time."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from senet_cli.catalogue.entries import Checkpoint
from senet_cli.catalogue.lookup import Manifest, load_manifest
from senet_cli.cli import options as opt
from senet_cli.cli.console import complain, note, say
from senet_cli.cli.download_progress import DownloadNotices
from senet_cli.errors import CheckpointError, DigestError, SenetError, UsageError
from senet_cli.output.base import Output, open_output
from senet_cli.store.cache import Cache
from senet_cli.store.notices import Installed


def download(
    names: opt.NamesArgument = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All models; with --from those that are found there.")
    ] = False,
    origin: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE|DIR",
            help="Take a file, or what a folder holds, instead of the network; verified all the same.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    print_urls: Annotated[
        bool,
        typer.Option(
            "--print-urls", help="Only print what another machine should fetch: address, file name, model."
        ),
    ] = False,
    manifest: opt.ManifestOption = None,
    offline: opt.OfflineOption = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Download and verify models. What is there already is left alone.

    Prints the name and the path of each model's file, separated by a tab; with --dry-run the name, "present",
    "download", "import" or "absent" (with --from), the bytes to fetch and from where; with --print-urls what
    to fetch elsewhere for `senet download --all --from DIR` here.
    """
    if print_urls and (dry_run or origin is not None):
        raise UsageError("`--print-urls` only prints", "Give it without --dry-run and --from.")
    settings = opt.settings(manifest, offline=offline)
    catalogue = load_manifest(settings.manifest, settings.models)
    checkpoints = _chosen(names or [], catalogue, everything, origin)
    cache = Cache.from_settings(settings)
    notices = DownloadNotices(quiet=quiet, planned=checkpoints)

    def get(checkpoint: Checkpoint) -> Installed:
        from senet_cli.store.fetch import Fetcher
        from senet_cli.store.install import import_file
        from senet_cli.store.transfer import open_transport

        if origin is not None:
            return import_file(checkpoint, cache, origin, notices, catalogue)
        transport = open_transport(offline=settings.offline)
        return Fetcher(cache, transport, notices).fetch(checkpoint)

    with open_output(None) as out:
        if print_urls:
            _print_urls(checkpoints, out)
            return
        if dry_run:
            _tell_plan(checkpoints, cache, origin, out)
            return
        with closing(notices):
            got, errors = _get_all(checkpoints, cache, get, out)
        if everything and origin and got:
            errors = _without_absent(errors, got, quiet=quiet)
    for error in errors:
        complain(error)
    if errors:
        raise typer.Exit(errors[0].exit_code)


def _chosen(names: list[str], manifest: Manifest, everything: bool, origin: Path | None) -> list[Checkpoint]:
    if everything == bool(names):
        raise UsageError("name the models to download, or give --all", "`senet list` shows them.")
    if everything:  # what comes with a manifest need not be carried here
        own = origin is None
        entries = manifest.checkpoints.items()
        chosen = {name: entry for name, entry in entries if own or not any(f.path for f in entry.files)}
    else:
        chosen = {c.name: c for c in map(manifest.checkpoint, names)}
    if len(chosen) > 1 and origin is not None and origin.is_file():
        raise UsageError(
            f"`{origin}` is one file, but {len(chosen)} models are asked for", "Give the folder."
        )
    return list(chosen.values())


def _present(checkpoint: Checkpoint, cache: Cache) -> Installed | None:
    """What the cache holds; a damaged file was put aside and is fetched again."""
    try:
        return cache.find(checkpoint)
    except DigestError as error:
        say(f"warning: {error.message}", style="yellow")
        return None


def _print_urls(checkpoints: list[Checkpoint], out: Output) -> None:
    """One line for each file, under names that `--from DIR` finds; a file that models share is named once."""
    named = set()
    for checkpoint in checkpoints:
        file = checkpoint.files[0]
        if file.urls and file.digest_name not in named:
            out.write(f"{file.urls[0]}\t{file.digest_name}\t{checkpoint.name}\n")
            named.add(file.digest_name)


def _tell_plan(checkpoints: list[Checkpoint], cache: Cache, origin: Path | None, out: Output) -> None:
    for checkpoint in checkpoints:
        action, size, where = _plan(checkpoint, cache, origin)
        out.write(f"{checkpoint.name}\t{action}\t{'' if size is None else size}\t{where}\n")


def _plan(checkpoint: Checkpoint, cache: Cache, origin: Path | None) -> tuple[str, int | None, str | Path]:
    """What would be done, how many bytes it takes, and from where."""
    from senet_cli.store.install import carried

    first = checkpoint.files[0]
    if present := cache.holds(checkpoint):
        return "present", 0, present
    if origin is None:
        return "download", first.size, first.urls[0] if first.urls else ""
    for _, path in carried(checkpoint, origin):
        return "import", path.stat().st_size, path
    return "absent", None, origin


def _get_all(
    checkpoints: list[Checkpoint],
    cache: Cache,
    get: Callable[[Checkpoint], Installed],
    out: Output,
) -> tuple[list[Installed], list[SenetError]]:
    """Get one after the other; one that fails does not keep the others from arriving."""
    got: list[Installed] = []
    errors: list[SenetError] = []
    for checkpoint in checkpoints:
        try:
            got.append(_present(checkpoint, cache) or get(checkpoint))
        except SenetError as error:
            if len(checkpoints) == 1:
                raise
            errors.append(error)
        else:
            out.write(f"{checkpoint.name}\t{got[-1].path}\n")
    return got, errors


def _without_absent(errors: list[SenetError], got: list[Installed], *, quiet: bool) -> list[SenetError]:
    """What is left to complain of when a folder was asked for all models: not those that it does not hold.

    A file of a common name (`model.safetensors`) that belongs to another model is no damaged one.
    """
    others = {installed.sha256 for installed in got}

    def absent(error: SenetError) -> bool:
        elsewhere = isinstance(error, DigestError) and error.sha256 in others
        return elsewhere or isinstance(error, CheckpointError)

    left = [error for error in errors if not absent(error)]
    note(f"{len(errors) - len(left)} models have no file there", quiet=quiet or len(left) == len(errors))
    return left
