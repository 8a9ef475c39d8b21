"""LEEYEONSU's networks for CIFAR, trained with CutMix."""

from __future__ import annotations

from senet_cli.weights.publishers.base import PLAIN_STEM, KeyLayout, Publisher, Style, block_parts

LEEYEONSU = KeyLayout(
    "leeyeonsu",
    stem=PLAIN_STEM,
    block="layers{stage}.{block}",
    parts=block_parts("bn", "se.fc.0", "se.fc.2", "down_sample"),
    head="fc_out",
)
PUBLISHER = Publisher(
    "leeyeonsu",
    layouts=(LEEYEONSU,),
    style=Style(convolutional_se=False, counters=True, wrapper={}),
)
