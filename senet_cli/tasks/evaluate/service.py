"""Measure a model on labelled images that it was not trained on."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from senet_cli.catalogue.input_size import USUAL_SIZE, InputSize
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.datasets.archives import unpacked
from senet_cli.datasets.classes import match_classes
from senet_cli.datasets.ground_truth import read_labelled
from senet_cli.datasets.labelled import Labelled
from senet_cli.datasets.training_record import MANY, TrainingRecord
from senet_cli.errors import NothingToClassifyError, advise
from senet_cli.events import (
    ImagesCounted,
    ImagesDone,
    ImagesToIdentify,
    RecordUnusable,
    Reporter,
    TrainingImagesFound,
)
from senet_cli.inference.models import RunnableModel
from senet_cli.inference.predictor import Predictor
from senet_cli.inference.resolve import Resolver
from senet_cli.inference.runtime import ComputeOptions
from senet_cli.settings import Settings
from senet_cli.tasks.evaluate.accuracy import TOP, Evaluation, Tally, TrainingImages
from senet_cli.tasks.loading import load_predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateRequest:
    """What to measure, on what.

    Args:
        data: a folder of class folders, a tar of one, or CIFAR's batches.
        model: the model.
        ground_truth: a list of images and classes instead of class folders, or None.
        parts: False if all folders are classes, also those that are named like parts.
        empty_classes: True to go on where no image of a class can be read.
        training_images: True to measure also on images that the model was trained on.
        size: at which size the network sees images.
        compute: where and how the network runs.
        worst: how many mistakes are listed, those with the highest scores.
    """

    data: Path
    model: ModelRef
    ground_truth: Path | None = None
    parts: bool = True
    empty_classes: bool = False
    training_images: bool = False
    size: InputSize = USUAL_SIZE
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    worst: int = 0


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What came out.

    Args:
        evaluation: the figures.
        model: the model, with its published accuracy.
        seen: images that the model was trained on; None where nothing is recorded of them.
        images: how many were tried.
    """

    evaluation: Evaluation
    model: RunnableModel
    seen: TrainingImages | None
    images: int


def evaluate(request: EvaluateRequest, settings: Settings, reporter: Reporter) -> Evaluated:
    """Classify all images and compare.

    Raises:
        SenetError: data or model are not as they must be.
        NothingToClassifyError: none of the images could be classified, or the model was trained on all.
    """
    compute = request.compute
    runtime = compute.resolve()
    with unpacked(request.data) as folder:
        images = read_labelled(
            folder, request.ground_truth, parts=request.parts, empty_classes=request.empty_classes
        )
        reporter.report(images.event)
        model = Resolver.load(settings, reporter).choose(request.model, runtime=runtime, size=request.size)
        indices = match_classes(images.classes, model.labels)
        images, seen = without_training_images(
            images, model, compute.jobs, reporter, include=request.training_images
        )
        predictor, batch_size = load_predictor(model, runtime, compute, settings, reporter)
        result = measure(images, indices, predictor, batch_size, compute.jobs, reporter, worst=request.worst)
        if not os.path.isdir(request.data):  # noqa: PTH112 - False where one may not look
            result = _within(result, folder)
    return Evaluated(result, model, seen, len(images))


def measure(
    images: Labelled,
    indices: tuple[int, ...],
    predictor: Predictor,
    batch_size: int,
    jobs: int,
    reporter: Reporter,
    *,
    worst: int = 0,
) -> Evaluation:
    """Classify labelled images with a loaded model and count.

    Args:
        images: with their classes.
        indices: position in the model's output, for each class of the images; see `datasets.classes`.
        predictor: the model.
        batch_size: images in a batch.
        jobs: decoding threads.
        reporter: hears how many images are done.
        worst: how many mistakes are listed, those with the highest scores.

    Raises:
        NothingToClassifyError: none of the images could be classified.
    """
    from senet_cli.inference.pipeline import RunOptions, classify

    tally = Tally(worst)
    reporter.report(ImagesCounted(len(images)))
    sources = (source for source, _ in images.images)
    with closing(classify(sources, predictor, RunOptions(TOP, 0.0, batch_size, jobs))) as records:
        for done, (record, (_, target)) in enumerate(zip(records, images.images, strict=True), start=1):
            tally.add(record, indices[target])
            reporter.report(ImagesDone(done))
    if not tally.outcomes:
        raise NothingToClassifyError("none of the images could be classified")
    return tally.result(predictor)


def without_training_images(
    images: Labelled, model: RunnableModel, jobs: int, reporter: Reporter, *, include: bool = False
) -> tuple[Labelled, TrainingImages | None]:
    """Leave out the images that the model was trained on, where it has a record of them.

    Args:
        images: from anywhere; they are known by what is in them.
        model: a model, with its folder if it has one.
        jobs: reading threads.
        reporter: hears what was found, and of a record that cannot be used.
        include: True to measure them all the same.

    Returns:
        The images to measure, and what was found; None where nothing is recorded.

    Raises:
        NothingToClassifyError: nothing is left.
    """
    record = TrainingRecord.read(model.folder) if model.folder else None
    if record is None:
        return images, None
    if record.problem:
        reporter.report(RecordUnusable(model.name, record.problem))
        return images, None
    for name in record.unrecorded:
        reporter.report(RecordUnusable(name))
    if len(images) >= MANY:
        reporter.report(ImagesToIdentify(len(images)))
    unseen = record.unseen(images, jobs)
    found = len(images) - len(unseen)
    if found == len(images) and not include:
        raise NothingToClassifyError(
            f"`{model.name}` was trained on all {found:,} images: being right on them says nothing of others",
            "Give other images.",
            advise("measure-all-the-same"),
        )
    if found:
        reporter.report(TrainingImagesFound(model.name, found, len(images), not include))
    return (images if include else unseen), TrainingImages(found, not include)


def _within(evaluation: Evaluation, folder: Path) -> Evaluation:
    """With the paths of failures and mistakes in the tar, whose unpacked files are gone afterwards."""
    failures = (replace(each, path=os.path.relpath(each.path, folder)) for each in evaluation.failures)
    worst = (replace(each, path=os.path.relpath(each.path, folder)) for each in evaluation.worst)
    return replace(evaluation, failures=tuple(failures), worst=tuple(worst))
