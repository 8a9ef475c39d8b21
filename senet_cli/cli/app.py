"""The Typer app. A command's module is imported when the command is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.main import get_command

from senet_cli.catalogue.lazy_mapping import LazyMapping
from senet_cli.cli.help import Command, Commands


class _Place(NamedTuple):
    """Where a command is, and what the list of commands says of it, which waits for none of them.

    Args:
        module: of `senet_cli.cli`; see `senet_cli.cli.help`.
        function: the command, or a Typer app of several.
        summary: a line on what it does.
        hidden: an old name that still works.
    """

    module: str
    function: str
    summary: str
    hidden: bool = False


_COMMANDS = {
    "Classify and measure": {
        "predict": _Place("predict", "predict", "Classify images and print ranked predictions."),
        "evaluate": _Place("evaluate", "evaluate", "Measure how often a model is right."),
        "benchmark": _Place("benchmark", "benchmark", "Measure how fast models are on this machine."),
    },
    "Models": {
        "list": _Place("list_models", "list_", "Show which models there are, and which to begin with."),
        "info": _Place("info", "info", "Show everything about one model."),
        "download": _Place("download", "download", "Download and verify models ahead of time."),
        "warm": _Place("warm", "warm", "Get models ready, so that the first prediction is fast."),
        "verify": _Place("verify", "verify", "Check downloaded models against published digests."),
        "cache": _Place("cache", "app", "Show what downloaded models take, and remove them."),
    },
    "Your own models": {
        "train": _Place("train", "train", "Train a network on your own images."),
        "import": _Place("import_weights", "import_", "Give your own weights a name."),
        "export": _Place("export", "export", "Write a model's weights for other software."),
        "convert": _Place("export", "export", "The old name of `export`.", hidden=True),
    },
    "Help": {
        "doctor": _Place("doctor", "doctor", "Show what senet finds on this machine."),
        "help": _Place("show_help", "show_help", "Explain a command."),
    },
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

    def summaries(self) -> dict[str, list[tuple[str, str]]]:
        """Give names of commands and what they do, by heading."""
        return {
            heading: [(name, place.summary) for name, place in commands.items() if not place.hidden]
            for heading, commands in _COMMANDS.items()
        }


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
