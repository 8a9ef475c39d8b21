"""How each publisher names the tensors that our networks hold.

A layout maps the path of one of our modules (`stage2.0.se.reduce`) to the publisher's. It is a one-to-one
map, so it serves reading and writing alike. Facts from the publishers' model files, which
`docs/architecture.md` names.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass, replace

from senet_cli.errors import ModelError
from senet_cli.specs import InceptionSpec, PooledShortcut, PreActivation, SENetBottleneck, Spec

_BLOCK_MODULE = re.compile(r"stage(?P<stage>\d+)\.(?P<block>\d+)\.(?P<part>.+)")


@dataclass(frozen=True, slots=True)
class KeyLayout:
    """Names of one publisher.

    Args:
        name: as the manifest writes it.
        stem: our stem modules, from `stem.` on, to theirs.
        block: path of a block, with `{stage}` from 1 and `{block}` from 0, or `{unit}` from 1.
        parts: our modules within a block to theirs.
        head: path of the classifier.
        final: path of the batch norm behind the last block, where there is one.
    """

    name: str
    stem: dict[str, str]
    block: str
    parts: dict[str, str]
    head: str
    final: str | None = None

    def module(self, ours: str) -> str:
        """The publisher's path for our module path.

        Raises:
            KeyError: the layout has no such module (a deep stem where the publisher has none).
        """
        if ours == "head":
            return self.head
        if ours == "final.norm" and self.final:
            return self.final
        if match := _BLOCK_MODULE.fullmatch(ours):
            prefix = self.block_prefix(int(match["stage"]), int(match["block"]))
            return prefix + self.parts[match["part"]]
        return self.stem[ours.removeprefix("stem.")]

    def block_prefix(self, stage: int, block: int) -> str:
        """How the publisher's names of a block's modules begin; stage from 1, block from 0."""
        return self.block.format(stage=stage, block=block, unit=block + 1) + "."

    def key(self, ours: str) -> str:
        """The publisher's key for our tensor key (`head.bias` -> `last_linear.bias`)."""
        module, _, tensor = ours.rpartition(".")
        return f"{self.module(module)}.{tensor}"


@dataclass(frozen=True, slots=True)
class CaffeLayout(KeyLayout):
    """Names of layers in Caffe, without dots.

    A file in such a layout follows Caffe's conventions of colours and classes too (`weights.caffe`).

    Args:
        block: with `{stage}`, `{number}` from 1 or `{letter}` from a.
        first_stage: number of the first stage.
    """

    first_stage: int = 1

    def block_prefix(self, stage: int, block: int) -> str:
        """How the names of a block's layers begin."""
        letter = string.ascii_lowercase[block % 26]
        return self.block.format(stage=stage - 1 + self.first_stage, number=block + 1, letter=letter)


def _parts(norm: str, reduce: str, expand: str, shortcut: str) -> dict[str, str]:
    """The names that vary within a block; convolutions are conv1, conv2, ... with all publishers."""
    convs = {f"conv{n}": f"conv{n}" for n in (1, 2, 3)}
    norms = {f"norm{n}": f"{norm}{n}" for n in (1, 2, 3)}
    se = {"se.reduce": reduce, "se.expand": expand}
    return convs | norms | se | {"shortcut.conv": f"{shortcut}.0", "shortcut.norm": f"{shortcut}.1"}


_PLAIN_STEM = {"conv": "conv1", "norm": "bn1"}

CADENE = KeyLayout(
    "cadene",
    stem={"conv": "layer0.conv1", "norm": "layer0.bn1"}
    | {f"conv{n}": f"layer0.conv{n}" for n in (1, 2, 3)}
    | {f"norm{n}": f"layer0.bn{n}" for n in (1, 2, 3)},
    block="layer{stage}.{block}",
    parts=_parts("bn", "se_module.fc1", "se_module.fc2", "downsample"),
    head="last_linear",
)
TIMM = KeyLayout(
    "timm",
    stem=_PLAIN_STEM
    | {"conv1": "conv1.0", "norm1": "conv1.1", "conv2": "conv1.3"}
    | {"norm2": "conv1.4", "conv3": "conv1.6", "norm3": "bn1"}
    | {"conv4": "maxpool.0", "norm4": "maxpool.1"},
    block="layer{stage}.{block}",
    parts=_parts("bn", "se.fc1", "se.fc2", "downsample"),
    head="fc",
)
TIMM_POOLED = replace(
    TIMM,
    name="timm-pooled",
    parts=TIMM.parts | {"shortcut.conv": "downsample.1", "shortcut.norm": "downsample.2"},
)
"""timm's networks with a pool, without weights, first in their shortcuts."""
MMPRETRAIN = KeyLayout(
    "mmpretrain",
    stem={ours: f"backbone.{theirs}" for ours, theirs in _PLAIN_STEM.items()},
    block="backbone.layer{stage}.{block}",
    parts=_parts("bn", "se_layer.conv1.conv", "se_layer.conv2.conv", "downsample"),
    head="head.fc",
)
LEEYEONSU = KeyLayout(
    "leeyeonsu",
    stem=_PLAIN_STEM,
    block="layers{stage}.{block}",
    parts=_parts("bn", "se.fc.0", "se.fc.2", "down_sample"),
    head="fc_out",
)

