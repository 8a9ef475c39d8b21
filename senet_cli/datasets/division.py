"""Dividing a data set into what is trained on and what is held back, so that nothing is both."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from senet_cli.datasets.labelled import Labelled, Splits
from senet_cli.datasets.training_record import TrainingRecord, identities
from senet_cli.images.sources import Source

HELD_BACK_PART = 10
"""One image in so many of each class is held back where the data set has no part for it."""

Image = tuple[Source, int]


@dataclass(frozen=True, slots=True)
class Division:
    """The images of a run, each on one side.

    Args:
        classes: their names.
        train: images to train on.
        held_back: images that neither this run nor a model before it is trained on, as far as is recorded.
        identities: of all images, by the names of their sources; None for those that cannot be read.
        earlier: what the models before it, those that it begins with or learns from, were trained on.
        given: True if the data set itself says what to measure with.
    """

    classes: tuple[str, ...]
    train: tuple[Image, ...]
    held_back: tuple[Image, ...]
    identities: dict[str, bytes | None]
    earlier: TrainingRecord
    given: bool

    @classmethod
    def of(cls, splits: Splits, seed: int, earlier: TrainingRecord, jobs: int) -> Division:
        """Hold images back where the data set does not say which.

        A tenth of each class is held back, at least one image where there are two. Copies of one image stay
        together. What an earlier model held back stays held back, what it was trained on is never held back.

        Args:
            splits: the parts of the data set.
            seed: decides which images are held back.
            earlier: what the models before it were trained on.
            jobs: reading threads.
        """
        given = splits.held_back.images if splits.held_back else ()
        names = [source.name for source, _ in (*splits.train.images, *given)]
        known = identities((source for source, _ in (*splits.train.images, *given)), jobs)
        by_name = dict(zip(names, known, strict=True))
        train, held_back = list(splits.train.images), list(given)
        if splits.held_back is None:
            chosen = _chosen(train, known, seed, earlier)
            held_back = [image for number, image in enumerate(train) if number in chosen]
            train = [image for number, image in enumerate(train) if number not in chosen]
        is_given = splits.held_back is not None
        return cls(splits.train.classes, tuple(train), tuple(held_back), by_name, earlier, is_given)

    def with_trained(self, classes: Sequence[int]) -> Division:
        """Train on all images of these classes, if it was this division that held some back."""
        if self.given:
            return self
        moved = [image for image in self.held_back if image[1] in classes]
        kept = [image for image in self.held_back if image[1] not in classes]
        return replace(self, train=(*self.train, *moved), held_back=tuple(kept))

    @property
    def seen(self) -> frozenset[bytes]:
        """Identities of what this run trains on."""
        return frozenset(one for one in (self.identities[s.name] for s, _ in self.train) if one)

    @property
    def copies(self) -> int:
        """Images to measure with that are also trained on here."""
        seen = self.seen
        return sum(self.identities[source.name] in seen for source, _ in self.held_back)

    @property
    def seen_earlier(self) -> int:
        """Images to measure with that only an earlier model was trained on."""
        before = self.earlier.trained - self.seen
        return sum(self.identities[source.name] in before for source, _ in self.held_back)

    @property
    def no_longer_held_back(self) -> int:
        """Images that an earlier model held back and that are trained on here."""
        return len(self.seen & self.earlier.held_back)

    @property
    def spent_classes(self) -> tuple[int, ...]:
        """Classes all of whose images an earlier model was trained on."""
        by_class: dict[int, bool] = {}
        for source, target in (*self.train, *self.held_back):
            known = self.identities[source.name] in self.earlier.trained
            by_class[target] = by_class.get(target, True) and known
        return tuple(sorted(target for target, known in by_class.items() if known))

    def splits(self) -> Splits:
        """Split the images into those trained on and those measured, which no model was trained on."""
        seen = self.seen | self.earlier.trained
        clean = [image for image in self.held_back if self.identities[image[0].name] not in seen]
        return Splits(Labelled(self.classes, self.train), Labelled(self.classes, clean))

    def record(self) -> TrainingRecord:
        """Record what the finished model was trained on, and what it and the models before it held back."""
        held_back = (self.identities[source.name] for source, _ in self.held_back)
        return self.earlier.with_images(self.seen, held_back)


def _chosen(
    images: Sequence[Image], known: Sequence[bytes | None], seed: int, earlier: TrainingRecord
) -> set[int]:
    """Numbers of the images to hold back."""
    by_class: dict[int, dict[object, int]] = {}
    for number, ((_, target), identity) in enumerate(zip(images, known, strict=True)):
        by_class.setdefault(target, {}).setdefault(identity or number, number)
    chosen: set[object] = set()
    for numbers in by_class.values():
        wanted = len(numbers) // HELD_BACK_PART or (len(numbers) > 1)
        free = [one for one in numbers if one not in earlier.trained]
        stay = [one for one in free if one in earlier.held_back]
        if len(stay) == len(numbers):  # something must be trained on
            stay = []
        others = [one for one in free if one not in set(stay)]
        more = random.Random(seed).sample(others, min(max(0, wanted - len(stay)), len(others)))
        chosen.update(stay, more)
    return {number for number, one in enumerate(known) if (one or number) in chosen}
