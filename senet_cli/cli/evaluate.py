"""`senet evaluate`: how often a model is right on labelled images."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from senet_cli.cli import options as opt
from senet_cli.cli.console import mute_native_code, note, say
from senet_cli.cli.downloads import DownloadNotices
from senet_cli.cli.loading import load_classifier
from senet_cli.cli.progress import image_progress
from senet_cli.engines.base import check_device
from senet_cli.errors import DiskError, ExitCode
from senet_cli.writers.base import open_output
from senet_cli.writers.text import encodable_json, printable

if TYPE_CHECKING:
    from senet_cli.classifier import Model
    from senet_cli.evaluate import Evaluation

EPILOG = """Examples:

  senet evaluate imagenet/val -m seresnet50

  senet evaluate photos/ -m runs/pets --truth classes.csv --confusion confusion.png
"""
_MAX_LABEL = 30


def evaluate(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of class folders (or with val/ or test/), a tar of one, or CIFAR's batches.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|RUN",
            envvar="SENET_MODEL",
            autocompletion=opt.complete_model,
            show_default=False,
            help="Model, see `senet list`, or the folder of a training run.",
        ),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="List of images and classes (CSV, TSV or blanks), instead of class folders.",
        ),
    ] = None,
    confusion: Annotated[
        Path | None, typer.Option(metavar="FILE.png", help="Draw the confusion matrix there.")
    ] = None,
    engine: opt.EngineOption = "auto",
    device: opt.DeviceOption = "auto",
    precision: opt.PrecisionOption = "fp32",
    batch_size: opt.BatchSizeOption = "auto",
    jobs: opt.JobsOption = "auto",
    format: Annotated[  # noqa: A002 - the name of the option
        Literal["table", "json"], typer.Option(help="How the result is written.")
    ] = "table",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the result there.")
    ] = None,
    manifest: opt.ManifestOption = None,
    offline: opt.OfflineOption = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Measure a model on images whose classes are known: accuracy, class by class, and calibration.

    Classes are matched with the model's by WordNet id, name or index. Images that cannot be read are counted
    apart, and then the exit code is 1.
    """
    check_device(device)
    batch, threads = opt.auto_or_count(batch_size), opt.decoding_threads(jobs)
    settings = opt.settings(manifest, offline=offline)
    mute_native_code()

    from senet_cli.classifier import find_model
    from senet_cli.datasets import unpacked
    from senet_cli.evaluate import evaluate as run
    from senet_cli.pipeline import RunOptions
    from senet_cli.runtime import resolve_runtime
    from senet_cli.truth import match_classes, read_labelled

    runtime = resolve_runtime(engine, device, precision)
    found = find_model(model, settings, DownloadNotices(quiet=quiet), runtime=runtime)
    with unpacked(data) as folder:
        images = read_labelled(folder, truth)
        indices = match_classes(images.classes, found.labels)
        classifier = load_classifier(found, runtime, settings)
        options = RunOptions(batch_size=batch or classifier.batch_size, jobs=threads)
        with image_progress(shown=not quiet, count=lambda: len(images)) as progress:
            result = run(images, indices, classifier, options, progress)
    for failure in result.failures[:5]:
        note(f"{failure.path}: {failure.kind}: {failure.message}", quiet=quiet)
    if result.failures:
        say(f"{len(result.failures):,} of {len(images):,} images could not be classified", "yellow")
    if confusion:
        _draw(result, confusion)
    with open_output(output) as out:
        out.write(_json(result, found) if format == "json" else _table(result, found))
    if result.failures:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _draw(result: Evaluation, path: Path) -> None:
    from senet_cli.pictures import draw_confusion
    from senet_cli.store.files import write_atomically

    labels = [entry.label for entry in result.classes]
    title = f"{result.model}, top-1 {result.top1.percent:.2f} %"
    try:
        write_atomically(path, draw_confusion(result.confusion, labels, title))
    except OSError as error:
        raise DiskError.from_os_error(error, f"writing `{path}`") from error


def _json(result: Evaluation, model: Model) -> str:
    from senet_cli.evaluate import as_dict

    published: dict[str, Any] | None = asdict(model.metric) if model.metric else None
    return encodable_json(json.dumps(as_dict(result, published), indent=1, ensure_ascii=False)) + "\n"


def _table(result: Evaluation, model: Model) -> str:
    low, high = result.top1.interval
    lines = [
        f"{result.model}: {result.top1.of:,} images of {len(result.classes)} classes",
        "",
        f"top-1              {result.top1.percent:6.2f} %   {result.top1.right:,} right, "
        f"95 % interval {low:.2f} to {high:.2f}",
        f"top-5              {result.top5.percent:6.2f} %",
        f"mean of classes    {result.mean_class_accuracy:6.2f} %",
        f"calibration error  {result.calibration_error:6.2f} %",
    ]
    if metric := model.metric:
        lines.append(f"published          {metric.top1:6.2f} %   {metric.dataset}, {metric.source}")
    width = min(_MAX_LABEL, max(len(entry.label) for entry in result.classes))
    lines += ["", f"{'class':{width}}   images    right    top-1  most often mistaken for"]
    for entry in result.classes:
        label = printable(entry.label)[:width]
        mistaken = (
            f"{printable(entry.mistaken_for[0])} ({entry.mistaken_for[1]})" if entry.mistaken_for else ""
        )
        share = entry.share
        row = f"{label:{width}} {share.of:8,} {share.right:8,} {share.percent:7.2f}%  {mistaken}"
        lines.append(row.rstrip())
    return "\n".join(lines) + "\n"
