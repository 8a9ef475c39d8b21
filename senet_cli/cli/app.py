"""The Typer app. A command's module is imported when the command is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command

from senet_cli.catalogue.lazy_mapping import LazyMapping


class _Place(NamedTuple):
    """Where a command is: a module of `senet_cli.cli`, its function, the name of its epilogue.

    A hidden one is an old name that still works.
    """

    module: str
    function: str
    epilog: str | None = "EPILOG"
    hidden: bool = False


_COMMANDS = {
    "predict": _Place("predict", "predict"),
    "evaluate": _Place("evaluate", "evaluate"),
    "train": _Place("train", "train"),
    "download": _Place("download", "download", None),
    "list": _Place("list_models", "list_", "LIST_EPILOG"),
    "info": _Place("list_models", "info", None),
    "verify": _Place("verify", "verify", None),
    "warm": _Place("warm", "warm"),
    "benchmark": _Place("benchmark", "benchmark"),
    "import": _Place("import_weights", "import_"),
    "export": _Place("export", "export"),
    "convert": _Place("export", "export", hidden=True),
}


class _Commands(TyperGroup):
    """All commands; `predict` does not wait for the others."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = LazyMapping([*_COMMANDS, "cache"], _command)  # type: ignore[assignment]


def _command(name: str) -> Any:
    if name == "cache":
        from senet_cli.cli import cache

        return get_command(cache.app)
    place = _COMMANDS[name]
    module = import_module(f"senet_cli.cli.{place.module}")
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    epilog = getattr(module, place.epilog) if place.epilog else None
    alone.command(name, epilog=epilog, hidden=place.hidden)(getattr(module, place.function))
    return get_command(alone)


app = typer.Typer(
    name="senet",
    cls=_Commands,
    help="Classify images with pretrained Squeeze-and-Excitation networks.",
    epilog="`senet COMMAND -h` explains each command. Start with: senet predict photo.jpg",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)


def _version(wanted: bool) -> None:
    if wanted:
        import senet_cli

        typer.echo(f"senet {senet_cli.__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Classify images with pretrained Squeeze-and-Excitation networks."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
