"""A network together with its normalisation: pixels in, logits or features out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from senet_cli.catalogue.entries import Preprocess
from senet_cli.nets.network import SENetwork


class PixelNetwork(nn.Module):
    """Normalise pixels as torchvision's ToTensor and Normalize do, in float32, and run a network on them.

    Args:
        network: on the CPU, float32; it is moved, not copied.
        preprocess: for mean and std.
        device: a resolved device.
        dtype: number format of weights and activations.

    Shapes: pixels (N, 3, crop, crop) uint8, RGB 0..255, on any device.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: SENetwork,
        preprocess: Preprocess,
        device: str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.device, self.dtype = torch.device(device), dtype
        self.network = network.to(self.device, dtype).to(memory_format=torch.channels_last)
        shape = (1, 3, 1, 1)
        self.register_buffer("mean", torch.tensor(preprocess.mean, device=self.device).reshape(shape))
        self.register_buffer("std", torch.tensor(preprocess.std, device=self.device).reshape(shape))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, H, W) uint8 -> the network's input, same shape, in `dtype`."""
        return pixels.float().div_(255).sub_(self.mean).div_(self.std).to(self.dtype)

    def logits(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, H, W) uint8 -> (N, classes) in `dtype`."""
        logits: Tensor = self.network(self.normalise(pixels))
        return logits

    def features(self, pixels: Tensor) -> Tensor:
        """Map (N, 3, H, W) uint8 -> pooled features (N, channels) in `dtype`."""
        return self.network.features(self.normalise(pixels))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, H, W, 3) uint8 -> logits (N, classes) and features (N, channels)."""
        features = self.features(pixels.permute(0, 3, 1, 2))
        return self.network.head(features), features
