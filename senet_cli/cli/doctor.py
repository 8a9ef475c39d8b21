"""`senet doctor`: what senet finds on this machine, for whoever helps you."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from senet_cli.cli import options as opt
from senet_cli.cli.console import mute_native_code, note
from senet_cli.cli.help import GENERAL, OUTPUT
from senet_cli.errors import ExitCode, UsageError
from senet_cli.output.base import open_output
from senet_cli.output.endings import ReportFormat
from senet_cli.output.text import cells, printable, wrapped
from senet_cli.tasks.doctor import Finding, ask_hosts, examine

EXAMPLES = ("senet doctor", "senet doctor --network")


def doctor(
    network: Annotated[
        bool,
        typer.Option(
            "--network",
            help="Also ask each host that models come from whether it answers.",
            rich_help_panel=GENERAL,
        ),
    ] = False,
    format: Annotated[  # noqa: A002 - the name of the option
        ReportFormat, typer.Option("--format", help="Format of the result.", rich_help_panel=OUTPUT)
    ] = "table",
    manifest: opt.ManifestOption = None,
    offline: opt.OfflineOption = False,
) -> None:
    """Show versions, engine, processors, folders, settings and proxies, and what is wrong with them.

    Nothing is sent anywhere; only --network opens connections. Credentials of proxies are not shown. An
    exclamation mark stands before what keeps senet from working as it should.
    """
    settings = opt.settings(manifest, offline=offline)
    if network and settings.offline:
        raise UsageError("`--network` and `--offline` (or SENET_OFFLINE) contradict each other", "Give one.")
    mute_native_code()
    with open_output(None) as out:
        found = [*examine(settings)]
        if network:
            from senet_cli.store.transfer import open_transport

            note("asking the hosts that models come from")
            found += sorted(ask_hosts(settings, open_transport(offline=False)), key=lambda each: each.name)
        out.write(_as_json(found) if format == "json" else "\n".join(_lines(found)) + "\n")
    silent = any(not each.fine for each in found if each.group == "hosts")
    raise typer.Exit(ExitCode.NETWORK if silent else ExitCode.OK)


def _lines(found: Iterable[Finding]) -> Iterator[str]:
    """Give a heading for each group, and its findings in two columns, wrapped at words."""
    found = list(found)
    width, group = shutil.get_terminal_size().columns, ""
    names = max(cells(each.name) for each in found)
    for each in found:
        if each.group != group:
            group = each.group
            yield group
        first = f"{' ' if each.fine else '!'} {each.name}{' ' * (names - cells(each.name))}  "
        yield from wrapped(printable(each.value), width, first=first, rest=" " * cells(first))


def _as_json(found: Iterable[Finding]) -> str:
    whole: dict[str, list[dict[str, object]]] = {}
    for each in found:
        row = {"name": each.name, "value": each.value, "fine": each.fine}
        whole.setdefault(each.group, []).append(row)
    return json.dumps(whole, indent=1) + "\n"
