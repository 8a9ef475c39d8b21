"""A whole training run: data and network in, the folder of a finished model out."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from senet_cli.catalogue.entries import (
    OWN_RUN,
    Architecture,
    Checkpoint,
    EntryName,
    Licence,
    Metric,
    Preprocess,
)
from senet_cli.catalogue.labels import NO_NAME, LabelSet
from senet_cli.catalogue.parse import is_name
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.datasets.archives import unpacked
from senet_cli.datasets.labelled import Labelled
from senet_cli.datasets.names import normal
from senet_cli.errors import UsageError, advise
from senet_cli.events import (
    SILENCE,
    EpochAdvanced,
    EpochFinished,
    ImagesUnreadable,
    Reporter,
    TrainingPrepared,
)
from senet_cli.images.decode import silence_decoders
from senet_cli.inference.engines.base import resolve_device
from senet_cli.inference.engines.torch import device_facts
from senet_cli.inference.models import RunnableModel, load_torch_network
from senet_cli.inference.resolve import Resolver
from senet_cli.inference.runtime import resolve_runtime
from senet_cli.inference.start import start_engine
from senet_cli.nets.network import SENetwork, build_network
from senet_cli.nets.pixels import PixelNetwork
from senet_cli.settings import Settings
from senet_cli.tasks.train.data_set import DataSet, Undivided, earlier_record
from senet_cli.tasks.train.folder import RunFolder, State
from senet_cli.tasks.train.loop import Epoch, Trainer, calculates_bf16
from senet_cli.tasks.train.recipe import Recipe, RecipeOptions, TrainPrecision
from senet_cli.tasks.train.samples import Samples, augmentation, batches
from senet_cli.tasks.train.teachers import Teachers
from senet_cli.tasks.train.validation import Validation


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainRequest:
    """What to train.

    Args:
        data: folder or tar.
        output: folder of the run.
        recipe: the numbers, as far as the user says them.
        architecture: key, None with `origin`.
        origin: checkpoint or run to start from, None to start from random weights.
        teachers: checkpoints or runs whose answers are learned from too.
        se: False for the plain twin.
        resume: True to go on with the run in `output`, if one was begun.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        jobs: decoding processes, for large images.
        parts: False if all folders of the data are classes, also those that are named like parts.
        empty_classes: True to train although no image of some class can be read.
        command: what the user typed, for the record of how the run was made.
    """

    data: Path
    output: Path
    recipe: RecipeOptions
    architecture: str | None
    origin: str | None
    teachers: tuple[str, ...]
    se: bool
    resume: bool
    device: str
    jobs: int
    parts: bool = True
    empty_classes: bool = False
    command: tuple[str, ...] = ()


def train(request: TrainRequest, settings: Settings, reporter: Reporter) -> Checkpoint:
    """Train, and leave a model that `-m <output>` finds.

    Raises:
        SenetError: data, model, options or disk are not as they must be.
    """
    silence_decoders()
    device = resolve_device(request.device, device_facts())
    fine_tuning = request.origin is not None
    recipe = request.recipe.resolve(bf16=calculates_bf16(device), fine_tuning=fine_tuning)
    folder = RunFolder(request.output)
    if folder.used and not request.resume:
        raise UsageError(f"`{request.output}` holds a run already", advise("resume"))
    data_is_folder = os.path.isdir(request.data)  # noqa: PTH112 - False where one may not look
    if data_is_folder and request.output.resolve().is_relative_to(request.data.resolve()):
        raise UsageError(f"`{request.output}` lies inside `{request.data}`", advise("another-folder"))
    with unpacked(request.data) as data:
        images = Undivided.read(
            data, request.data, reporter, parts=request.parts, empty_classes=request.empty_classes
        )
        resolver = Resolver.load(settings, reporter)
        start = _start(request, resolver)
        taught_by = [
            _teacher(name, start.architecture.preprocess, images.labels, resolver)
            for name in request.teachers
        ]
        teachers = _teachers(taught_by, recipe, device, settings)
        earlier = earlier_record([start.model, *taught_by] if start.model else taught_by, reporter)
        data_set = images.divide(recipe.seed, request.jobs, earlier, reporter)
        folder.prepare()
        with folder.locked():
            return _Run(request, recipe, device, start, teachers, data_set, folder, reporter).go()


# --- what a run starts from -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Start:
    """The architecture, and the model whose weights come first, if any."""

    architecture: Architecture
    model: RunnableModel | None


def _start(request: TrainRequest, resolver: Resolver) -> _Start:
    if request.origin is None:
        architecture = resolver.catalogue.architecture(str(request.architecture))
        if not request.se:
            architecture = replace(
                architecture, key=f"{architecture.key}-plain", spec=architecture.spec.without_se()
            )
        return _Start(architecture, None)
    model = resolver.choose(ModelRef.parse(request.origin))
    stages = len(model.architecture.spec.depths)
    if request.recipe.freeze > stages:
        raise UsageError(f"`{model.name}` has {stages} stages", advise("freeze-fewer", stages=stages))
    return _Start(replace(model.architecture, preprocess=model.preprocess), model)


def _teacher(name: str, preprocess: Preprocess, labels: LabelSet, resolver: Resolver) -> RunnableModel:
    """Choose a model that sees what the network sees and has an answer for each of its classes."""
    model = resolver.choose(ModelRef.parse(name))
    if not _same_classes(model.labels, labels):
        raise UsageError(
            f"the classes of `{name}` are not those of the images",
            "Teacher and student need the same classes.",
        )
    if model.preprocess.crop != preprocess.crop:
        raise UsageError(
            f"`{name}` sees {model.preprocess.crop}x{model.preprocess.crop} pixels, "
            f"the network that learns {preprocess.crop}x{preprocess.crop}",
            "Teacher and student need the same input size.",
        )
    return model


def _network(start: _Start, labels: LabelSet) -> SENetwork:
    """Set the first weights: random, or a model's, whose head stays only if its classes are the same."""
    fresh = build_network(start.architecture.spec.with_classes(len(labels)))
    if start.model is None:
        return fresh
    trained = load_torch_network(start.model)
    if _same_classes(start.model.labels, labels):
        return trained.train()
    trained.head, trained.spec = fresh.head, fresh.spec
    return trained.train()


