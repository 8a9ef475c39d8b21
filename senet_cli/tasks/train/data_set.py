"""The images of a run: what is wrong with them is found before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from senet_cli.catalogue.labels import LabelSet, labels_for_classes
from senet_cli.datasets.held_back import HeldBack
from senet_cli.datasets.labelled import Labelled, Splits
from senet_cli.datasets.parts import inner
from senet_cli.datasets.readable import unreadable_classes
from senet_cli.datasets.splits import read_splits, split
from senet_cli.errors import UsageError

_SHOWN = 5
"""Names in a message."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """The images of a run.

    Args:
        splits: to train on and to measure with.
        labels: names of the classes.
        digest: of names, classes and sizes of all images.
        held_back: which images were chosen to measure with, if it was us who chose.
    """

    splits: Splits
    labels: LabelSet
    digest: str
    held_back: HeldBack | None


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
    def read(cls, folder: Path, given: Path, *, parts: bool, empty_classes: bool) -> Undivided:
        """Read what is there and check the names of the classes.

        Args:
            folder: of the data set, unpacked.
            given, empty_classes: see the class.
            parts: False if all folders are classes, also those that are named like parts.

        Raises:
            UsageError: the folder is laid out in no way that is known, or its classes cannot be learned.
            DiskError: it cannot be read.
        """
        splits = read_splits(folder, parts=parts, empty_classes=empty_classes)
        for name in splits.train.classes:
            if not _is_utf8(name):
                raise UsageError(f"the name of the class folder {name!r} is not UTF-8", "Rename it.")
        labels = labels_for_classes(splits.train.classes)
        if len(set(labels.labels)) < len(labels):
            twice = next(label for label in labels.labels if labels.labels.count(label) > 1)
            raise UsageError(f"two class folders are the same class, `{twice}`", "Put their images together.")
        return cls(inner(folder, parts=parts), given, splits, labels, empty_classes)

    def check_classes(self) -> None:
        """Find out whether there are classes to tell apart.

        Raises:
            UsageError: there is only one.
        """
        if len(self.labels) < 2:
            raise self._one_class(0)

    def divide(self, seed: int, jobs: int, tell: Callable[[str], None]) -> DataSet:
        """Hold images back where the data set does not say which, and see that every class can be learned.

        Args:
            seed: decides which are held back.
            jobs: decoding threads.
            tell: hears of classes that cannot be learned or measured.

        Raises:
            UsageError: no image of a class can be read, or of all classes but one.
        """
        splits = split(self.splits, seed)
        dark = unreadable_classes(splits.train, jobs)
        if dark and self.splits.held_back is None:
            splits = _without_held_back(splits, dark)
            dark = unreadable_classes(splits.train, jobs)
        self._check_readable(dark, tell)
        if splits.held_back:
            present = {number for _, number in splits.held_back.images}
            unmeasured = [n for n in unreadable_classes(splits.held_back, jobs) if n in present]
            if unmeasured:
                they = _they(unmeasured)
                tell(f"no held-back image of {self._names(unmeasured)} can be read: {they} not measured")
        chosen = None if self.splits.held_back else HeldBack.of(splits, self.root)
        return DataSet(splits, self.labels, splits.digest(self.root), chosen)

    def _check_readable(self, dark: Sequence[int], tell: Callable[[str], None]) -> None:
        if len(self.labels) - len(dark) == 1:
            raise self._one_class(next(n for n in range(len(self.labels)) if n not in dark), dark)
        if not dark:
            return
        if not self.empty_classes or len(dark) == len(self.labels):
            raise UsageError(
                f"no image to train on of {self._names(dark)} can be read",
                "Mend or remove them, or train without them by --allow-empty-classes."
                if len(dark) < len(self.labels)
                else "Check what the files are; `senet predict` says of each why it cannot be read.",
            )
        tell(f"no image to train on of {self._names(dark)} can be read: {_they(dark)} not learned")

    def _names(self, numbers: Sequence[int]) -> str:
        shown = ", ".join(f"`{self.labels.labels[number]}`" for number in numbers[:_SHOWN])
        more = f" and {len(numbers) - _SHOWN:,} others" if len(numbers) > _SHOWN else ""
        return f"the class{'es' if len(numbers) > 1 else ''} {shown}{more}"

    def _one_class(self, number: int, dark: Sequence[int] = ()) -> UsageError:
        unreadable = f"; no image to train on of {self._names(dark)} can be read" if dark else ""
        left_out = "".join(f"; {remark}" for remark in self.splits.remarks)
        return UsageError(
            f"`{self.given}` has readable images of one class only, `{self.labels.labels[number]}`: there is "
            f"nothing to tell it from{unreadable}{left_out}",
            "Give images of at least one other class too, in a folder of their own.",
        )


def _they(numbers: Sequence[int]) -> str:
    return "they are" if len(numbers) > 1 else "it is"


def _without_held_back(splits: Splits, classes: Sequence[int]) -> Splits:
    """All images of these classes are trained on."""
    if splits.held_back is None:
        return splits
    moved = [image for image in splits.held_back.images if image[1] in classes]
    kept = [image for image in splits.held_back.images if image[1] not in classes]
    names = splits.train.classes
    return Splits(Labelled(names, [*splits.train.images, *moved]), Labelled(names, kept), splits.remarks)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
