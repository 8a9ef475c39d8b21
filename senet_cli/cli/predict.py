"""`senet predict`: classify images."""

from __future__ import annotations

import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from senet_cli.catalogue.activation import Activation
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.cli import options as opt
from senet_cli.cli.console import colour_allowed, is_terminal, mute_native_code, telling_files, warn
from senet_cli.cli.help import INPUT, MODEL, OUTPUT
from senet_cli.cli.recording import ResumeOption, StartOverOption, is_complete_already, recording
from senet_cli.cli.results import ResultRun
from senet_cli.errors import UsageError
from senet_cli.images.sources import SourceRequest
from senet_cli.output.base import Format, Writer, check_output, open_output
from senet_cli.output.choose import make_writer
from senet_cli.output.claims import belongs_to
from senet_cli.output.endings import format_of
from senet_cli.settings import DEFAULT_MODEL

if TYPE_CHECKING:
    from senet_cli.inference.resolve import OwnWeights

EXAMPLES = (
    "senet predict bird.jpg",
    "senet predict photos/ -m seresnet101 --format jsonl -o results.jsonl",
    "senet predict photos/ --summary -o results.csv",
    "senet predict photos/ --only dog --format paths --print0 | xargs -0 cp -t dogs/",
    "find photos -name '*.jpg' -print0 | senet predict --from-file - -0 -k 1 | cut -f1,3",
    "curl -s https://example.org/bird.jpg | senet predict -",
)
FIRST = ("model", "top_k", "min_score", "format", "output")


def predict(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE...",
            help="Image files, folders, patterns, or `-` for an image on standard input.",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|RUN",
            autocompletion=opt.complete_model,
            show_default=f"{DEFAULT_MODEL}, or the bundled model if that is not available",
            help="Model, see `senet list`, or the folder of a training run. [env: SENET_MODEL]",
            rich_help_panel=MODEL,
        ),
    ] = None,
    top_k: Annotated[
        int,
        typer.Option(
            "--top-k", "-k", min=1, metavar="K", help="Predictions for each image.", rich_help_panel=OUTPUT
        ),
    ] = 5,
    min_score: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="P",
            help="Leave out predictions below this probability.",
            rich_help_panel=OUTPUT,
        ),
    ] = 0.0,
    engine: opt.EngineOption = "auto",
    device: opt.DeviceOption = "auto",
    precision: opt.PrecisionOption = "fp32",
    batch_size: opt.BatchSizeOption = "auto",
    jobs: opt.JobsOption = "auto",
    threads: opt.ThreadsOption = "auto",
    format: Annotated[  # noqa: A002 - the name of the option
        Format | None,
        typer.Option(
            show_default="by the ending of -o; else table on a terminal, tsv off it",
            help="Format of the results.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write results to this file, which appears when it is complete. Compressed: .gz, .zst.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    resume: ResumeOption = False,
    start_over: StartOverOption = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS,...",
            help="Leave out images whose first prediction is another class. A word that stands above classes "
            "means all of them, as dog does for 118 of ImageNet's.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    print0: Annotated[
        bool,
        typer.Option(
            "--print0",
            help="paths: end each name with a NUL byte, for `xargs -0`.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    summary: Annotated[
        bool,
        typer.Option(
            "--summary",
            help="Show how many images are of which class, at the end, on standard error.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    spreadsheet_safe: Annotated[
        bool,
        typer.Option(
            "--spreadsheet-safe",
            help="CSV: an apostrophe before what a spreadsheet takes for a formula.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    from_file: Annotated[
        str | None,
        typer.Option(
            "--from-file",
            metavar="LIST",
            help="File that lists paths, `-` for standard input.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    null: Annotated[
        bool,
        typer.Option(
            "--null", "-0", help="The list is separated by NUL bytes (find -print0).", rich_help_panel=INPUT
        ),
    ] = False,
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive/--no-recursive", help="Look into folders within folders.", rich_help_panel=INPUT
        ),
    ] = True,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Stop at the first image that fails.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    no_fallback: Annotated[
        bool,
        typer.Option(
            "--no-fallback",
            help="Do not take the bundled model where the default cannot be had; one that you name is never "
            "replaced.",
            rich_help_panel=MODEL,
        ),
    ] = False,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Your own weights (PyTorch or safetensors).", rich_help_panel=MODEL
        ),
    ] = None,
    arch: Annotated[
        str | None,
        opt.architecture_option("Architecture of these weights, see `senet list --architectures`."),
    ] = None,
    weights_key: opt.WeightsKeyOption = None,
    activation: Annotated[Activation | None, opt.activation_option("softmax")] = None,
    image_size: opt.ImageSizeOption = None,
    recipe: opt.RecipeOption = "default",
    manifest: opt.ManifestOption = None,
    offline: opt.OfflineOption = False,
    quiet: opt.QuietOption = False,
    verbose: opt.VerboseOption = False,
) -> None:
    """Classify images and print ranked predictions.

    Results go to standard output: a table on a terminal, tab-separated rows off it. A model that is
    not there yet is downloaded and verified first.
    """
    if quiet and verbose:
        raise UsageError("`-q` and `-v` contradict each other", "Give one of them.")
    size, compute = (
        opt.input_size(image_size, recipe),
        opt.compute(engine, device, precision, batch_size, jobs, threads),
    )
    ours = belongs_to(output)
    sources = SourceRequest(tuple(source or ()), from_file, null, recursive, ignored=ours)
    sources.check()
    asked = _asked(model, weights, arch, weights_key, activation)

    from senet_cli.tasks.predict import PredictRequest, Recorded
    from senet_cli.tasks.predict import predict as run_task

    request = PredictRequest(
        sources=sources,
        model=asked,
        fallback=not no_fallback,
        size=size,
        compute=compute,
        top_k=top_k,
        min_score=min_score,
        only=tuple(only or ()),
    )
    settings = opt.settings(manifest, offline=offline)
    inputs: list[str | Path] = [*sources.arguments, from_file or ""]
    inputs += opt.named_files(model or settings.model, weights, settings.manifest)
    target = check_output(output, inputs)
    if target is None:
        output = None
    on_terminal = output is None and is_terminal(sys.stdout)
    style = format or _format_for(output, on_terminal=on_terminal)
    _check_format(style, spreadsheet_safe=spreadsheet_safe, print0=print0)
    run = ResultRun(sources, quiet=quiet, verbose=verbose, strict=strict)
    run.bar = not (on_terminal and is_terminal(sys.stderr))
    keeping = recording(
        target,
        style,
        {
            "format": style + " -0" * print0,
            "protection of spreadsheets": "on" if spreadsheet_safe else "off",
        },
        resume=resume,
        start_over=start_over,
        images=lambda: run.images,
    )
    if is_complete_already(target, resume=resume):
        return
    writer = _writer(style, on_terminal=on_terminal, brief=top_k == 1, inert=spreadsheet_safe, null=print0)
    if not verbose:
        mute_native_code()
    with open_output(output, inputs, tell=warn, wrote=telling_files(quiet=quiet), recording=keeping) as out:
        from senet_cli.cli.reporter import ConsoleReporter

        with ConsoleReporter(quiet=quiet, details=verbose) as reporter:
            recorded = Recorded(out.journal, keeping.facts) if out.journal and keeping else None
            found = run_task(request, settings, reporter, recorded)
        if out.journal:
            run.count_in(out.journal.tally)
        with closing(found) as records:
            run.write(records, writer, out)
    run.tell()
    if summary:
        from senet_cli.cli.summary import show_summary

        show_summary(run.tally, only=bool(only), everything=verbose)
    raise typer.Exit(run.exit_code)


