"""`senet cache`: where downloaded models lie, what they take, and how to get rid of them."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from senet_cli.cli import options as opt
from senet_cli.cli.console import megabytes, note, terminal_width
from senet_cli.cli.help import INPUT, OUTPUT, Command, Commands
from senet_cli.errors import UsageError
from senet_cli.output.base import open_output
from senet_cli.output.endings import ReportFormat
from senet_cli.output.text import counted, fitted, printable
from senet_cli.store.contents import Held, Kind
from senet_cli.tasks.cache_contents import CacheContents, cache_contents, remove_unused
from senet_cli.tasks.clear_cache import clear_cache, remove_downloads

_KINDS: dict[Kind, str] = {
    "model": "model",
    "conversion": "conversion",
    "partial": "partial download",
    "damaged": "damaged",
}
_DAY = 86_400

app = typer.Typer(
    name="cache",
    help="Where downloaded models lie, what they take, and removing them.",
    cls=Commands,
    rich_markup_mode=None,
    add_completion=False,
)


@app.command("dir", cls=Command)
def show(
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Also say what it holds, on standard error.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
) -> None:
    """Print the cache folder (change it with SENET_CACHE)."""
    settings = opt.settings(None)
    with open_output(None) as out:
        out.write(f"{settings.cache}\n")
    if verbose:
        for line in sizes(cache_contents(settings)[0]):
            note(line)


@app.command("ls", cls=Command)
def ls(
    format: Annotated[  # noqa: A002 - the name of the option
        ReportFormat, typer.Option("--format", help="Format of the list.", rich_help_panel=OUTPUT)
    ] = "table",
    manifest: opt.ManifestOption = None,
) -> None:
    """List downloads, conversions and partial downloads, with their sizes and when they were used last.

    A model that was converted for OpenVINO needs its file no more.
    """
    settings = opt.settings(manifest)
    with open_output(None) as out:
        found = cache_contents(settings)
        out.write(_as_json(found) if format == "json" else "\n".join(map(_table, found)))


@app.command(cls=Command)
def rm(
    names: opt.NamesArgument = None,
    everything: Annotated[
        bool, typer.Option("--all", help="All downloaded models.", rich_help_panel=INPUT)
    ] = False,
    unused: Annotated[
        int | None,
        typer.Option(
            "--unused",
            min=1,
            metavar="DAYS",
            help="What was not used for so many days: downloads, conversions, partial downloads.",
            show_default=False,
            rich_help_panel=INPUT,
        ),
    ] = None,
    manifest: opt.ManifestOption = None,
    quiet: opt.QuietOption = False,
) -> None:
    """Remove downloaded models, and what was converted from them."""
    if sum((everything, bool(names), unused is not None)) != 1:
        raise UsageError(
            "name the models to remove, or give --all or --unused DAYS", "`senet cache ls` shows them."
        )
    settings = opt.settings(manifest)
    from senet_cli.cli.reporter import ConsoleReporter

    with ConsoleReporter(quiet=quiet) as reporter:
        if unused is not None:
            freed = remove_unused(settings, unused)
        else:
            freed = clear_cache(settings) if everything else remove_downloads(names or (), settings, reporter)
    note(f"{megabytes(freed)} freed" if freed else "there was nothing to remove", quiet=quiet)


def sizes(found: CacheContents) -> Iterator[str]:
    """Say how much of which kind a cache holds, and how much is free beside it."""
    count, size = Counter(each.kind for each in found.held), Counter[Kind]()
    for each in found.held:
        size[each.kind] += each.size
    for kind, word in _KINDS.items():
        if count[kind]:
            plural = word if kind == "damaged" else ""
            yield f"{counted(count[kind], word, plural)}: {megabytes(size[kind])}"
    free = "" if found.free is None else f", {megabytes(found.free)} free on its disk"
    yield f"{megabytes(found.size)} in all{free}"


def _table(found: CacheContents) -> str:
    """One cache: its folder, a line for each thing, the total."""
    head = printable(str(found.root)) + ("" if found.own else " (only read)")
    rows = [("kind", "size", "last used", "model"), *map(_row, found.held)]
    width = terminal_width(sys.stdout)
    body = fitted(rows, (False, True, False, False), width) if found.held else ""
    *_, total = sizes(found)
    return f"{head}\n{body}{total}\n"


def _row(held: Held) -> tuple[str, str, str, str]:
    return _KINDS[held.kind], megabytes(held.size), _ago(time.time() - held.used), ", ".join(held.names)


def _ago(seconds: float) -> str:
    days = int(max(0.0, seconds) // _DAY)
    return f"{counted(days, 'day')} ago" if days else "today"


def _as_json(found: list[CacheContents]) -> str:
    whole = [
        {
            "folder": str(cache.root),
            "own": cache.own,
            "bytes": cache.size,
            "free": cache.free,
            "holds": [
                {
                    "kind": each.kind,
                    "models": each.names,
                    "bytes": each.size,
                    "used": datetime.fromtimestamp(each.used, UTC).isoformat(timespec="seconds"),
                    "path": str(each.path),
                }
                for each in cache.held
            ],
        }
        for cache in found
    ]
    return json.dumps(whole, indent=1) + "\n"
