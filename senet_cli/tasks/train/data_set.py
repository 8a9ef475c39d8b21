"""The images of a run: what is wrong with them is found before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from senet_cli.catalogue.labels import LabelSet, labels_for_classes
from senet_cli.catalogue.lookup import BUNDLED_MODELS
from senet_cli.datasets.division import Division
from senet_cli.datasets.labelled import Labelled, Splits
from senet_cli.datasets.parts import inner
from senet_cli.datasets.readable import unreadable_classes
from senet_cli.datasets.splits import read_splits
from senet_cli.datasets.training_record import MANY, TrainingRecord, joined
from senet_cli.errors import UsageError, advise
from senet_cli.events import (
    ClassesNotMeasured,
    ClassesUnreadable,
    HeldBackImagesTrained,
    ImagesNotMeasured,
    ImagesToIdentify,
    NothingHeldBack,
    RecordUnusable,
    Reporter,
)
from senet_cli.inference.models import RunnableModel

_SHOWN = 5
"""Names in a message."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """The images of a run.

    Args:
        splits: to train on and to measure with.
        labels: names of the classes.
        digest: of names, classes and sizes of all images.
        record: which images the model is trained on, and which are held back.
    """

    splits: Splits
    labels: LabelSet
    digest: str
    record: TrainingRecord


@dataclass(frozen=True, slots=True)
class Undivided:
    """A data set that was read, and is not yet divided into what is trained on and what is held back.

    Args:
        root: folder that its images lie in.
        given: what the user called it.
        splits: its parts.
        labels: names of the classes.
        empty_classes: True to train although no image of some class can be read.
    """

    root: Path
    given: Path
    splits: Splits
    labels: LabelSet
    empty_classes: bool

    @classmethod
    def read(
        cls, folder: Path, given: Path, reporter: Reporter, *, parts: bool, empty_classes: bool
    ) -> Undivided:
        """Read what is there and check the classes.

        Args:
            folder: of the data set, unpacked.
            given, empty_classes: see the class.
            reporter: hears of folders that could have been meant otherwise.
            parts: False if all folders are classes, also those that are named like parts.

        Raises:
            UsageError: the folder is laid out in no way that is known, its classes have unusable names, or
                there is only one.
            DiskError: it cannot be read.
        """
        splits = read_splits(folder, parts=parts, empty_classes=empty_classes)
        reporter.report(splits.event)
        for name in splits.train.classes:
            if not _is_utf8(name):
                raise UsageError(f"the name of the class folder {name!r} is not UTF-8", "Rename it.")
        labels = labels_for_classes(splits.train.classes)
        if len(set(labels.labels)) < len(labels):
            twice = next(label for label in labels.labels if labels.labels.count(label) > 1)
            raise UsageError(f"two class folders are the same class, `{twice}`", "Put their images together.")
        images = cls(inner(folder, parts=parts), given, splits, labels, empty_classes)
        if len(labels) == 1:
            raise images._one_class(0)
        return images

    def divide(self, seed: int, jobs: int, earlier: TrainingRecord, reporter: Reporter) -> DataSet:
        """Hold images back where the data set does not say which, and see that every class can be learned.

        Args:
            seed: decides which are held back.
            jobs: reading and decoding threads.
            earlier: what the models that the run begins with or learns from were trained on.
            reporter: hears of classes that cannot be learned, and of what is not measured.

        Raises:
            UsageError: no image of a class can be read, or of all classes but one.
        """
        count = len(self.splits.train) + len(self.splits.held_back or ())
        if count >= MANY:
            reporter.report(ImagesToIdentify(count))
        division = Division.of(self.splits, seed, earlier, jobs)
        dark = unreadable_classes(division.splits().train, jobs)
        if dark and not division.given:
            division = division.with_trained(dark)
            dark = unreadable_classes(division.splits().train, jobs)
        self._check_readable(dark, reporter)
        splits = division.splits()
        self._report_unmeasured(division, splits, jobs, reporter)
        return DataSet(splits, self.labels, splits.digest(self.root), division.record())

    def _report_unmeasured(self, division: Division, splits: Splits, jobs: int, reporter: Reporter) -> None:
        """Say which images and classes are not measured, and why."""
        if division.copies:
            reporter.report(ImagesNotMeasured(division.copies, earlier=False))
        if division.seen_earlier:
            reporter.report(ImagesNotMeasured(division.seen_earlier, earlier=True))
        if division.no_longer_held_back:
            reporter.report(HeldBackImagesTrained(division.no_longer_held_back))
        measured = splits.held_back or Labelled(splits.train.classes, ())
        present = {number for _, number in measured.images}
        spent = [number for number in division.spent_classes if number not in present]
        if spent:
            reporter.report(ClassesNotMeasured(self._names(spent)) if present else NothingHeldBack())
        if unreadable := [n for n in unreadable_classes(measured, jobs) if n in present]:
            reporter.report(ClassesUnreadable(self._names(unreadable), held_back=True))

    def _check_readable(self, dark: Sequence[int], reporter: Reporter) -> None:
        if not dark:
            return
        if len(self.labels) - len(dark) == 1:
            raise self._one_class(next(n for n in range(len(self.labels)) if n not in dark), dark)
        if len(dark) == len(self.labels):
            raise UsageError(
                "no image to train on can be read",
                "Check what the files are.",
                advise("show-problems"),
            )
        if not self.empty_classes:
            raise UsageError(
                f"no image to train on of {self._in_words(dark)} can be read",
                "Mend or remove them.",
                advise("allow-empty-classes"),
            )
        reporter.report(ClassesUnreadable(self._names(dark), held_back=False))

    def _names(self, numbers: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.labels.labels[number] for number in numbers)

    def _in_words(self, numbers: Sequence[int]) -> str:
        shown = ", ".join(f"`{name}`" for name in self._names(numbers)[:_SHOWN])
        return shown + (f" and {len(numbers) - _SHOWN:,} other classes" if len(numbers) > _SHOWN else "")

    def _one_class(self, number: int, dark: Sequence[int] = ()) -> UsageError:
        unreadable = f"; no image of {self._in_words(dark)} can be read" if dark else ""
        left_out = "".join(f"; {remark}" for remark in self.splits.remarks)
        return UsageError(
            f"`{self.given}` has readable images of one class only, `{self.labels.labels[number]}`: there is "
            f"nothing to tell it from{unreadable}{left_out}",
            "Give images of at least one other class too, in a folder of their own.",
        )


def earlier_record(models: Sequence[RunnableModel], reporter: Reporter) -> TrainingRecord:
    """Join what the models that a run begins with or learns from were trained on, as far as it is recorded.

    Nothing is recorded of published models and of the one that comes with the package.

    Args:
        models: these models.
        reporter: hears of the user's own models of which nothing is known.
    """
    records: list[tuple[str, TrainingRecord | None]] = []
    for model in models:
        if model.folder is None or model.folder.is_relative_to(BUNDLED_MODELS):
            continue
        record = TrainingRecord.read(model.folder)
        if record is None or record.problem:
            reporter.report(RecordUnusable(model.name, record.problem if record else ""))
        records.append((model.name, record))
    return joined(records)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
