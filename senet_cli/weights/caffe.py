"""What is peculiar to the authors' Caffe networks (hujie-frank/SENet), whatever reads their files.

They take blue, green, red, 0..255, minus a mean, and number the classes of ImageNet in an order of their own.
Our networks take red, green, blue, normalised, and number the classes in the order of sorted WordNet
identifiers. `caffemodel` turns the weights; the numbers of the normalisation stand here.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from senet_cli.catalogue.entries import Preprocess
from senet_cli.catalogue.labels import load_labels

MEAN = (123 / 255, 117 / 255, 104 / 255)
STD = (1 / 255, 1 / 255, 1 / 255)
"""RGB 0..1; in the published networks BGR 0..255 minus 104, 117, 123."""
LABELS = "imagenet-1k"
_ORDER = Path(__file__).resolve().parent.parent / "data" / "caffe-class-order.txt"
_FIRST_TAGS = (b"\x0a", b"\x12", b"\x1a", b"\xa2\x06")
"""Wire tags that a NetParameter begins with: name, layers of the old format, input, layer."""


def is_caffemodel(head: bytes) -> bool:
    """True if a file that begins so can be a `.caffemodel`; other checkpoints begin otherwise."""
    return head.startswith(_FIRST_TAGS)


def holds_caffemodel(path: Path) -> bool:
    """True for a file that begins so; what is wrong with one that cannot be read is said by its reader."""
    try:
        with path.open("rb") as file:
            return is_caffemodel(file.read(8))
    except OSError:
        return False


def with_caffe_numbers(preprocess: Preprocess) -> Preprocess:
    """The same sizes with the normalisation of the Caffe networks."""
    return replace(preprocess, mean=MEAN, std=STD)


@cache
def class_order() -> tuple[int, ...]:
    """For each class in the order of sorted WordNet identifiers, its number in the Caffe networks.

    The authors' order is that of ILSVRC's development kit (kit fox is 0); their `ILSVRC2017_val.txt` uses it.
    """
    caffe = {identifier: number for number, identifier in enumerate(_ORDER.read_text("ascii").split())}
    return tuple(caffe[str(identifier)] for identifier in load_labels(LABELS).ids)
