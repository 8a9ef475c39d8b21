"""Labelled images: folders of class folders, tars of them, and CIFAR's published batches."""

from __future__ import annotations

import contextlib
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from senet_cli.errors import DiskError, UsageError
from senet_cli.images.sources import EXTENSIONS, Source

TRAINING = ("train", "training")
HELD_BACK = ("val", "valid", "validation", "test", "testing")
if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    try:
        if not tarfile.is_tarfile(data):
            raise UsageError(f"`{data}` is neither a folder nor a tar file", _WANTED)
        with tempfile.TemporaryDirectory(prefix="senet-data-") as folder:
            with tarfile.open(data) as archive:
                archive.extractall(folder, filter="data")
            yield Path(folder)
    except (tarfile.TarError, EOFError) as error:
        raise UsageError(f"`{data}` cannot be unpacked: {error}", _WANTED) from error
    except OSError as error:
        raise DiskError.from_os_error(error, f"unpacking `{data}`") from error


def read_splits(folder: Path) -> Splits:
    """The parts of a data set for training.

    Raises:
        UsageError: the folder is laid out in no way that is known, or a part lacks classes.
    """
    folder = _inner(folder)
    if cifar := _find_cifar(folder):
        return Splits(_read_cifar(*cifar, train=True), _read_cifar(*cifar, train=False))
    train = _part(folder, TRAINING)
    if train is None:
        return Splits(read_class_folders(folder), None)
    learned = read_class_folders(train)
    held_back = _part(folder, HELD_BACK)
    if held_back is None:
        return Splits(learned, None)
    measured = read_class_folders(held_back)
    if unknown := sorted(set(measured.classes) - set(learned.classes)):
        raise UsageError(f"`{held_back}` has a class that `{train}` lacks: {unknown[0]}")
    index = {name: number for number, name in enumerate(learned.classes)}
    images = [(source, index[measured.classes[number]]) for source, number in measured.images]
    return Splits(learned, Labelled(learned.classes, images))


def read_held_back(folder: Path) -> Labelled:
    """The images of a data set to measure with: its test or validation part, or all where it has no parts.

    Raises:
        UsageError: the folder is laid out in no way that is known.
    """
    folder = _inner(folder)
    if cifar := _find_cifar(folder):
        return _read_cifar(*cifar, train=False)
    return read_class_folders(_part(folder, HELD_BACK) or folder)


def read_class_folders(folder: Path) -> Labelled:
    """Images below `folder`, one sub-folder for each class; classes sorted by name.

    Raises:
        UsageError: there are no class folders, or one holds no image.
    """
    from torchvision.datasets import ImageFolder

    try:
        found = ImageFolder(os.fspath(folder), loader=_not_loaded, is_valid_file=_is_image)
    except FileNotFoundError as error:
        raise UsageError(f"`{folder}`: {_first_sentence(error)}", _WANTED) from error
    images = [(Source(path), number) for path, number in found.samples]
    return Labelled(tuple(found.classes), images)


def _not_loaded(path: str) -> object:
    raise NotImplementedError(path)  # the paths are all that is asked for


def _is_image(path: str) -> bool:
    return Path(path).suffix.lower() in EXTENSIONS


def _first_sentence(error: Exception) -> str:
    return str(error).partition(". ")[0][:300]


def _inner(folder: Path) -> Path:
    """The folder itself, or the only one within it, as tars often have one around everything."""
    while True:
        try:
            inside = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
        except OSError as error:
            raise DiskError.from_os_error(error, f"reading `{folder}`") from error
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].name in (*_CIFAR, *TRAINING, *HELD_BACK):
            return folder
        if not any(entry.is_dir() for entry in inside[0].iterdir()) and inside[0].name not in _CIFAR:
            return folder
        folder = inside[0]


def _part(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


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
