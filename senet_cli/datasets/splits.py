"""A data set's images to learn from and to measure with."""

from __future__ import annotations

from pathlib import Path

from senet_cli.datasets.cifar import find_cifar, read_cifar
from senet_cli.datasets.class_folders import read_classes
from senet_cli.datasets.labelled import Labelled, Remark, Splits
from senet_cli.datasets.parts import inner, lay_out
from senet_cli.errors import UsageError


def read_splits(folder: Path, *, parts: bool = True, empty_classes: bool = False) -> Splits:
    """Read the parts of a data set for training.

    Args:
        folder: of the data set.
        parts: False if all folders are classes, also those that are named like parts.
        empty_classes: True to take class folders without an image too.

    Raises:
        UsageError: the folder is laid out in no way that is known, or a part lacks classes.
        DiskError: it cannot be read.
    """
    folder = inner(folder, parts=parts)
    if cifar := find_cifar(folder):
        return Splits(read_cifar(*cifar, train=True), read_cifar(*cifar, train=False))
    layout = lay_out(folder, parts=parts)
    if layout.train is None:
        name = layout.measured.name if layout.measured else ""
        left_out = "".join(f"; {remark}" for remark in layout.remarks)
        raise UsageError(
            f"`{folder}` has `{name}` to measure with, but nothing to train on{left_out}",
            "Put the images to train on into class folders below `train`.",
        )
    learned = read_classes(layout.train.classes, empty=empty_classes)
    remarks = (*layout.remarks, *learned.remarks)
    if layout.measured is None:
        return Splits(learned, None, remarks)
    measured = read_classes(layout.measured.classes, empty=empty_classes)
    if unknown := sorted(set(measured.classes) - set(learned.classes)):
        raise UsageError(
            f"`{layout.measured.path}` has a class that `{layout.train.path}` lacks: {unknown[0]}"
        )
    index = {name: number for number, name in enumerate(learned.classes)}
    images = [(source, index[measured.classes[number]]) for source, number in measured.images]
    return Splits(learned, Labelled(learned.classes, images), (*remarks, *measured.remarks))


def read_held_back(folder: Path, *, parts: bool = True, empty_classes: bool = False) -> Labelled:
    """Read the images of a data set to measure with: its validation or test part, or all labelled ones.

    Args:
        folder, parts, empty_classes: see `read_splits`.

    Raises:
        UsageError: the folder is laid out in no way that is known.
        DiskError: it cannot be read.
    """
    folder = inner(folder, parts=parts)
    if cifar := find_cifar(folder):
        return read_cifar(*cifar, train=False)
    layout = lay_out(folder, parts=parts)
    part = layout.for_measuring
    labelled = read_classes(part.classes, empty=empty_classes)
    remarks = (*layout.remarks, *labelled.remarks)
    if layout.measured is None and part.name:
        only = Remark(f"`{part.name}`", "is what is measured: no other part has class folders")
        remarks = (*remarks, only)
    return Labelled(labelled.classes, labelled.images, remarks)
