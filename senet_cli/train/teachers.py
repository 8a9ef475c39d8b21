"""Learning from other networks' answers as well as from the labels (Hinton et al., arXiv 1503.02531)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from senet_cli.train.pixels import PixelNetwork
from senet_cli.train.recipe import TrainPrecision

_TEMPERATURE = 4.0
_SHARE = 0.9
"""Of the loss; the labels have the rest."""


class Teachers:
    """Trained networks whose mean answer is learned from.

    Args:
        networks: with classes, their order and input size as the network that learns has them.
        precision: they calculate in.
    """

    def __init__(self, networks: Sequence[PixelNetwork], precision: TrainPrecision) -> None:
        self._networks, self._precision = networks, precision

    def loss(self, logits: Tensor, pixels: Tensor, labels_loss: Tensor) -> Tensor:
        """The whole loss of a batch; without teachers that of the labels.

        Args:
            logits: of the network that learns, float (N, classes).
            pixels: what it saw, uint8 (N, 3, crop, crop).
            labels_loss: scalar.
        """
        if not self._networks:
            return labels_loss
        learned = functional.log_softmax(logits / _TEMPERATURE, 1)
        distance = functional.kl_div(learned, self._answer(pixels), reduction="batchmean")
        return _SHARE * _TEMPERATURE**2 * distance + (1 - _SHARE) * labels_loss

    @torch.no_grad()
    def _answer(self, pixels: Tensor) -> Tensor:
        """Mean of the softened probabilities, (N, classes)."""
        answers = [network.logits(pixels, self._precision) for network in self._networks]
        return torch.stack([functional.softmax(logits / _TEMPERATURE, 1) for logits in answers]).mean(0)
