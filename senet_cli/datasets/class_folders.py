"""Folders of images, one for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from senet_cli.datasets.labelled import WANTED, Labelled, Remark
from senet_cli.datasets.names import normal
from senet_cli.errors import DiskError, UsageError, advise
from senet_cli.images.kinds import is_image_name
from senet_cli.images.sources import Source, walk

_NO_DATA = frozenset({"__MACOSX"})
"""Folders that archivers leave."""


def visible(folder: Path) -> list[Path]:
    """List a folder, sorted by path, without what is hidden.

    Raises:
        DiskError: it cannot be read.
    """
    try:
        return sorted(
            path for path in folder.iterdir() if not path.name.startswith(".") and path.name not in _NO_DATA
        )
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{folder}`") from error


def folders(folder: Path) -> list[Path]:
    """List the folders in a folder; see `visible`."""
    return [path for path in visible(folder) if path.is_dir()]


def loose_images(folder: Path) -> list[Path]:
    """List the images that lie in a folder itself, in none of its folders."""
    return [path for path in visible(folder) if is_image_name(path.name) and not path.is_dir()]


def holds_images(folder: Path) -> bool:
    """Return True if the folder holds an image, at any depth, or a folder that cannot be listed."""
    return any(_belongs(source, folder) for source in walk(os.fspath(folder)))


def read_classes(paths: Sequence[Path], *, empty: bool = False) -> Labelled:
    """Read images below these folders, one per class; classes sorted by name, hidden files left out.

    Folders whose names differ in nothing but their Unicode form are one class. A folder that cannot be listed
    is an image that cannot be read, so that it does not go missing.

    Args:
        paths: the class folders.
        empty: True to take classes without an image too.

    Raises:
        UsageError: a class holds no image.
    """
    by_name: dict[str, list[Path]] = {}
    for path in paths:
        by_name.setdefault(normal(path.name), []).append(path)
    images: list[tuple[Source, int]] = []
    without: list[Path] = []
    classes = sorted(by_name)
    for number, name in enumerate(classes):
        found = [
            source for path in by_name[name] for source in walk(os.fspath(path)) if _belongs(source, path)
        ]
        if not found:
            without.append(by_name[name][0])
        images += [(source, number) for source in found]
    if without and not (empty and images):
        others = {1: "", 2: ", nor does 1 other"}.get(len(without), f", nor do {len(without) - 1:,} others")
        raise UsageError(
            f"the class folder `{without[0]}` holds no image{others}",
            *([WANTED] if not images else ["Remove it.", advise("allow-empty-classes")]),
        )
    remarks = tuple(Remark(f"`{path.name}`", "is a class without an image") for path in without)
    return Labelled(tuple(classes), images, remarks)


def _belongs(source: Source, root: Path) -> bool:
    """Return True for an image below `root` that is not hidden, and for what cannot be looked at."""
    if source.problem:
        return True
    path = Path(source.name)
    if not is_image_name(path.name):
        return False
    return not any(part.startswith(".") or part in _NO_DATA for part in path.relative_to(root).parts)
