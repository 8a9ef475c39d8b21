"""Xingang Pan's IBN-Net, whose SE networks are moskomule's with instance-batch norms."""

from __future__ import annotations

from dataclasses import replace

from senet_cli.weights.publishers.base import Publisher, Style
from senet_cli.weights.publishers.moskomule import MOSKOMULE

IBN_NET = replace(
    MOSKOMULE,
    name="ibn-net",
    parts=MOSKOMULE.parts | {"norm1.instance": "bn1.IN", "norm1.batch": "bn1.BN"},
)
PUBLISHER = Publisher("ibn-net", layouts=(IBN_NET,), style=Style(convolutional_se=False, counters=True))
