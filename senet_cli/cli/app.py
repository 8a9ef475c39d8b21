"""The Typer app. Everything heavy is imported by the services that the commands call."""

from __future__ import annotations

from typing import Annotated

import typer

from senet_cli.cli import (
    benchmark,
    cache,
    catalogue,
    convert,
    download,
    evaluate,
    importing,
    predict,
    train,
    verify,
    warm,
)

app = typer.Typer(
    name="senet",
    help="Classify images with pretrained Squeeze-and-Excitation networks.",
    epilog="`senet COMMAND -h` explains each command. Start with: senet predict photo.jpg",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)
app.command(epilog=predict.EPILOG)(predict.predict)
app.command(epilog=evaluate.EPILOG)(evaluate.evaluate)
app.command(epilog=train.EPILOG)(train.train)
app.command()(download.download)
app.command("list", epilog=catalogue.LIST_EPILOG)(catalogue.list_)
app.command()(catalogue.info)
app.command()(verify.verify)
app.command(epilog=warm.EPILOG)(warm.warm)
app.command(epilog=benchmark.EPILOG)(benchmark.benchmark)
app.command("import", epilog=importing.EPILOG)(importing.import_)
app.command(epilog=convert.EPILOG)(convert.convert)
app.add_typer(cache.app, name="cache")


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