MOSKOMULE = KeyLayout(
    "moskomule",
    stem=_PLAIN_STEM,
    block="layer{stage}.{block}",
    parts=_parts("bn", "se.fc.0", "se.fc.2", "downsample"),
    head="fc",
)
IBN_NET = replace(
    MOSKOMULE,
    name="ibn-net",
    parts=MOSKOMULE.parts | {"norm1.instance": "bn1.IN", "norm1.batch": "bn1.BN"},
)
PYTORCHCV = KeyLayout(
    "pytorchcv",
    stem={"conv": "features.init_block.conv.conv", "norm": "features.init_block.conv.bn"},
    block="features.stage{stage}.unit{unit}",
    parts={f"conv{n}": f"body.conv{n}.conv" for n in (1, 2, 3)}
    | {f"norm{n}": f"body.conv{n}.bn" for n in (1, 2, 3)}
    | {"se.reduce": "se.conv1", "se.expand": "se.conv2"}
    | {"shortcut.conv": "identity_conv.conv", "shortcut.norm": "identity_conv.bn"},
    head="output",
)
PYTORCHCV_SENET = replace(
    PYTORCHCV,
    name="pytorchcv-senet",
    stem={f"conv{n}": f"features.init_block.conv{n}.conv" for n in (1, 2, 3)}
    | {f"norm{n}": f"features.init_block.conv{n}.bn" for n in (1, 2, 3)},
    head="output.fc",
)
PYTORCHCV_CIFAR = replace(
    PYTORCHCV,
    name="pytorchcv-cifar",
    stem={"conv": "features.init_block.conv", "norm": "features.init_block.bn"},
)
PYTORCHCV_PRE = replace(
    PYTORCHCV_CIFAR,
    name="pytorchcv-pre",
    parts=PYTORCHCV.parts | {"shortcut": "identity_conv"},
    final="features.post_activ.bn",
)
"""Pre-activation networks, for ImageNet and CIFAR: their shortcuts are bare convolutions."""


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

SENET = KeyLayout(
    "senet",
    stem={f"{kind}{n}": f"stem.{kind}{n}" for kind in ("conv", "norm") for n in ("", "1", "2", "3", "4")}
    | {path: f"stem.{path}" for path in CAFFE_INCEPTION.stem},
    block="stage{stage}.{block}",
    parts={f"{kind}{n}": f"{kind}{n}" for kind in ("conv", "norm") for n in (1, 2, 3)}
    | {
        path: path
        for path in (
            *("se.reduce", "se.expand", "shortcut", "shortcut.conv", "shortcut.norm"),
            *("norm1.instance", "norm1.batch"),
            *CAFFE_INCEPTION.parts,
        )
    },
    head="head",
    final="final.norm",
)
"""Our own module paths, as `senet train` writes them."""

LAYOUTS = {
    layout.name: layout
    for layout in (
        *(SENET, CADENE, TIMM, TIMM_POOLED, MMPRETRAIN, LEEYEONSU, MOSKOMULE, IBN_NET),
        *(PYTORCHCV, PYTORCHCV_SENET, PYTORCHCV_CIFAR, PYTORCHCV_PRE),
        *(CAFFE, CAFFE_INCEPTION),
    )
}
WRITABLE = {name: layout for name, layout in LAYOUTS.items() if not isinstance(layout, CaffeLayout)}
"""Those in which files can be written."""


def layout_for(layout: KeyLayout, spec: Spec) -> KeyLayout:
    """A publisher's layout as it is for networks of this structure: timm and pytorchcv have several.

    Args:
        layout: any of the publisher's.
        spec: the exact structure.
    """
    if isinstance(spec, InceptionSpec):
        return CAFFE_INCEPTION if isinstance(layout, CaffeLayout) else layout
    if layout in (TIMM, TIMM_POOLED):
        return TIMM_POOLED if isinstance(spec.shortcut, PooledShortcut) else TIMM
    if layout in (PYTORCHCV, PYTORCHCV_SENET, PYTORCHCV_CIFAR, PYTORCHCV_PRE):
        if isinstance(spec.block, PreActivation):
            return PYTORCHCV_PRE
        if isinstance(spec.block, SENetBottleneck):
            return PYTORCHCV_SENET
        return PYTORCHCV if spec.pool else PYTORCHCV_CIFAR
    return layout


def find_layout(name: str) -> KeyLayout:
    """The layout that a manifest names.

    Raises:
        ModelError: there is none of this name.
    """
    if name not in LAYOUTS:
        raise ModelError(f"the key layout `{name}` is not known", f"Known layouts: {', '.join(LAYOUTS)}.")
    return LAYOUTS[name]
