"""timm, Hugging Face's PyTorch image models."""

from __future__ import annotations

from dataclasses import replace

from senet_cli.specs import ArchSpec, PooledShortcut, Spec
from senet_cli.weights.publishers.base import (
    PLAIN_STEM,
    KeyLayout,
    Publisher,
    Style,
    WrittenFile,
    block_parts,
)

TIMM = KeyLayout(
    "timm",
    stem=PLAIN_STEM
    | {"conv1": "conv1.0", "norm1": "conv1.1", "conv2": "conv1.3"}
    | {"norm2": "conv1.4", "conv3": "conv1.6", "norm3": "bn1"}
    | {"conv4": "maxpool.0", "norm4": "maxpool.1"},
    block="layer{stage}.{block}",
    parts=block_parts("bn", "se.fc1", "se.fc2", "downsample"),
    head="fc",
)
TIMM_POOLED = replace(
    TIMM,
    name="timm-pooled",
    parts=TIMM.parts | {"shortcut.conv": "downsample.1", "shortcut.norm": "downsample.2"},
)
"""Networks with a pool, without weights, first in their shortcuts."""


def _choose(spec: Spec) -> KeyLayout:
    pooled = isinstance(spec, ArchSpec) and isinstance(spec.shortcut, PooledShortcut)
    return TIMM_POOLED if pooled else TIMM


def _load(builder: str, file: WrittenFile) -> str:
    return f'timm.create_model("{builder}", num_classes={file.classes}, checkpoint_path="{file.path}")'


PUBLISHER = Publisher(
    "timm",
    layouts=(TIMM, TIMM_POOLED),
    style=Style(convolutional_se=True, counters=True),
    choose=_choose,
    loader=_load,
)
