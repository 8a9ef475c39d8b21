"""A network together with what it needs to take pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from senet_cli.catalogue.entries import Preprocess
from senet_cli.nets.network import SENetwork
from senet_cli.tasks.train.recipe import TrainPrecision


class PixelNetwork:
    """A network on a device, behind its normalisation.

    Args:
        network: on the CPU; it is moved, not copied.
        preprocess: for mean and std.
        device: a resolved device.
    """

    def __init__(self, network: SENetwork, preprocess: Preprocess, device: str) -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        shape = (1, 3, 1, 1)
        self._mean = torch.tensor(preprocess.mean, device=self.device).reshape(shape)
        self._std = torch.tensor(preprocess.std, device=self.device).reshape(shape)

    def logits(self, pixels: Tensor, precision: TrainPrecision) -> Tensor:
        """uint8 (N, 3, H, W) -> float32 (N, classes)."""
        images = pixels.to(self.device).float().div_(255).sub_(self._mean).div_(self._std)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=precision == "bf16"):
            logits: Tensor = self.network(images)
        return logits.float()
