"""Patches of other images, with the labels mixed alike (CutMix, arXiv 1905.04899)."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms import v2

_SHARE = 0.5
"""Of the batches."""


class CutMix:
    """Lays patches of a batch's images over others in half of the batches.

    Args:
        classes: how many there are.
    """

    def __init__(self, classes: int) -> None:
        self._mix = v2.CutMix(num_classes=classes)

    def __call__(self, pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mix images and what they show.

        Args:
            pixels: uint8 (N, 3, H, W).
            targets: classes, int64 (N,).

        Returns:
            Images of the same shape; the classes as they came, or float (N, classes), by area.
        """
        if torch.rand(()) >= _SHARE:
            return pixels, targets
        mixed: tuple[Tensor, Tensor] = self._mix(pixels, targets)
        return mixed
