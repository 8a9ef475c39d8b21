"""One run: its epochs, and the files that it leaves."""

from __future__ import annotations

import math
import re
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from senet_cli.catalogue.entries import OWN_RUN, Checkpoint, EntryName, Licence, Metric
from senet_cli.catalogue.labels import NO_NAME, LabelSet
from senet_cli.catalogue.parse import is_name
from senet_cli.datasets.labelled import Labelled
from senet_cli.events import (
    EpochAdvanced,
    EpochFinished,
    ImagesUnreadable,
    ProbeFitted,
    ProbeKept,
    Reporter,
    TrainingPlanned,
    TrainingPrepared,
    TrainingStopped,
)
from senet_cli.nets.network import SENetwork
from senet_cli.nets.pixels import PixelNetwork
from senet_cli.tasks.evaluate.accuracy import Share
from senet_cli.tasks.train.begun import Begun
from senet_cli.tasks.train.data_set import DataSet
from senet_cli.tasks.train.folder import RunFolder, State
from senet_cli.tasks.train.loop import Epoch, Trainer, best_epoch
from senet_cli.tasks.train.plan import Facts, class_weights, is_worse
from senet_cli.tasks.train.probe import features_of, fit_head
from senet_cli.tasks.train.recipe import TrainingRecipe, TrainPrecision
from senet_cli.tasks.train.samples import Samples, augmentation, batches
from senet_cli.tasks.train.start import Start
from senet_cli.tasks.train.teachers import Teachers
from senet_cli.tasks.train.validation import Validation

PROBE_BATCH = 64
"""Images whose features are computed at once."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished run.

    Args:
        checkpoint: the model.
        right: how often it is right on the images that were held back; None where there are none to measure.
    """

    checkpoint: Checkpoint
    right: Share | None


@dataclass(frozen=True, slots=True, eq=False)
class Probed:
    """A head that was fitted to the features.

    Args:
        weight, bias: float32 (classes, channels) and (classes,).
        right, of: images held back for which the network with it is right, of so many; 0 of 0 without any.
        start: digest of the model whose features it was fitted to.
    """

    weight: Tensor
    bias: Tensor
    right: int
    of: int
    start: str

    @classmethod
    def read(cls, state: dict[str, Any]) -> Probed:
        """Read what `dataclasses.asdict` gave."""
        return cls(state["weight"], state["bias"], int(state["right"]), int(state["of"]), str(state["start"]))

    def put(self, network: SENetwork) -> None:
        """Give a network this head."""
        with torch.no_grad():
            network.head.weight.copy_(self.weight)
            network.head.bias.copy_(self.bias)


