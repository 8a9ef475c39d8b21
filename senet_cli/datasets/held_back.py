"""Which images a run did not train on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from senet_cli.datasets.labelled import Labelled, Splits
from senet_cli.images.sources import Source

HELD_BACK_FILE = "held-back.json"


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Which images of a data set a run did not train on, so that it is measured with no others.

    Args:
        total: images of the data set.
        images: names of those that were held back, relative to the data set's folder.
    """

    total: int
    images: tuple[str, ...]

    @classmethod
    def of(cls, splits: Splits, root: Path) -> HeldBack:
        """For images below `root`."""
        held_back = splits.held_back.images if splits.held_back else ()
        names = tuple(_relative(source, root) for source, _ in held_back)
        return cls(len(splits.train) + len(names), names)

    @classmethod
    def read(cls, run: Path) -> HeldBack | None:
        """What is written in the folder of a run; None where nothing is."""
        try:
            data = json.loads((run / HELD_BACK_FILE).read_bytes())
            return cls(int(data["total"]), tuple(map(str, data["images"])))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def within(self, labelled: Labelled, root: Path) -> Labelled:
        """The images that were held back; all if these are other images than the run was made from."""
        names = set(self.images)
        kept = [image for image in labelled.images if _relative(image[0], root) in names]
        if len(labelled) != self.total or len(kept) != len(names):
            return labelled
        return Labelled(labelled.classes, kept)


def _relative(source: Source, root: Path) -> str:
    return Path(os.path.relpath(source.name, root)).as_posix()
