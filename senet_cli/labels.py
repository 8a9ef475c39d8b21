"""Label sets: the names and published identifiers of a model's classes, in the order of its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from senet_cli.errors import ModelError


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Names of classes by index.

    Args:
        name: as the manifest refers to it.
        labels: one name a class.
        ids: one identifier a class (a WordNet id for ImageNet), or None.
    """

    name: str
    labels: tuple[str, ...]
    ids: tuple[str | None, ...]

    def __len__(self) -> int:
        return len(self.labels)


def load_labels(name: str) -> LabelSet:
    """A label set that comes with the package.

    Raises:
        ModelError: there is no such label set.
    """
    file = resources.files("senet_cli") / "data" / "labels" / f"{name}.tsv"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ModelError(f"there is no label set `{name}`") from error
    rows = [line.split("\t") for line in text.splitlines()]
    return LabelSet(name, tuple(row[1] for row in rows), tuple(row[0] or None for row in rows))


def check_labels(name: str, classes: int) -> LabelSet:
    """The label set of a model with that many classes.

    Raises:
        ModelError: there is none of this name, or its size is another.
    """
    labels = load_labels(name)
    if len(labels) != classes:
        raise ModelError(f"the label set `{name}` has {len(labels)} names for {classes} classes")
    return labels


def numbered_labels(classes: int) -> LabelSet:
    """For a model whose classes have no known names: the indices as text."""
    return LabelSet("none", tuple(map(str, range(classes))), (None,) * classes)
