"""The images of the bundled model: `python scripts/cifar_folder.py JPEG.tar.gz ORIGINALS.npz FOLDER`.

FOLDER/train gets the 50,000 JPEG files of CIFAR-10's training set and, twice each, the images of it whose
original bytes are at hand (`train_x`, `train_y`); FOLDER/test the original test images (`test_x`, `test_y`).
"""

from __future__ import annotations

import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from senet_cli.catalogue.labels import load_labels

CLASSES = load_labels("cifar-10").labels


def main(tar: Path, originals: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch, tarfile.open(tar) as archive:
        archive.extractall(scratch, filter="data")
        (train,) = Path(scratch).glob("**/train")
        shutil.copytree(train, folder / "train")
    arrays = np.load(originals)
    for copy in ("a", "b"):
        write(arrays["train_x"], arrays["train_y"], folder / "train", f"original-{copy}-")
    write(arrays["test_x"], arrays["test_y"], folder / "test", "original-")


def write(images: Iterable[np.ndarray], labels: Iterable[int], folder: Path, prefix: str) -> None:
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        target = folder / CLASSES[int(label)]
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(target / f"{prefix}{number:05}.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
