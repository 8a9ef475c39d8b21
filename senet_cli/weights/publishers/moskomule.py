"""moskomule's senet.pytorch."""

from __future__ import annotations

from senet_cli.weights.publishers.base import PLAIN_STEM, KeyLayout, Publisher, Style, block_parts

MOSKOMULE = KeyLayout(
    "moskomule",
    stem=PLAIN_STEM,
    block="layer{stage}.{block}",
    parts=block_parts("bn", "se.fc.0", "se.fc.2", "downsample"),
    head="fc",
)
PUBLISHER = Publisher("moskomule", layouts=(MOSKOMULE,), style=Style(convolutional_se=False, counters=True))
