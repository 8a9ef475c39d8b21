"""Label sets: the names and published identifiers of a model's classes, in the order of its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from senet_cli.errors import ModelError

NO_NAME = "none"
"""Name of a label set that is nowhere written down."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Names of classes by index.

    Args:
        name: as the manifest refers to it.
        labels: one name a class.
        ids: one identifier a class (a WordNet id for ImageNet), or None.
        synonyms: other names of each class; empty where a set has none at all.
    """

    name: str
    labels: tuple[str, ...]
    ids: tuple[str | None, ...]
    synonyms: tuple[tuple[str, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.labels)


def load_labels(name: str) -> LabelSet:
    """Load a label set that comes with the package: a line per class, of identifier, name and synonyms.

    Raises:
        ModelError: there is no such label set.
    """
    file = resources.files("senet_cli") / "data" / "labels" / f"{name}.tsv"
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ModelError(f"there is no label set `{name}`") from error
    rows = [line.split("\t") for line in text.splitlines()]
    synonyms = tuple(tuple(row[2].split("|")) if row[2:] else () for row in rows)
    return LabelSet(
        name,
        tuple(row[1] for row in rows),
        tuple(row[0] or None for row in rows),
        synonyms if any(synonyms) else (),
    )


def is_packaged(labels: str) -> bool:
    """Return True for the name of a label set that comes with the package."""
    try:
        load_labels(labels)
    except ModelError:
        return False
    return True


def check_labels(labels: LabelSet, classes: int) -> LabelSet:
    """Return the label set if it fits a model with that many classes.

    Raises:
        ModelError: its size is another.
    """
    if len(labels) != classes:
        raise ModelError(f"the label set `{labels.name}` has {len(labels)} names for {classes} classes")
    return labels


def numbered_labels(classes: int) -> LabelSet:
    """Make labels for a model whose classes have no known names: the indices as text."""
    return LabelSet(NO_NAME, tuple(map(str, range(classes))), (None,) * classes)


def labels_for_classes(names: Sequence[str]) -> LabelSet:
    """Make the label set for class folders of these names, in this order.

    WordNet ids of ImageNet become its names; the classes of a label set of the package become that set.
    """
    for known in ("cifar-10", "cifar-100"):
        labels = load_labels(known)
        if tuple(names) == labels.labels:
            return labels
    imagenet = load_labels("imagenet-1k")
    by_id = dict(zip(imagenet.ids, imagenet.labels, strict=True))
    ids = tuple(name if name in by_id else None for name in names)
    if ids == imagenet.ids:
        return imagenet
    return LabelSet(NO_NAME, tuple(by_id.get(name, name) for name in names), ids)