def _same_classes(one: LabelSet, other: LabelSet) -> bool:
    return list(map(normal, one.labels)) == list(map(normal, other.labels))


def _teachers(models: Sequence[RunnableModel], recipe: Recipe, device: str, settings: Settings) -> Teachers:
    """They run as they do for `senet predict`, which is faster than a network that is trained."""
    if not models:
        return Teachers()
    runtime = resolve_runtime("auto", device, recipe.precision, latency=True)
    engines = [start_engine(model, runtime, settings, SILENCE)[0] for model in models]
    names = [f"{model.name} {model.start.sha256}" for model in models]
    return Teachers(engines, names, mirror=recipe.augment != "none")


# --- the run --------------------------------------------------------------------------------------


class _Run:
    """One run from its first or next epoch to the finished model."""

    def __init__(
        self,
        request: TrainRequest,
        recipe: Recipe,
        device: str,
        start: _Start,
        teachers: Teachers,
        data: DataSet,
        folder: RunFolder,
        reporter: Reporter,
    ) -> None:
        self._request, self._folder, self._reporter = request, folder, reporter
        self._recipe, self._start, self._data = recipe, start, data
        self._taught_by = teachers.names
        self._labels, splits = data.labels, data.splits
        preprocess = start.architecture.preprocess
        self._train = Samples(splits.train, preprocess, augmentation(self._recipe.augment, preprocess))
        self._held_back = Validation(
            splits.held_back or Labelled(splits.train.classes, ()),
            preprocess,
            self._labels,
            self._recipe.batch_size,
            request.jobs,
        )
        torch.manual_seed(self._recipe.seed)
        network = PixelNetwork(_network(start, self._labels), preprocess, device)
        self._trainer = Trainer(network, teachers, self._recipe)
        self._log: tuple[Epoch, ...] = ()

    def go(self) -> Checkpoint:
        """Train all epochs that are left, then write the files of the finished model."""
        asked = self._asked()
        if state := self._folder.load_state(asked):
            self._trainer.network.load_state_dict(state.network)
            self._trainer.optimiser.load_state_dict(state.optimiser)
            self._log = state.log
        self._folder.save_recipe(asked, self._request.command, self._data.record)
        first = len(self._log) + 1
        classes = len(self._labels)
        self._reporter.report(
            TrainingPrepared(len(self._train), len(self._held_back), classes, first, self._recipe.epochs)
        )
        for number in range(first, self._recipe.epochs + 1):
            epoch = self._epoch(number)
            self._log = (*self._log, epoch)
            self._folder.save_state(
                State(
                    asked,
                    self._trainer.network.state_dict(),
                    self._trainer.optimiser.state_dict(),
                    self._log,
                )
            )
            self._reporter.report(self._finished(epoch))
        self._folder.save_log(self._log)
        return self._folder.save_model(self._trainer.network, self._checkpoint(), self._own_labels())

    def _epoch(self, number: int) -> Epoch:
        begun = time.monotonic()
        recipe, trainer = self._recipe, self._trainer
        trainer.unreadable.clear()
        each = max(1, len(self._train) // recipe.batch_size)
        stream = batches(
            self._train,
            recipe.batch_size,
            seed=_seed(recipe.seed, number),
            jobs=self._request.jobs,
        )
        loss, accuracy = trainer.train(
            stream,
            (number - 1) * each,
            each * recipe.epochs,
            lambda done: self._reporter.report(EpochAdvanced(number, done, len(self._train))),
        )
        held_back = self._measure(recipe.precision)
        if trainer.unreadable:
            self._reporter.report(ImagesUnreadable(tuple(trainer.unreadable)))
        rate = recipe.rate_at(number * each - 1, each * recipe.epochs)
        return Epoch(number, rate, loss, accuracy, *held_back, time.monotonic() - begun)

    def _finished(self, epoch: Epoch) -> EpochFinished:
        return EpochFinished(
            epoch.number,
            self._recipe.epochs,
            epoch.loss,
            epoch.accuracy,
            epoch.held_back_accuracy,
            epoch.seconds,
        )

    def _measure(self, precision: TrainPrecision) -> tuple[float, float]:
        return self._held_back.measure(self._trainer, precision, self._trainer.unreadable)

    def _asked(self) -> dict[str, Any]:
        """List what decides the weights; a run is only resumed with the same."""
        return {
            **asdict(self._recipe),
            "architecture": self._start.architecture.key,
            "from": self._start.model.name if self._start.model else None,
            "teachers": self._taught_by,
            "data": self._data.digest,
            "classes": list(self._labels.labels),
            "workers": self._train.workers(self._request.jobs),
        }

    def _own_labels(self) -> LabelSet | None:
        return replace(self._labels, name=self._name) if self._labels.name == NO_NAME else None

    @property
    def _name(self) -> EntryName:
        name = re.sub("[^a-z0-9_-]+", "-", self._request.output.absolute().name.lower()).strip("-")
        name = name[:60] or "run"
        return EntryName(name if is_name(name) else f"{name}-run")

    def _checkpoint(self) -> Checkpoint:
        own = self._own_labels()
        labels = own.name if own else self._labels.name
        spec = self._trainer.network.spec
        architecture = replace(self._start.architecture, spec=spec, labels=labels)
        return Checkpoint(
            name=self._name,
            publisher="trained with senet",
            architecture=architecture,
            labels=labels,
            preprocess=architecture.preprocess,
            files=(),
            metrics=self._metrics(),
            licence=Licence("your own", "as the images and the weights it began with allow"),
            sources=(f"`senet train`, {self._recipe.epochs} epochs, seed {self._recipe.seed}",),
        )

    def _metrics(self) -> tuple[Metric, ...]:
        """Accuracy of the finished weights, in float32 as `senet predict` runs them."""
        if not len(self._held_back):
            return ()
        self._trainer.unreadable.clear()
        _, accuracy = self._measure("fp32")
        if math.isnan(accuracy):  # none of them can be read
            return ()
        size = self._start.architecture.preprocess.crop
        count = len(self._held_back) - len(self._trainer.unreadable)
        dataset = f"{count:,} images held back"
        if unknown := self._data.record.unrecorded:
            dataset = f"{count:,} images that this run did not train on; what `{unknown[0]}` saw is not known"
        return (Metric(dataset, round(100 * accuracy, 3), None, size, OWN_RUN),)


def _seed(seed: int, epoch: int) -> int:
    """Another one for each epoch, so that a resumed run sees what an uninterrupted one sees."""
    return (seed * 1_000_003 + epoch) % 2**63
