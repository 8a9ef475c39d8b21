"""The authors' own networks for Caffe (hujie-frank/SENet): key names, and what is peculiar to their files.

They take blue, green, red, 0..255, minus a mean, and number the classes of ImageNet in an order of their own.
Our networks take red, green, blue, normalised, and number the classes in the order of sorted WordNet
identifiers. `caffemodel` turns the weights; the numbers of the normalisation stand here.
"""

from __future__ import annotations

import string
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from senet_cli.catalogue.entries import Preprocess
from senet_cli.catalogue.labels import load_labels
from senet_cli.specs import InceptionSpec, Spec
from senet_cli.weights.publishers.base import KeyLayout, Publisher

MEAN = (123 / 255, 117 / 255, 104 / 255)
STD = (1 / 255, 1 / 255, 1 / 255)
"""RGB 0..1; in the published networks BGR 0..255 minus 104, 117, 123."""
LABELS = "imagenet-1k"
_ORDER = Path(__file__).resolve().parents[2] / "data" / "caffe-class-order.txt"
_FIRST_TAGS = (b"\x0a", b"\x12", b"\x1a", b"\xa2\x06")
"""Wire tags that a NetParameter begins with: name, layers of the old format, input, layer."""


def is_caffemodel(head: bytes) -> bool:
    """Return True if a file that begins so can be a `.caffemodel`; other checkpoints begin otherwise."""
    return head.startswith(_FIRST_TAGS)


def holds_caffemodel(path: Path) -> bool:
    """Return True for a file that begins like a `.caffemodel`; its reader says what is wrong with it."""
    try:
        with path.open("rb") as file:
            return is_caffemodel(file.read(8))
    except OSError:
        return False


def with_caffe_numbers(preprocess: Preprocess) -> Preprocess:
    """Keep the sizes, and take the normalisation of the Caffe networks."""
    return replace(preprocess, mean=MEAN, std=STD)


@cache
def class_order() -> tuple[int, ...]:
    """Read the number in the Caffe networks of each class, in the order of sorted WordNet identifiers.

    The authors' order is that of ILSVRC's development kit (kit fox is 0); their `ILSVRC2017_val.txt` uses it.
    """
    caffe = {identifier: number for number, identifier in enumerate(_ORDER.read_text("ascii").split())}
    return tuple(caffe[str(identifier)] for identifier in load_labels(LABELS).ids)


@dataclass(frozen=True, slots=True)
class CaffeLayout(KeyLayout):
    """Names of layers in Caffe, without dots.

    A file in such a layout follows Caffe's conventions of colours and classes too.

    Args:
        block: with `{stage}`, `{number}` from 1 or `{letter}` from a.
        first_stage: number of the first stage.
    """

    first_stage: int = 1

    def block_prefix(self, stage: int, block: int) -> str:
        """Say how the names of a block's layers begin."""
        letter = string.ascii_lowercase[block % 26]
        return self.block.format(stage=stage - 1 + self.first_stage, number=block + 1, letter=letter)


def _with_norms(convs: dict[str, str]) -> dict[str, str]:
    """Convolutions, each with its batch norm, whose Scale layer the reader has merged with it."""
    return convs | {ours.replace("conv", "norm"): f"{theirs}/bn" for ours, theirs in convs.items()}


_CAFFE_SE = {"se.reduce": "_1x1_down", "se.expand": "_1x1_up"}
CAFFE = CaffeLayout(
    "caffe",
    stem=_with_norms(
        {"conv": "conv1/7x7_s2", "conv1": "conv1_1/3x3_s2", "conv2": "conv1_2/3x3", "conv3": "conv1_3/3x3"}
    ),
    block="conv{stage}_{number}",
    parts=_CAFFE_SE
    | _with_norms(
        {
            "conv1": "_1x1_reduce",
            "conv2": "_3x3",
            "conv3": "_1x1_increase",
            "shortcut.conv": "_1x1_proj",
        }
    ),
    head="classifier",
    first_stage=2,
)
CAFFE_INCEPTION = CaffeLayout(
    "caffe-inception",
    stem=_with_norms(
        {"first.conv": "conv1/7x7_s2", "second.conv1": "conv2/3x3_reduce", "second.conv2": "conv2/3x3"}
    ),
    block="inception_{stage}{letter}",
    parts=_CAFFE_SE
    | _with_norms(
        {
            "direct.conv": "/1x1",
            "single3x3.conv1": "/3x3_reduce",
            "single3x3.conv2": "/3x3",
            "double3x3.conv1": "/double3x3_reduce",
            "double3x3.conv2": "/double3x3a",
            "double3x3.conv3": "/double3x3b",
            "projection.conv": "/pool_proj",
        }
    ),
    head="classifier",
    first_stage=3,
)
"""Both from the authors' prototxts."""


def _choose(spec: Spec) -> KeyLayout:
    return CAFFE_INCEPTION if isinstance(spec, InceptionSpec) else CAFFE


PUBLISHER = Publisher(
    "caffe",
    layouts=(CAFFE, CAFFE_INCEPTION),
    style=None,
    choose=_choose,
    preprocess=with_caffe_numbers,
)
