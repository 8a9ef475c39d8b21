"""OpenMMLab's mmpretrain, once mmclassification."""

from __future__ import annotations

from senet_cli.weights.publishers.base import (
    PLAIN_STEM,
    KeyLayout,
    Publisher,
    Style,
    WrittenFile,
    block_parts,
)

MMPRETRAIN = KeyLayout(
    "mmpretrain",
    stem={ours: f"backbone.{theirs}" for ours, theirs in PLAIN_STEM.items()},
    block="backbone.layer{stage}.{block}",
    parts=block_parts("bn", "se_layer.conv1.conv", "se_layer.conv2.conv", "downsample"),
    head="head.fc",
)


def _load(builder: str, file: WrittenFile) -> str:
    head = "" if file.classes == 1000 else f", head=dict(num_classes={file.classes})"
    return f'mmpretrain.get_model("{builder}", pretrained="{file.path}"{head})'


PUBLISHER = Publisher(
    "mmpretrain",
    layouts=(MMPRETRAIN,),
    style=Style(convolutional_se=True, counters=True, wrapper={"meta": {}}),
    loader=_load,
)