def _asked(
    name: str | None,
    weights: Path | None,
    arch: str | None,
    weights_key: str | None,
    activation: Activation | None,
) -> ModelRef | OwnWeights | None:
    """Read what the options say about the model: a name, your own weights, or nothing."""
    if (weights is None) != (arch is None):
        raise UsageError(
            "`--weights FILE` and `--arch KEY` go together", "`senet list --architectures` shows the keys."
        )
    if weights_key is not None and weights is None:
        raise UsageError("`--weights-key` chooses in a file of weights", "Give `--weights FILE` too.")
    if activation is not None and weights is None:
        raise UsageError(
            "`--activation` is for `--weights`: a model with a name has its own", "`senet import` keeps it."
        )
    if weights is not None and arch is not None:
        if name is not None:
            raise UsageError("`-m` and `--weights` are two models", "Give one of them.")
        from senet_cli.inference.resolve import OwnWeights

        return OwnWeights(weights, arch, weights_key, activation or "softmax")
    return ModelRef.parse(name) if name is not None else None


def _format_for(output: Path | None, *, on_terminal: bool) -> Format:
    if output is not None:
        return format_of(output)
    return "table" if on_terminal else "tsv"


def _check_format(style: Format, *, spreadsheet_safe: bool, print0: bool) -> None:
    """Make sure that options about one format meet that format."""
    if spreadsheet_safe and style != "csv":
        raise UsageError(f"`--spreadsheet-safe` is for CSV, not for {style}", "Add --format csv.")
    if print0 and style != "paths":
        raise UsageError(f"`--print0` is for names alone, not for {style}", "Add --format paths.")


def _writer(style: Format, *, on_terminal: bool, brief: bool, inert: bool, null: bool) -> Writer:
    encoding = (sys.stdout.encoding or "").lower()
    return make_writer(
        style,
        width=shutil.get_terminal_size().columns,
        colour=on_terminal and colour_allowed(sys.stdout),
        unicode=not on_terminal or encoding.startswith("utf"),
        brief=on_terminal and brief,
        inert=inert,
        null=null,
    )
