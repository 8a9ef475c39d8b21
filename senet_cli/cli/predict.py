"""`senet predict`: classify images."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from senet_cli.catalogue.input_size import USUAL_SIZE, InputSize
from senet_cli.catalogue.traits import preprocess_in_words
from senet_cli.cli import options as opt
from senet_cli.cli.console import colour_allowed, is_terminal, mute_native_code, note, say
from senet_cli.cli.download_progress import DownloadNotices
from senet_cli.cli.loading import load_classifier, tell_taken
from senet_cli.cli.results import ResultRun
from senet_cli.errors import NothingToClassifyError, UsageError
from senet_cli.images.sources import Source, SourceRequest
from senet_cli.inference.engines.base import check_device
from senet_cli.output.base import FORMATS, Format, Writer, open_output
from senet_cli.output.choose import make_writer
from senet_cli.settings import DEFAULT_MODEL, Settings

if TYPE_CHECKING:
    from senet_cli.inference.classifier import Model
    from senet_cli.inference.runtime import Runtime


EPILOG = """Examples:

  senet predict bird.jpg

  senet predict photos/ -m seresnet101 --format jsonl -o results.jsonl

  find photos -name '*.jpg' -print0 | senet predict --from-file - -0 -k 1 | cut -f1,3

  curl -s https://example.org/bird.jpg | senet predict -
