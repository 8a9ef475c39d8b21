"""Oleg Sémery's pytorchcv."""

from __future__ import annotations

from dataclasses import replace

from senet_cli.specs import ArchSpec, PreActivation, SENetBottleneck, Spec
from senet_cli.weights.publishers.base import KeyLayout, Publisher, Style, WrittenFile

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


def _choose(spec: Spec) -> KeyLayout:
    if not isinstance(spec, ArchSpec):
        return PYTORCHCV
    if isinstance(spec.block, PreActivation):
        return PYTORCHCV_PRE
    if isinstance(spec.block, SENetBottleneck):
        return PYTORCHCV_SENET
    return PYTORCHCV if spec.pool else PYTORCHCV_CIFAR


def _load(builder: str, file: WrittenFile) -> str:
    network = f'pytorchcv.model_provider.get_model("{builder}", num_classes={file.classes})'
    return f"{network}.load_state_dict({file.state_dict})"


PUBLISHER = Publisher(
    "pytorchcv",
    layouts=(PYTORCHCV, PYTORCHCV_SENET, PYTORCHCV_CIFAR, PYTORCHCV_PRE),
    style=Style(convolutional_se=True, counters=True),
    choose=_choose,
    loader=_load,
)
