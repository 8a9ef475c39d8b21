"""`senet help`: the help of a command, by the name of the command."""

from __future__ import annotations

from typing import Annotated, Any

import typer

EXAMPLES = ("senet help predict", "senet help cache rm")


def _complete_command(context: typer.Context, incomplete: str) -> list[str]:
    group: Any = context.find_root().command
    for word in context.params.get("words") or ():
        group = getattr(group, "commands", {}).get(word)
    commands = getattr(group, "commands", {})
    return [name for name in commands if name.startswith(incomplete) and not commands[name].hidden]


def show_help(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="COMMAND...",
            autocompletion=_complete_command,
            help="What to explain, as in `senet help cache rm`.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Explain a command, as its `-h` does."""
    root: Any = context.find_root()
    root.command.main([*(words or ()), "--help"], prog_name=root.info_name, standalone_mode=False)