"""


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
            show_default=f"{DEFAULT_MODEL}, or what comes with senet where that cannot be had",
            help="Model, see `senet list`, or the folder of a training run.  [env: SENET_MODEL]",
        ),
    ] = None,
    top_k: Annotated[
        int, typer.Option("--top-k", "-k", min=1, metavar="K", help="Predictions for each image.")
    ] = 5,
    min_score: Annotated[
        float,
        typer.Option(min=0, max=1, metavar="P", help="Leave out predictions under this probability."),
    ] = 0.0,
    engine: opt.EngineOption = "auto",
    device: opt.DeviceOption = "auto",
    precision: opt.PrecisionOption = "fp32",
    batch_size: opt.BatchSizeOption = "auto",
    jobs: opt.JobsOption = "auto",
    format: Annotated[  # noqa: A002 - the name of the option
        Format | None,
        typer.Option(
            show_default="by the ending of -o; else table on a terminal, tsv off it",
            help="How results are written.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write results there; the file appears when it is complete.",
        ),
    ] = None,
    from_file: Annotated[
        str | None,
        typer.Option("--from-file", metavar="LIST", help="File that lists paths, `-` for standard input."),
    ] = None,
    null: Annotated[
        bool,
        typer.Option("--null", "-0", help="The list is separated by NUL bytes (find -print0)."),
    ] = False,
    recursive: Annotated[
        bool, typer.Option("--recursive/--no-recursive", help="Look into folders within folders.")
    ] = True,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first image that fails.")] = False,
    weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Weights of your own (PyTorch or safetensors)."),
    ] = None,
    arch: Annotated[
        str | None, opt.architecture_option("Their architecture, see `senet list --architectures`.")
    ] = None,
    weights_key: opt.WeightsKeyOption = None,
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
    check_device(device)
    chosen = _ModelChoice(model, weights, arch, weights_key, strict, opt.input_size(image_size, recipe))
    chosen.check()
    batch, threads = opt.auto_or_count(batch_size), opt.decoding_threads(jobs)
    request = SourceRequest(tuple(source or ()), from_file, null, recursive)
    request.check()
    sources = _at_least_one(request)
    if not verbose:
        mute_native_code()
    settings = opt.settings(manifest, offline=offline)

    from senet_cli.inference.runtime import resolve_runtime

    runtime = resolve_runtime(engine, device, precision, latency=request.single)
    found = chosen.find(settings, DownloadNotices(quiet=quiet), runtime)
    classifier = load_classifier(found, runtime, settings, verbose=verbose)
    tell_taken(classifier.taken, weights_key, shown=verbose, quiet=quiet)

    from senet_cli.inference.pipeline import (  # after Pillow, which it imports, was imported
        RunOptions,
        classify,
    )

    options = RunOptions(
        top_k=top_k,
        min_score=min_score,
        batch_size=batch or classifier.batch_size,
        jobs=threads,
    )
    if verbose:
        note(f"{classifier.name} ({found.architecture.key}) from {found.path or 'its conversion'}")
        note(f"{runtime}")
        note(preprocess_in_words(classifier.preprocess))
        note(f"batches of {options.batch_size}, {options.jobs} decoding threads")
    on_terminal = output is None and is_terminal(sys.stdout)
    style = format or _format_for(output, on_terminal=on_terminal)
    run = ResultRun(request, quiet=quiet, verbose=verbose, strict=strict)
    run.bar = not (on_terminal and is_terminal(sys.stderr))
    writer = _writer(style, on_terminal=on_terminal)
    with open_output(output) as out, closing(classify(sources, classifier, options)) as records:
        run.write(records, writer, out)
    run.tell()
    raise typer.Exit(run.exit_code)


@dataclass(frozen=True, slots=True)
class _ModelChoice:
    """What the options say about the model: a name, weights of one's own, or nothing."""

    name: str | None
    weights: Path | None
    arch: str | None
    weights_key: str | None
    strict: bool
    size: InputSize

    def find(self, settings: Settings, notices: DownloadNotices, runtime: Runtime) -> Model:
        from senet_cli.catalogue.lookup import load_manifest
        from senet_cli.inference.classifier import find_default_model, find_model, own_model

        if self.weights is not None and self.arch is not None:
            manifest = load_manifest(settings.manifest, settings.models)
            return own_model(self.weights, self.arch, manifest, self.size, self.weights_key)
        if name := self.name or settings.model:
            return find_model(name, settings, notices, runtime=runtime, size=self.size)
        if self.strict or self.size != USUAL_SIZE:  # a size for the one would be nonsense for the other
            return find_model(DEFAULT_MODEL, settings, notices, runtime=runtime, size=self.size)
        return find_default_model(
            settings, notices, lambda text: say(f"note: {text}", "yellow"), runtime=runtime
        )

    def check(self) -> None:
        """Find contradictions before any work is done."""
        if (self.weights is None) != (self.arch is None):
            raise UsageError(
                "`--weights FILE` and `--arch KEY` go together",
                "`senet list --architectures` shows the keys.",
            )
        if self.weights_key is not None and self.weights is None:
            raise UsageError("`--weights-key` chooses in a file of weights", "Give `--weights FILE` too.")
        if self.weights is not None and self.name is not None:
            raise UsageError("`-m` and `--weights` are two models", "Give one of them.")


def _at_least_one(request: SourceRequest) -> Iterator[Source]:
    """The stream, after making sure, before a model is fetched, that it holds something."""
    stream = request.stream()
    unmatched: list[Source] = []
    for source in stream:
        if not source.unmatched:
            return itertools.chain(unmatched, [source], stream)
        unmatched.append(source)
    skipped = request.skipped.count
    seen = f" ({skipped} files there have no image extension)" if skipped else ""
    raise NothingToClassifyError(
        f"no images were found{seen}", "A file named explicitly is tried whatever its extension."
    )


def _format_for(output: Path | None, *, on_terminal: bool) -> Format:
    if output is None:
        return "table" if on_terminal else "tsv"
    ending = output.suffix.removeprefix(".").lower()
    return next((name for name in FORMATS if name == ending), "tsv")


def _writer(style: Format, *, on_terminal: bool) -> Writer:
    encoding = (sys.stdout.encoding or "").lower()
    return make_writer(
        style,
        width=shutil.get_terminal_size().columns,
        colour=on_terminal and colour_allowed(sys.stdout),
        unicode=not on_terminal or encoding.startswith("utf"),
    )