class Run:
    """One run from its first or next epoch to the finished model.

    Args:
        begun: what it was begun with.
        recipe: the numbers.
        device: a resolved device.
        start: the first weights.
        teachers: what it learns from beside the labels.
        data: images and classes.
        facts: of them.
        folder: where its files go.
        reporter: hears how it goes.
    """

    def __init__(
        self,
        begun: Begun,
        recipe: TrainingRecipe,
        device: str,
        start: Start,
        teachers: Teachers,
        data: DataSet,
        facts: Facts,
        folder: RunFolder,
        reporter: Reporter,
    ) -> None:
        self._begun, self._folder, self._reporter = begun, folder, reporter
        self._recipe, self._start, self._data = recipe, start, data
        self._taught_by = teachers.names
        self._labels, splits = data.labels, data.splits
        preprocess = start.architecture.preprocess
        self._train = Samples(splits.train, preprocess, augmentation(recipe.augment, preprocess))
        self._held_back = Validation(
            splits.held_back or Labelled(splits.train.classes, ()),
            preprocess,
            self._labels,
            recipe.batch_size,
            begun.jobs,
        )
        torch.manual_seed(recipe.seed)
        network = PixelNetwork(start.network(self._labels), preprocess, device)
        self._weights = torch.tensor(class_weights(facts.counts)) if recipe.balance else None
        self._trainer = Trainer(network, teachers, recipe, self._weights)
        self._fine_tuning = facts.fine_tuning
        self._log: tuple[Epoch, ...] = ()
        self._probe: Probed | None = None
        self._best: dict[str, Tensor] | None = None
        self._best_epoch = 0
        self._first: dict[str, Tensor] = {}
        self._stopped = False
        self._not_measured = 0

    def go(self) -> Trained:
        """Train all epochs that are left, then write the files of the finished model."""
        asked = self._asked()
        state = self._folder.load_state(asked)
        self._folder.save_recipe(asked, self._begun, self._data.record)
        first, recipe, held_back = len(state.log) + 1 if state else 1, self._recipe, len(self._held_back)
        self._reporter.report(self._planned())
        self._reporter.report(
            TrainingPrepared(len(self._train), held_back, len(self._labels), first, recipe.epochs)
        )
        if state:
            self._go_on(state, asked)
        elif recipe.probe:
            self._fit_head()
        self._train_on(asked)
        self._folder.save_log(self._log)
        right = self._choose()
        checkpoint = self._checkpoint(self._metrics(right))
        return Trained(self._folder.save_model(self._trainer.network, checkpoint, self._own_labels()), right)

    def _planned(self) -> TrainingPlanned:
        recipe = self._recipe
        return TrainingPlanned(
            images=len(self._train),
            batch_size=recipe.batch_size,
            epochs=recipe.epochs,
            optimiser=recipe.optimiser,
            rate=recipe.rate,
            augment=recipe.augment,
            freeze=recipe.freeze,
            balance=recipe.balance,
            probe=recipe.probe,
            patience=recipe.patience,
            fine_tuning=self._fine_tuning,
        )

    def _go_on(self, state: State, asked: dict[str, Any]) -> None:
        if state.probe:
            self._probe = Probed.read(state.probe)
            self._probe.put(self._trainer.network)
        self._remember_start()
        self._trainer.network.load_state_dict(state.network)
        self._trainer.optimiser.load_state_dict(state.optimiser)
        self._log, self._best, self._best_epoch = state.log, state.best, state.best_epoch
        as_it_was = all(state.asked[name] == asked[name] for name in ("epochs", "patience"))
        self._stopped = state.stopped and as_it_was and self._best is not None

    def _fit_head(self) -> None:
        """Fit a head to the features, and see how good the model is with it before anything is trained."""
        samples = Samples(self._data.splits.train, self._start.architecture.preprocess)
        stream = batches(samples, PROBE_BATCH, seed=self._recipe.seed, jobs=self._begun.jobs, whole=True)
        features, targets = features_of(self._trainer.pixels, stream)
        classes = len(self._labels)
        weights = torch.ones(classes) if self._weights is None else self._weights
        weight, bias = fit_head(features, targets, classes, weights.double(), self._recipe.label_smoothing)
        self._probe = Probed(weight.float(), bias.float(), 0, 0, self._start.digest)
        self._probe.put(self._trainer.network)
        right = self._measure_finished()
        if right is not None:
            self._probe = replace(self._probe, right=right.right, of=right.of)
        self._remember_start()
        self._reporter.report(ProbeFitted(self._probe.right, self._probe.of))

    def _remember_start(self) -> None:
        """Keep the fitted head and the network as it is, if they may be chosen in the end."""
        probe = self._probe
        if self._recipe.choose and probe and probe.of and probe.start == self._start.digest:
            self._first = _copied(self._trainer.network)

    def _train_on(self, asked: dict[str, Any]) -> None:
        """Train the epochs that are left, or until nothing gets better."""
        finished_before = self._folder.finished
        for number in range(len(self._log) + 1, self._recipe.epochs + 1):
            if self._stopped:
                break
            epoch = self._epoch(number)
            self._log = (*self._log, epoch)
            self._keep_best(number)
            self._stopped = 0 < self._recipe.patience <= number - self._best_epoch
            self._keep(asked)
            if not finished_before:
                self._keep_usable()
            self._reporter.report(self._finished(epoch))
        if self._stopped and self._best:
            self._reporter.report(TrainingStopped(len(self._log), self._best_epoch))
            self._trainer.network.load_state_dict(self._best)

    def _keep_best(self, number: int) -> None:
        """Keep the weights of an epoch that was just trained, if no epoch whose weights are kept was better.

        They are kept without patience too, for a run may be given some when it goes on.
        """
        of = self._log[self._best_epoch - 1 :] if self._best else self._log[-1:]
        if best_epoch(of) == number:
            self._best, self._best_epoch = _copied(self._trainer.network), number

    def _choose(self) -> Share | None:
        """Measure the finished model; take the fitted head instead where training has made it worse."""
        right = self._measure_finished()
        if right is None or self._probe is None or not self._first:
            return right
        probed = Share(self._probe.right, self._probe.of)
        if not is_worse(right, probed):
            return right
        self._reporter.report(ProbeKept(right.right, probed.right, probed.of))
        self._trainer.network.load_state_dict(self._first)
        return probed

    def _keep(self, asked: dict[str, Any]) -> None:
        trainer = self._trainer
        state = State(
            asked,
            trainer.network.state_dict(),
            trainer.optimiser.state_dict(),
            self._log,
            asdict(self._probe) if self._probe else None,
            self._best,
            self._best_epoch,
            self._stopped,
        )
        self._folder.save_state(state)

    def _keep_usable(self) -> None:
        """Write the model as it is now: also a run that is never finished can be used."""
        epoch = self._log[-1]
        right = self._share(epoch.held_back_accuracy)
        done = (epoch.number, self._recipe.epochs)
        checkpoint = self._checkpoint(self._metrics(right))
        self._folder.save_model(self._trainer.network, checkpoint, self._own_labels(), done)

    def _epoch(self, number: int) -> Epoch:
        begun = time.monotonic()
        recipe, trainer = self._recipe, self._trainer
        trainer.unreadable.clear()
        each = max(1, len(self._train) // recipe.batch_size)
        stream = batches(
            self._train,
            recipe.batch_size,
            seed=_seed(recipe.seed, number),
            jobs=self._begun.jobs,
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
        unreadable: list[str] = []
        measured = self._held_back.measure(self._trainer, precision, unreadable)
        self._trainer.unreadable += unreadable
        self._not_measured = len(unreadable)
        return measured

    def _asked(self) -> dict[str, Any]:
        """List what decides the weights; a run is only resumed with the same."""
        return {
            **asdict(self._recipe),
            "architecture": self._start.architecture.key,
            "from": self._start.model.name if self._start.model else None,
            "teachers": self._taught_by,
            "data": self._data.digest,
            "classes": list(self._labels.labels),
            "workers": self._train.workers(self._begun.jobs),
        }

    def _own_labels(self) -> LabelSet | None:
        return replace(self._labels, name=self._name) if self._labels.name == NO_NAME else None

    @property
    def _name(self) -> EntryName:
        name = re.sub("[^a-z0-9_-]+", "-", self._folder.path.absolute().name.lower()).strip("-")
        name = name[:60] or "run"
        return EntryName(name if is_name(name) else f"{name}-run")

    def _checkpoint(self, metrics: tuple[Metric, ...]) -> Checkpoint:
        own = self._own_labels()
        labels = own.name if own else self._labels.name
        spec = self._trainer.network.spec
        architecture = replace(self._start.architecture, spec=spec, labels=labels)
        done, epochs = len(self._log), self._recipe.epochs
        passes = f"{epochs} epochs" if done >= epochs else f"{done} of {epochs} epochs"
        return Checkpoint(
            name=self._name,
            publisher="trained with senet",
            architecture=architecture,
            labels=labels,
            preprocess=architecture.preprocess,
            files=(),
            metrics=metrics,
            licence=Licence("your own", "as the images and the weights it began with allow"),
            sources=(f"`senet train`, {passes}, seed {self._recipe.seed}",),
        )

    def _measure_finished(self) -> Share | None:
        """Measure the finished weights, in float32 as `senet predict` runs them; None: nothing to measure."""
        if not len(self._held_back):
            return None
        _, accuracy = self._measure("fp32")
        return self._share(accuracy)

    def _share(self, accuracy: float) -> Share | None:
        """Count the images behind an accuracy, 0..1, that was measured last; None for NaN."""
        if math.isnan(accuracy):
            return None
        count = len(self._held_back) - self._not_measured
        return Share(round(accuracy * count), count)

    def _metrics(self, right: Share | None) -> tuple[Metric, ...]:
        if right is None:
            return ()
        size = self._start.architecture.preprocess.crop
        dataset = f"{right.of:,} images held back"
        if unknown := self._data.record.unrecorded:
            dataset = (
                f"{right.of:,} images that this run did not train on; what `{unknown[0]}` saw is not known"
            )
        return (Metric(dataset, round(right.percent, 3), None, size, OWN_RUN, right.of),)


def _copied(network: SENetwork) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in network.state_dict().items()}


def _seed(seed: int, epoch: int) -> int:
    """Another one for each epoch, so that a resumed run sees what an uninterrupted one sees."""
    return (seed * 1_000_003 + epoch) % 2**63
