"""Which image shows what: class folders, or a list beside the images."""

from __future__ import annotations

import contextlib
import csv
import itertools
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from senet_cli.datasets.classes import WORDNET
from senet_cli.datasets.labelled import Labelled
from senet_cli.datasets.names import normal
from senet_cli.datasets.parts import inner
from senet_cli.datasets.splits import read_held_back
from senet_cli.errors import DiskError, UsageError, advise
from senet_cli.images.kinds import is_image_name
from senet_cli.images.sources import Source, walk

LISTS = ("LOC_val_solution.csv", "val.txt")
"""Lists that ImageNet's validation images come with (Kaggle's, Caffe's); found beside the images by name."""
_UNUSABLE = "ILSVRC2012_validation_ground_truth.txt"
_IMAGE_COLUMNS = ("path", "file", "filename", "file_name", "image", "imageid", "image_id", "name", "id")
_CLASS_COLUMNS = ("label", "class", "target", "wnid", "synset", "category", "predictionstring", "id")
"""Names in a list's header, what says it best first: `id` may be either, or the number of the row."""


def read_labelled(
    folder: Path, listed: Path | None, *, parts: bool = True, empty_classes: bool = False
) -> Labelled:
    """Read images below `folder` with their classes: by a list if there is one, else by class folders.

    Args:
        folder: with the images.
        listed: the list; None to look for one.
        parts, empty_classes: for class folders, see `read_held_back`.

    Raises:
        UsageError: no class folders, or a list that cannot be understood or names none of the images.
        DiskError: something cannot be read.
    """
    if listed is not None:
        return _by_list(folder, listed)
    try:
        if found := next((folder / name for name in LISTS if (folder / name).is_file()), None):
            with contextlib.suppress(UsageError):  # a list of other things, beside class folders
                return _by_list(folder, found)
        return read_held_back(folder, parts=parts, empty_classes=empty_classes)
    except UsageError as error:
        raise UsageError(error.message, *error.steps, advise("give-ground-truth")) from error


# --- lists ----------------------------------------------------------------------------------------


def _by_list(folder: Path, listed: Path) -> Labelled:
    """Every row of a list becomes an image, also if its file is missing: then its record says so."""
    if listed.name == _UNUSABLE:
        raise UsageError(
            f"`{listed}` numbers the classes in an order of its own",
            "Use class folders, LOC_val_solution.csv, or a list of file names and WordNet ids.",
        )
    rows: dict[str, str] = {}
    for image, name in _rows(listed):
        if rows.setdefault(image, name) != name:
            raise UsageError(f"`{listed}` says of `{image}` both `{rows[image]}` and `{name}`")
    if not rows:
        raise UsageError(f"`{listed}` holds no rows of image and class")
    places = _Places(inner(folder))
    classes = sorted(set(rows.values()))
    number = {name: index for index, name in enumerate(classes)}
    images = [
        (Source(places.find(image) or str(folder / image)), number[name]) for image, name in rows.items()
    ]
    if not any(os.path.exists(source.name) for source, _ in images):  # noqa: PTH110 - no error for long names
        raise UsageError(
            f"none of the {len(images):,} images that `{listed}` names is below `{folder}`",
            "Give the folder that holds the images.",
        )
    return Labelled(tuple(classes), images)


class _Places:
    """The images below a folder, to be found by the paths in a list, which may begin elsewhere.

    Args:
        folder: with the images.
    """

    def __init__(self, folder: Path) -> None:
        self._by_name: dict[str, list[Path]] = {}
        for source in walk(os.fspath(folder)):
            path = Path(source.name)
            if source.problem is None and is_image_name(path.name):
                for name in (path.name, path.stem):
                    self._by_name.setdefault(normal(name), []).append(path)

    def find(self, image: str) -> str | None:
        """Find the file whose path ends most like `image`, which may lack its extension; None: no file does.

        Raises:
            UsageError: several files fit equally well.
        """
        given = PurePosixPath(image.replace("\\", "/")).parts
        wanted = tuple(map(normal, given))
        found = self._by_name.get(wanted[-1], []) if wanted else []
        if not found:
            return None
        fits = [_common_ending(tuple(map(normal, path.parts[:-1])), wanted[:-1]) for path in found]
        best = [path for path, fit in zip(found, fits, strict=True) if fit == max(fits)]
        if len(best) > 1:  # the same name in two Unicode forms
            best = [path for path in best if given[-1] in (path.name, path.stem)] or best
        if len(best) > 1:
            raise UsageError(
                f"`{image}` may be `{best[0]}` or `{best[1]}`",
                "Give paths from the data set's folder on in the list.",
            )
        return str(best[0])


def _common_ending(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Count the parts at the ends that are the same."""
    same = (a == b for a, b in zip(reversed(one), reversed(other), strict=False))
    return sum(1 for _ in itertools.takewhile(bool, same))


def _rows(listed: Path) -> Iterator[tuple[str, str]]:
    """(image, class) from CSV, TSV or words separated by blanks, with or without a header."""
    try:
        with listed.open(encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading the list `{listed}`") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the list `{listed}` is not UTF-8 text: {error}") from error
    rows = _cells(text, listed)
    image, name, has_header = _columns(rows[0]) if rows else (0, 1, False)
    for number, row in enumerate(rows[has_header:], start=1 + has_header):
        if len(row) <= max(image, name) or not row[name].strip():
            raise UsageError(f"`{listed}`, line {number}: no image and class in `{' '.join(row)[:80]}`")
        value = row[name].strip()
        yield row[image].strip(), normal(value.split()[0] if WORDNET.match(value) else value)


def _cells(text: str, listed: Path) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.strip()]
    delimiter = next((mark for mark in "\t,;" if lines and mark in lines[0]), None)
    if delimiter is None:  # names of files may hold blanks, what follows them not
        return [line.rsplit(maxsplit=1) for line in lines]
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error as error:
        raise UsageError(f"the list `{listed}` cannot be read: {error}") from error


def _columns(first: list[str]) -> tuple[int, int, bool]:
    """Which columns hold image and class, and whether the first row says so."""
    names = [cell.strip().casefold() for cell in first]
    label = next((names.index(name) for name in _CLASS_COLUMNS if name in names), None)
    image = next((names.index(name) for name in _IMAGE_COLUMNS if name in names), None)
    if image is None or label is None or image == label:
        return 0, 1, False
    return image, label, True
