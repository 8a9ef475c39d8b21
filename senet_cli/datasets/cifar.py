"""CIFAR's published batches, as images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from senet_cli.datasets.labelled import Labelled
from senet_cli.errors import UsageError
from senet_cli.images.sources import Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDERS = {"cifar-10-batches-py": "cifar-10", "cifar-100-python": "cifar-100"}
"""The folder in each published archive, and the data set's name."""


def find_cifar(folder: Path) -> tuple[Path, str] | None:
    """Return the folder that torchvision calls root, and "cifar-10" or "cifar-100"."""
    for name, kind in FOLDERS.items():
        if folder.name == name:
            return folder.parent, kind
        if (folder / name).is_dir():
            return folder, kind
    return None


def read_cifar(root: Path, kind: str, *, train: bool) -> Labelled:
    """Read published batches, whose MD5 sums torchvision compares before it unpickles them.

    Raises:
        UsageError: the files are not the published ones.
    """
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
    """Write an array (H, W, 3) as a PPM file, so that it is decoded as all images are."""
    height, width, _ = pixels.shape
    return Source(name, b"P6 %d %d 255\n" % (width, height) + pixels.tobytes())
