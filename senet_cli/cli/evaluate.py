"""`senet evaluate`: how often a model is right on labelled images."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from senet_cli.catalogue.entries import OWN_RUN
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.cli import options as opt
from senet_cli.cli.console import mute_native_code, note, say, telling_files, terminal_width, warn
from senet_cli.cli.help import INPUT, MODEL, OUTPUT
from senet_cli.errors import ExitCode, UsageError
from senet_cli.output.base import check_output, open_output
from senet_cli.output.endings import EvaluationFormat, evaluation_format_of
from senet_cli.output.rows import tsv_line
from senet_cli.output.text import counted, encodable_json, fitted, printable, wrapped

if TYPE_CHECKING:
    from senet_cli.inference.models import RunnableModel
    from senet_cli.tasks.evaluate.accuracy import Evaluation, TrainingImages
    from senet_cli.tasks.evaluate.service import Evaluated

EXAMPLES = (
    "senet evaluate imagenet/val -m seresnet50",
    "senet evaluate photos/ -m runs/pets --ground-truth classes.csv --confusion confusion.png",
    "senet evaluate pets/ -m runs/pets --worst 10",
)
FIRST = ("model", "ground_truth", "format", "output", "confusion")
_NOTICED = 0.05
"""Points by which scores are off that are not shown as 0.0."""


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
            rich_help_panel=MODEL,
        ),
    ],
    ground_truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="List of images and classes (CSV, TSV or blanks), instead of class folders.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    confusion: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Draw the confusion matrix to this file.", rich_help_panel=OUTPUT
        ),
    ] = None,
    worst: Annotated[
        int,
        typer.Option(
            min=0,
            max=10_000,
            metavar="N",
            help="List the N mistakes with the highest scores.",
            rich_help_panel=OUTPUT,
        ),
    ] = 0,
    engine: opt.EngineOption = "auto",
    device: opt.DeviceOption = "auto",
    precision: opt.PrecisionOption = "fp32",
    batch_size: opt.BatchSizeOption = "auto",
    jobs: opt.JobsOption = "auto",
    threads: opt.ThreadsOption = "auto",
    format: Annotated[  # noqa: A002 - the name of the option
        EvaluationFormat | None,
        typer.Option(
            help="Format of the result; tsv: a row for each class, or, with --worst, for each mistake.",
            show_default="by the ending of -o, else table",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    output: opt.ReportOption = None,
    image_size: opt.ImageSizeOption = None,
    recipe: opt.RecipeOption = "default",
    include_training_images: Annotated[
        bool,
        typer.Option(
            "--include-training-images",
            help="Measure also on images that the model was trained on.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    no_parts: opt.NoPartsOption = False,
    allow_empty_classes: opt.EmptyClassesOption = False,
    manifest: opt.ManifestOption = None,
    offline: opt.OfflineOption = False,
    quiet: opt.QuietOption = False,
) -> None:
    """Measure a model on images whose classes are known: accuracy, class by class, and calibration.

    Classes are matched with the model's by WordNet id, name, synonym or index. Images that cannot be read are
    counted apart, and then the exit code is 1.
    """
    compute = opt.compute(engine, device, precision, batch_size, jobs, threads)
    size = opt.input_size(image_size, recipe)
    settings = opt.settings(manifest, offline=offline)
    inputs = opt.named_files(model, data, ground_truth, settings.manifest)
    check_output(output, inputs)
    style = format or evaluation_format_of(output)
    if confusion is not None:
        _check_picture(confusion, inputs)
    mute_native_code()

    from senet_cli.tasks.evaluate.service import EvaluateRequest
    from senet_cli.tasks.evaluate.service import evaluate as run

    request = EvaluateRequest(
        data=data,
        model=ModelRef.parse(model),
        ground_truth=ground_truth,
        parts=not no_parts,
        empty_classes=allow_empty_classes,
        training_images=include_training_images,
        size=size,
        compute=compute,
        worst=worst,
    )
    wrote = telling_files(quiet=quiet)
    with open_output(output, inputs, tell=warn, wrote=wrote) as out:
        from senet_cli.cli.reporter import ConsoleReporter

        with ConsoleReporter(quiet=quiet) as reporter:
            result = run(request, settings, reporter)
        width = terminal_width(sys.stdout) if output is None else None
        out.write(_written(result, style, width, mistakes=worst > 0))
    _tell_failures(result, quiet=quiet)
    if confusion:
        _draw(result.evaluation, confusion)
        wrote(confusion)
    if result.evaluation.failures:
        raise typer.Exit(ExitCode.SOME_FAILED)


def _tell_failures(result: Evaluated, *, quiet: bool) -> None:
    failures, unmeasured = result.evaluation.failures, result.evaluation.unmeasured
    for failure in failures[:5]:
        note(f"{failure.path}: {failure.kind}: {failure.message}", quiet=quiet)
    if failures:
        say(f"{len(failures):,} of {result.images:,} images could not be classified", "yellow")
    if unmeasured:
        names = ", ".join(f"`{name}`" for name in unmeasured[:5])
        say(f"not measured, because none of their images could be classified: {names}", "yellow")


def _check_picture(path: Path, inputs: Iterable[Path]) -> None:
    """Find out before the work whether the picture can be written."""
    from senet_cli.output.targets import check_target

    if path.suffix.lower() != ".png":
        raise UsageError(f"`{path}` does not end with .png", "The picture is a PNG.")
    if not check_target(path, inputs, picture=True).is_file:
        raise UsageError(f"`{path}` is not a file that can be replaced", "Name a file for --confusion.")


def _draw(result: Evaluation, path: Path) -> None:
    from senet_cli.output.files import write_file
    from senet_cli.output.plots import draw_confusion

    labels = [entry.label for entry in result.classes]
    title = f"{result.model}, top-1 {result.top1.percent:.2f} %"
    write_file(path, draw_confusion(result.confusion, labels, title), picture=True)


def _written(result: Evaluated, style: EvaluationFormat, width: int | None, *, mistakes: bool) -> str:
    if style == "json":
        return _json(result)
    if style == "tsv":
        rows = _mistake_rows(result) if mistakes else _class_rows(result)
        return "".join(map(tsv_line, rows))
    table = _table(result, width)
    return f"{table}\n{_worst(result, width)}" if mistakes else table


def _class_rows(result: Evaluated) -> list[list[str]]:
    """List label, identifier, images, right ones, percent, and what it is most often mistaken for."""
    return [
        [
            each.label,
            each.id or "",
            str(each.share.of),
            str(each.share.right),
            f"{each.share.percent:.3f}",
            each.mistaken_for[0] if each.mistaken_for else "",
        ]
        for each in result.evaluation.classes
    ]


def _mistake_rows(result: Evaluated) -> list[list[str]]:
    """List score, class, answer and path."""
    return [[f"{each.score:.3f}", each.truth, each.answer, each.path] for each in result.evaluation.worst]


def _worst(result: Evaluated, width: int | None) -> str:
    rows = [["score", "class", "taken for", "image"]]
    for score, *words, path in _mistake_rows(result):
        rows.append([score, *map(printable, words), printable(path)])
    if len(rows) == 1:
        return "no mistakes\n"
    return "mistakes with the highest scores:\n" + fitted(rows, [True, False, False, False], width)


def _json(result: Evaluated) -> str:
    from senet_cli.tasks.evaluate.accuracy import as_dict

    model = result.model
    published: dict[str, Any] | None = asdict(model.metric) if model.metric else None
    facts = as_dict(result.evaluation, model.preprocess.crop, published, result.seen)
    return encodable_json(json.dumps(facts, indent=1, ensure_ascii=False)) + "\n"


def _trained_on(seen: TrainingImages | None) -> list[str]:
    if seen is None or not seen.found:
        return []
    where = "left out" if seen.left_out else "among them"
    return [f"{where}: {counted(seen.found, 'image')} that the model was trained on"]


def _top5(result: Evaluation) -> list[str]:
    """Nothing where five classes are all that the model knows."""
    from senet_cli.tasks.evaluate.accuracy import TOP

    if result.model_classes <= TOP:
        return []
    low, high = result.top5.interval
    return [
        f"top-5              {result.top5.percent:6.2f} %   {result.top5.right:,} right, "
        f"95 % interval {low:.2f} to {high:.2f}"
    ]


def _calibration(result: Evaluation) -> str:
    """Say what the calibration error is, and which way it goes."""
    meaning = "how far scores are from how often they are right"
    surplus = result.overconfidence or 0.0
    if abs(surplus) < _NOTICED:
        return meaning
    return f"{meaning}: on average {abs(surplus):.1f} points too {'high' if surplus > 0 else 'low'}"


def _published(model: RunnableModel) -> str:
    """Find the accuracy to compare with; there is none for sizes other than the publisher's."""
    metric = model.metric
    if metric is None:
        resize, crop = model.preprocess.resize, model.preprocess.crop
        return f"{'published':18}   none for images resized to {resize} and cropped to {crop}"
    said = "after training" if metric.source == OWN_RUN else "published"
    return f"{said:18} {metric.top1:6.2f} %   {metric.dataset}, {metric.source}"


