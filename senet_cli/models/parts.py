"""The modules that a network is composed of. Each takes its spec; none knows the others' insides."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from senet_cli.architectures import BlockShape, Conv, SqueezeExcite, StemPool


def conv2d(conv: Conv) -> nn.Conv2d:
    """The convolution of a spec; batch norm follows, so there is no bias."""
    return nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel,
        stride=conv.stride,
        padding=conv.padding,
        groups=conv.groups,
        bias=False,
    )


def stem(convs: Sequence[Conv]) -> nn.Sequential:
    """Convolution, batch norm, ReLU for each of `convs`; numbered where there are several."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, conv in enumerate(convs, start=1):
        suffix = str(number) if len(convs) > 1 else ""
        layers[f"conv{suffix}"] = conv2d(conv)
        layers[f"norm{suffix}"] = nn.BatchNorm2d(conv.out_channels)
        layers[f"relu{suffix}"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


def stem_pool(spec: StemPool | None) -> nn.Module:
    """The max pool of a spec, or nothing."""
    if spec is None:
        return nn.Identity()
    return nn.MaxPool2d(3, stride=2, padding=spec.padding, ceil_mode=spec.ceil_mode)


class SqueezeExcitation(nn.Module):
    """Channel attention (arXiv 1709.01507, section 3): scales each channel by a learned gate in 0..1.

    Args:
        channels: channels of the map.
        reduction: `channels // reduction` is the hidden width (at least 1).
        bias: True if the two linear maps have biases.
        hidden: the hidden width itself, instead of the reduction.

    Shapes: (N, C, H, W) float -> the same.
    """

    def __init__(
        self, channels: int, reduction: int = 16, bias: bool = True, *, hidden: int | None = None
    ) -> None:
        super().__init__()
        hidden = hidden or max(1, channels // reduction)
        self.reduce = nn.Linear(channels, hidden, bias=bias)
        self.expand = nn.Linear(hidden, channels, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape, each channel scaled."""
        squeezed = x.mean((2, 3))  # (N, C)
        gate = torch.sigmoid(self.expand(functional.relu(self.reduce(squeezed))))
        return x * gate[:, :, None, None]


class Projection(nn.Sequential):
    """A shortcut that changes size or channels: convolution and batch norm."""

    def __init__(self, conv: Conv) -> None:
        norm = nn.BatchNorm2d(conv.out_channels)
        super().__init__(OrderedDict(conv=conv2d(conv), norm=norm))


class ResidualBlock(nn.Module):
    """relu(se(branch(x)) + shortcut(x)); the branch has ReLU between its convolutions, rarely after the last.

    Args:
        shape: the block's convolutions and shortcut.
        se: spec of the SE module, or None for a plain block.
    """

    def __init__(self, shape: BlockShape, se: SqueezeExcite | None) -> None:
        super().__init__()
        self.depth = len(shape.convs)
        self.relus = self.depth if shape.relu_before_se else self.depth - 1
        for number, conv in enumerate(shape.convs, start=1):
            self.add_module(f"conv{number}", conv2d(conv))
            self.add_module(f"norm{number}", nn.BatchNorm2d(conv.out_channels))
        channels = shape.out_channels
        self.se = (
            SqueezeExcitation(channels, bias=se.bias, hidden=se.hidden(channels, shape.block))
            if se
            else nn.Identity()
        )
        self.shortcut = Projection(shape.shortcut) if shape.shortcut else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H / stride, W / stride)."""
        branch = x
        for number in range(1, self.depth + 1):
            branch = self.get_submodule(f"norm{number}")(self.get_submodule(f"conv{number}")(branch))
            if number <= self.relus:
                branch = functional.relu(branch, inplace=True)
        return functional.relu(self.se(branch) + self.shortcut(x), inplace=True)
