"""Learning from other networks' answers as well as from the labels (Hinton et al., arXiv 1503.02531)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from senet_cli.inference.engines.base import Engine

_TEMPERATURE = 2.0
_SHARE = 0.9
"""Of the loss; the labels have the rest."""


class Teachers:
    """Trained networks whose mean answer is learned from.

    Args:
        engines: they run networks with classes and input size as the network that learns has them.
        names: of these networks, with their digests.
        mirror: True to ask about the mirror images too, where training mirrors images anyway: two answers
            together are right more often than one.
    """

    def __init__(
        self, engines: Sequence[Engine] = (), names: Sequence[str] = (), *, mirror: bool = False
    ) -> None:
        self._engines, self.names, self._mirror = engines, list(names), mirror

    def loss(self, logits: Tensor, pixels: Tensor, labels_loss: Tensor) -> Tensor:
        """Compute the whole loss of a batch; without teachers that of the labels.

        Args:
            logits: of the network that learns, float (N, classes).
            pixels: what it saw, uint8 (N, 3, crop, crop).
            labels_loss: scalar.
        """
        if not self._engines:
            return labels_loss
        learned = functional.log_softmax(logits / _TEMPERATURE, 1)
        distance = functional.kl_div(learned, self._answer(pixels).to(logits.device), reduction="batchmean")
        return _SHARE * _TEMPERATURE**2 * distance + (1 - _SHARE) * labels_loss

    def _answer(self, pixels: Tensor) -> Tensor:
        """Mean of the softened probabilities, (N, classes)."""
        images = pixels.permute(0, 2, 3, 1).contiguous().numpy()
        views = [images, np.ascontiguousarray(images[:, :, ::-1])] if self._mirror else [images]
        answers = [torch.from_numpy(engine.logits(view)) for engine in self._engines for view in views]
        return torch.stack([functional.softmax(logits / _TEMPERATURE, 1) for logits in answers]).mean(0)