def _table(evaluated: Evaluated, width: int | None) -> str:
    """Lay out the report for people; `width` is that of the terminal, None for a file."""
    result, model = evaluated.evaluation, evaluated.model
    low, high = result.top1.interval
    lines = [
        f"{result.model}: {counted(result.top1.of, 'image')} of "
        f"{counted(len(result.classes), 'class', 'classes')}, at {model.preprocess.crop} pixels",
        *_trained_on(evaluated.seen),
        "",
        f"top-1              {result.top1.percent:6.2f} %   {result.top1.right:,} right, "
        f"95 % interval {low:.2f} to {high:.2f}",
        *_top5(result),
        f"mean of classes    {result.mean_class_accuracy:6.2f} %",
    ]
    if result.calibration_error is not None:
        lines.append(f"calibration error  {result.calibration_error:6.2f} %   {_calibration(result)}")
    lines.append(_published(model))
    if width is not None:
        lines = [part for line in lines for part in wrapped(line, width, rest="  ")]
    rows = [["class", "images", "right", "top-1", "most often mistaken for"]]
    for entry in result.classes:
        mistaken = (
            f"{printable(entry.mistaken_for[0])} ({entry.mistaken_for[1]})" if entry.mistaken_for else ""
        )
        share = entry.share
        label = printable(entry.label)
        rows.append([label, f"{share.of:,}", f"{share.right:,}", f"{share.percent:.2f}%", mistaken])
    return "\n".join(lines) + "\n\n" + fitted(rows, [False, True, True, True, False], width)
