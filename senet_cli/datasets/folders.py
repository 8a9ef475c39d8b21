"""Labelled images: folders of class folders, tars of them, and CIFAR's published batches."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from senet_cli.errors import DiskError, UsageError
from senet_cli.images.sources import EXTENSIONS, Source, walk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TRAINING = ("train", "training")
HELD_BACK = ("val", "valid", "validation", "test", "testing")
HELD_BACK_PART = 10
"""One image in so many of each class is held back where the data set has no part for it."""
_CIFAR = {"cifar-10-batches-py": "cifar-10", "cifar-100-python": "cifar-100"}
_WANTED = "DATA is a folder of class folders, a tar of such a folder, or CIFAR's published batches."


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images with the class of each.

    Args:
        classes: names of the classes, in the order of their indices.
        images: a source and the index of its class, for each image.
    """

    classes: tuple[str, ...]
    images: Sequence[tuple[Source, int]]

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, slots=True)
class Splits:
    """What a data set holds.

    Args:
        train: images to learn from, or all images where the data set has no parts.
        held_back: images to measure with, None where the data set does not say which.
    """

    train: Labelled
    held_back: Labelled | None

    def digest(self, root: Path) -> str:
        """SHA-256 of names relative to `root`, classes and sizes of all images; their pixels are not read."""
        digest = hashlib.sha256()
        for part in (self.train, self.held_back or Labelled((), ())):
            for source, number in part.images:
                size = len(source.data) if source.data is not None else _size(source.name)
                digest.update(
                    f"{_relative(source, root)}\0{number}\0{size}\n".encode(errors="surrogateescape")
                )
            digest.update(b"\n")
        return digest.hexdigest()


def _size(name: str) -> int:
    """Bytes; -1 where the file cannot be looked at."""
    try:
        return Path(name).stat().st_size
    except OSError:
        return -1


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


@contextlib.contextmanager
def unpacked(data: Path) -> Iterator[Path]:
    """The folder of a data set; a tar is unpacked into a temporary one (`TMPDIR` says where).

    Raises:
        UsageError: neither a folder nor a tar.
        DiskError: it cannot be read or unpacked.
    """
    if data.is_dir():
        yield data
        return
    with contextlib.ExitStack() as stack:
        yield _unpack(data, stack)


def _unpack(data: Path, stack: contextlib.ExitStack) -> Path:
    try:
        if not tarfile.is_tarfile(data):
            raise UsageError(f"`{data}` is neither a folder nor a tar file", _WANTED)
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="senet-data-", ignore_cleanup_errors=True)
        )
        with tarfile.open(data) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise UsageError(f"`{data}` cannot be unpacked: {error}", _WANTED) from error
    except OSError as error:
        raise DiskError.from_os_error(error, f"unpacking `{data}`") from error
    return Path(folder)


def read_splits(folder: Path) -> Splits:
    """The parts of a data set for training.

    Raises:
        UsageError: the folder is laid out in no way that is known, or a part lacks classes.
        DiskError: it cannot be read.
    """
    folder = inner(folder)
    if cifar := _find_cifar(folder):
        return Splits(_read_cifar(*cifar, train=True), _read_cifar(*cifar, train=False))
    train, held_back = _parts(folder)
    if train is None and held_back is not None:
        raise UsageError(
            f"`{folder}` has `{held_back.name}` to measure with, but nothing to train on",
            "Put the images to train on into class folders below `train`.",
        )
    learned = read_class_folders(train or folder)
    if held_back is None:
        return Splits(learned, None)
    measured = read_class_folders(held_back)
    if unknown := sorted(set(measured.classes) - set(learned.classes)):
        raise UsageError(f"`{held_back}` has a class that `{train}` lacks: {unknown[0]}")
    index = {name: number for number, name in enumerate(learned.classes)}
    images = [(source, index[measured.classes[number]]) for source, number in measured.images]
    return Splits(learned, Labelled(learned.classes, images))


