"""Options that several commands share, and how their values are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer

from senet_cli.errors import SenetError
from senet_cli.manifest import Manifest, load_manifest
from senet_cli.settings import Settings

_MAX_DIGITS = 9


def auto_or_count(text: str) -> int | None:
    """`auto` (None) or a whole number from 1 on."""
    if text == "auto":
        return None
    if not text.isdecimal() or len(text) > _MAX_DIGITS or int(text) < 1:
        raise typer.BadParameter(f"`{text}` is neither `auto` nor a whole number from 1 on")
    return int(text)


def complete_model(incomplete: str) -> list[str]:
    """Names of models for the shell's completion."""
    return _starting(incomplete, lambda manifest: manifest.names())


def complete_architecture(incomplete: str) -> list[str]:
    """Architecture keys for the shell's completion."""
    return _starting(incomplete, lambda manifest: manifest.architectures)


def _starting(incomplete: str, names: Callable[[Manifest], Iterable[str]]) -> list[str]:
    try:
        manifest = load_manifest(Settings.from_environment().manifest)
    except SenetError:
        return []
    return [name for name in names(manifest) if name.startswith(incomplete)]


ManifestOption = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="Manifest that adds or replaces models.  [env: SENET_MANIFEST]",
    ),
]
OfflineOption = Annotated[bool, typer.Option("--offline", help="Open no socket.  [env: SENET_OFFLINE=1]")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No notes, no progress.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Say what is used and how; also what decoders print.")
]
NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME...", autocompletion=complete_model, show_default=False),
]


def settings(manifest: Path | None, *, offline: bool = False) -> Settings:
    """Options over environment over defaults; an option that was not given is not an answer."""
    return Settings.from_environment(manifest=manifest, offline=offline or None)
