"""The Typer app. A command's module is imported when the command is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.main import get_command

from senet_cli.catalogue.lazy_mapping import LazyMapping
from senet_cli.cli.help import Command, Commands


class _Place(NamedTuple):
    """Where a command is: a module of `senet_cli.cli` and its function; see `senet_cli.cli.help`.

    A hidden one is an old name that still works.
    """

    module: str
    function: str
    hidden: bool = False


_COMMANDS = {
    "Classify and measure": {
        "predict": _Place("predict", "predict"),
        "evaluate": _Place("evaluate", "evaluate"),
        "benchmark": _Place("benchmark", "benchmark"),
    },
    "Models": {
        "list": _Place("list_models", "list_"),
        "info": _Place("info", "info"),
        "download": _Place("download", "download"),
        "warm": _Place("warm", "warm"),
        "verify": _Place("verify", "verify"),
        "cache": _Place("cache", "app"),
    },
    "Your own models": {
        "train": _Place("train", "train"),
        "import": _Place("import_weights", "import_"),
        "export": _Place("export", "export"),
        "convert": _Place("export", "export", hidden=True),
    },
    "Help": {"help": _Place("show_help", "show_help")},
}
_PLACES = {name: place for commands in _COMMANDS.values() for name, place in commands.items()}


class _Senet(Commands):
    """All commands; `predict` does not wait for the others."""

    examples = (
        "senet predict photo.jpg",
        "senet predict photos/ -m seresnet101 -o results.csv",
        "senet help predict",
    )

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = LazyMapping(_PLACES, _command)  # type: ignore[assignment]

    def commands_by_group(self) -> dict[str, list[str]]:
        """Give the names of commands, by heading."""
        return {heading: list(commands) for heading, commands in _COMMANDS.items()}


def _command(name: str) -> Any:
    place = _PLACES[name]
    module = import_module(f"senet_cli.cli.{place.module}")
    found = getattr(module, place.function)
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    alone.command(name, cls=Command, hidden=place.hidden)(found)
    command: Any = get_command(alone)
    command.examples = getattr(module, "EXAMPLES", ())
    command.first = getattr(module, "FIRST", ())
    return command


app = typer.Typer(
    name="senet",
    cls=_Senet,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def run() -> int:
    """Run the command that `sys.argv` asks for.

    Returns:
        The exit code.

    Raises:
        UsageError: the command line is wrong.
    """
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        from senet_cli.cli.usage import as_usage_error

        raise as_usage_error(error) from None
    return code if isinstance(code, int) else 0


def _version(wanted: bool) -> None:
    if wanted:
        import senet_cli

        typer.echo(f"senet {senet_cli.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Classify images with pretrained Squeeze-and-Excitation networks."""