def split(splits: Splits, seed: int) -> Splits:
    """Hold back a part of each class where the data set does not say which images to measure with."""
    if splits.held_back is not None:
        return splits
    everything = splits.train
    by_class: dict[int, list[int]] = {}
    for number, (_, target) in enumerate(everything.images):
        by_class.setdefault(target, []).append(number)
    chosen: set[int] = set()
    for numbers in by_class.values():
        count = len(numbers) // HELD_BACK_PART or (len(numbers) > 1)
        chosen |= set(random.Random(seed).sample(numbers, count))
    kept = [image for number, image in enumerate(everything.images) if number not in chosen]
    held_back = [image for number, image in enumerate(everything.images) if number in chosen]
    return Splits(Labelled(everything.classes, kept), Labelled(everything.classes, held_back))


def read_held_back(folder: Path) -> Labelled:
    """The images of a data set to measure with: its test or validation part, or all where it has no parts.

    Raises:
        UsageError: the folder is laid out in no way that is known.
        DiskError: it cannot be read.
    """
    folder = inner(folder)
    if cifar := _find_cifar(folder):
        return _read_cifar(*cifar, train=False)
    return read_class_folders(_parts(folder)[1] or folder)


def read_class_folders(folder: Path) -> Labelled:
    """Images below `folder`, one sub-folder for each class; classes sorted by name, hidden files left out.

    A folder that cannot be listed is an image that cannot be read, so that it does not go missing.

    Raises:
        UsageError: there are no class folders, or one holds no image.
        DiskError: it cannot be read.
    """
    classes = _folders(folder)
    if not classes:
        raise UsageError(f"`{folder}` holds no class folders", _WANTED)
    images: list[tuple[Source, int]] = []
    for number, path in enumerate(classes):
        found = [source for source in walk(os.fspath(path)) if source.problem or _is_image(source.name, path)]
        if not found:
            raise UsageError(f"the class folder `{path}` holds no image", _WANTED)
        images += [(source, number) for source in found]
    return Labelled(tuple(path.name for path in classes), images)


def inner(folder: Path) -> Path:
    """The folder itself, or the only one within it, as tars often have one around everything.

    Raises:
        DiskError: it cannot be read.
    """
    while True:
        inside = _visible(folder)
        if len(inside) != 1 or not inside[0].is_dir():
            return folder
        (only,) = inside
        if only.name in _CIFAR or only.name.lower() in (*TRAINING, *HELD_BACK) or not _folders(only):
            return folder
        folder = only


def _parts(folder: Path) -> tuple[Path | None, Path | None]:
    """Folders to train on and to measure with. A class may be called `train`: a part holds class folders."""
    named = {path.name.lower(): path for path in _folders(folder)}
    parts = {name: named[name] for name in (*TRAINING, *HELD_BACK) if name in named and _folders(named[name])}
    train, held_back = (
        next((parts[name] for name in names if name in parts), None) for names in (TRAINING, HELD_BACK)
    )
    if (train and held_back) or len(parts) == len(named):
        return train, held_back
    return None, None


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _visible(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{folder}`") from error


def _is_image(name: str, root: Path) -> bool:
    path = Path(name)
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return path.suffix.lower() in EXTENSIONS and not hidden


# --- CIFAR ----------------------------------------------------------------------------------------


def _find_cifar(folder: Path) -> tuple[Path, str] | None:
    """(the folder that torchvision calls root, "cifar-10" or "cifar-100")."""
    for name, kind in _CIFAR.items():
        if folder.name == name:
            return folder.parent, kind
        if (folder / name).is_dir():
            return folder, kind
    return None


def _read_cifar(root: Path, kind: str, *, train: bool) -> Labelled:
    """Published batches, whose MD5 sums torchvision compares before it unpickles them."""
    from torchvision.datasets import CIFAR10, CIFAR100

    try:
        data = (CIFAR10 if kind == "cifar-10" else CIFAR100)(os.fspath(root), train=train)
    except RuntimeError as error:
        raise UsageError(f"`{root}` holds {kind}, but not its published, complete files: {error}") from error
    numbered = enumerate(zip(data.data, data.targets, strict=True))
    part = "train" if train else "test"
    images = [(_as_ppm(f"{kind}/{part}/{n:05}", pixels), int(target)) for n, (pixels, target) in numbered]
    return Labelled(tuple(data.classes), images)


def _as_ppm(name: str, pixels: NDArray[np.uint8]) -> Source:
    """An array (H, W, 3) as the plainest of image files, so that it goes the way of all images."""
    height, width, _ = pixels.shape
    return Source(name, b"P6 %d %d 255\n" % (width, height) + pixels.tobytes())
