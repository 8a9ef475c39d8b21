"""Images with their classes, and the parts of a data set, as values."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from senet_cli.events import DataSetUnderstood
from senet_cli.images.sources import Source

WANTED = "DATA is a folder of class folders, a tar of such a folder, or CIFAR's published batches."
"""The next step where something else was given."""


@dataclass(frozen=True, slots=True)
class Remark:
    """How a folder was understood, where it might have been meant otherwise.

    Args:
        folder: what it is called, in the data set.
        text: what became of it, as the end of a sentence that begins with its name.
        by_name: True if its name decided, and it would be a class without parts.
    """

    folder: str
    text: str
    by_name: bool = False

    def __str__(self) -> str:
        return f"{self.folder} {self.text}"


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images with the class of each.

    Args:
        classes: names of the classes, in the order of their indices and in Unicode form C.
        images: a source and the index of its class, for each image.
        remarks: folders that could have been meant otherwise.
    """

    classes: tuple[str, ...]
    images: Sequence[tuple[Source, int]]
    remarks: tuple[Remark, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def event(self) -> DataSetUnderstood:
        """What to report of the remarks."""
        return _understood(self.remarks)


@dataclass(frozen=True, slots=True)
class Splits:
    """What a data set holds.

    Args:
        train: images to learn from, or all images where the data set has no parts.
        held_back: images to measure with, None where the data set does not say which.
        remarks: folders that could have been meant otherwise.
    """

    train: Labelled
    held_back: Labelled | None
    remarks: tuple[Remark, ...] = ()

    @property
    def event(self) -> DataSetUnderstood:
        """What to report of the remarks."""
        return _understood(self.remarks)

    def digest(self, root: Path) -> str:
        """Hash names relative to `root`, classes and sizes of all images (SHA-256); pixels are not read."""
        digest = hashlib.sha256()
        for part in (self.train, self.held_back or Labelled((), ())):
            for source, number in part.images:
                size = len(source.data) if source.data is not None else _size(source.name)
                name = Path(os.path.relpath(source.name, root)).as_posix()
                digest.update(f"{name}\0{number}\0{size}\n".encode(errors="surrogateescape"))
            digest.update(b"\n")
        return digest.hexdigest()


def _size(name: str) -> int:
    """Bytes; -1 where the file cannot be looked at."""
    try:
        return Path(name).stat().st_size
    except OSError:
        return -1


def _understood(remarks: Sequence[Remark]) -> DataSetUnderstood:
    return DataSetUnderstood(tuple(map(str, remarks)), any(remark.by_name for remark in remarks))
