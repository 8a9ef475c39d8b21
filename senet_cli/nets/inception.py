"""The modules of inception networks; see `senet_cli.specs.inception` for their structure."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from senet_cli.nets import parts
from senet_cli.specs import InceptionShape, InceptionSpec, SqueezeExcite, StemPool


def stem(spec: InceptionSpec) -> nn.Sequential:
    """Build everything before the last pool of the stem: 7x7, pool, 1x1, 3x3."""
    first, *others = spec.stem_convs()
    return nn.Sequential(
        OrderedDict(first=parts.stem([first]), pool=parts.stem_pool(spec.pool), second=parts.stem(others))
    )


class InceptionModule(nn.Module):
    """se(concatenation of the branches); every convolution of a branch is followed by batch norm and ReLU.

    Args:
        shape: the branches.
        pool: the pool of the branch without convolutions before it, where the module halves the map.
        se: spec of the SE module, or None for a plain module.

    Shapes: (N, C, H, W) float -> (N, out_channels, H / stride, W / stride).
    """

    def __init__(self, shape: InceptionShape, pool: StemPool, se: SqueezeExcite | None) -> None:
        super().__init__()
        self.direct = parts.stem(shape.direct) if shape.direct else None
        self.single3x3 = parts.stem(shape.single3x3)
        self.double3x3 = parts.stem(shape.double3x3)
        self.pool = _pool(shape, pool)
        self.projection = parts.stem(shape.projection) if shape.projection else nn.Identity()
        channels = shape.out_channels
        self.se = (
            parts.SqueezeExcitation(channels, bias=se.bias, hidden=se.hidden(channels, shape.block))
            if se
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) -> (N, out_channels, H / stride, W / stride)."""
        branches = [self.single3x3(x), self.double3x3(x), self.projection(self.pool(x))]
        if self.direct is not None:
            branches.insert(0, self.direct(x))
        excited: Tensor = self.se(torch.cat(branches, dim=1))
        return excited


def _pool(shape: InceptionShape, halving: StemPool) -> nn.Module:
    if shape.stride == 2:
        return parts.stem_pool(halving)
    if shape.pool == "max":
        return nn.MaxPool2d(3, stride=1, padding=1)
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=True)  # as Caffe counts
