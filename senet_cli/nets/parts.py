"""The modules that a network is composed of. Each takes its spec; none knows the others' insides."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from senet_cli.specs.blocks import PreActivation
from senet_cli.specs.parts import AverageStemPool, Conv, Pool, SqueezeExcite
from senet_cli.specs.residual import BlockShape


def conv2d(conv: Conv) -> nn.Conv2d:
    """Build the convolution of a spec, without bias; pools before and behind it are not in it."""
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
    """Build convolution, batch norm, ReLU for each of `convs`; numbered if there are several."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for number, conv in enumerate(convs, start=1):
        suffix = str(number) if len(convs) > 1 else ""
        layers[f"conv{suffix}"] = conv2d(conv)
        layers[f"norm{suffix}"] = nn.BatchNorm2d(conv.out_channels)
        layers[f"relu{suffix}"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


def stem_pool(spec: Pool | None) -> nn.Module:
    """Build the pool of a spec, or nothing."""
    if spec is None:
        return nn.Identity()
    if isinstance(spec, AverageStemPool):
        return nn.AvgPool2d(2)
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
        """Map (N, C, H, W) -> the same shape, each channel scaled."""
        squeezed = x.mean((2, 3))  # (N, C)
        gate = torch.sigmoid(self.expand(functional.relu(self.reduce(squeezed))))
        return x * gate[:, :, None, None]


class InstanceBatchNorm(nn.Module):
    """Instance norm on the first half of the channels, batch norm on the others (IBN-a).

    Shapes: (N, C, H, W) float -> the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.halves = [channels // 2, channels - channels // 2]
        self.instance = nn.InstanceNorm2d(self.halves[0], affine=True)
        self.batch = nn.BatchNorm2d(self.halves[1])

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) -> the same shape."""
        first, second = torch.split(x, self.halves, 1)
        return torch.cat((self.instance(first), self.batch(second)), 1)


class Projection(nn.Sequential):
    """A shortcut that changes size or channels: convolution and batch norm, maybe behind a pool."""

    def __init__(self, conv: Conv) -> None:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if conv.pooled == "before":
            layers["pool"] = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)
        super().__init__(layers | {"conv": conv2d(conv), "norm": nn.BatchNorm2d(conv.out_channels)})


class ResidualBlock(nn.Module):
    """relu(se(branch(x)) + shortcut(x)); the branch has ReLU between its convolutions, rarely after the last.

    Args:
        shape: the block's convolutions and shortcut.
        se: spec of the SE module, or None for a plain block.
    """

    def __init__(self, shape: BlockShape, se: SqueezeExcite | None) -> None:
        super().__init__()
        self.depth = len(shape.convs)
        self.relus = self.depth if shape.kind.relu_before_se else self.depth - 1
        for number, conv in enumerate(shape.convs, start=1):
            self.add_module(f"conv{number}", conv2d(conv))
            halved = shape.instance_norm and number == 1
            norm = InstanceBatchNorm if halved else nn.BatchNorm2d
            self.add_module(f"norm{number}", norm(conv.out_channels))
        self.pooled = next((n for n, conv in enumerate(shape.convs, start=1) if conv.pooled), None)
        self.se = _squeeze_excitation(shape, se)
        self.shortcut = Projection(shape.shortcut) if shape.shortcut else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) -> (N, out_channels, H / stride, W / stride)."""
        branch = x
        for number in range(1, self.depth + 1):
            branch = self.get_submodule(f"norm{number}")(self.get_submodule(f"conv{number}")(branch))
            if number <= self.relus:
                branch = functional.relu(branch, inplace=True)
            if number == self.pooled:
                branch = functional.avg_pool2d(branch, 2)
        return functional.relu(self.se(branch) + self.shortcut(x), inplace=True)


class PreActivationBlock(nn.Module):
    """se(branch(x)) + shortcut; norm and ReLU stand before each convolution of the branch.

    Args:
        shape: the block's convolutions and shortcut.
        se: spec of the SE module, or None for a plain block.
    """

    def __init__(self, shape: BlockShape, se: SqueezeExcite | None) -> None:
        super().__init__()
        self.depth = len(shape.convs)
        for number, conv in enumerate(shape.convs, start=1):
            self.add_module(f"norm{number}", nn.BatchNorm2d(conv.in_channels))
            self.add_module(f"conv{number}", conv2d(conv))
        self.se = _squeeze_excitation(shape, se)
        self.shortcut = conv2d(shape.shortcut) if shape.shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) -> (N, out_channels, H / stride, W / stride)."""
        branch, identity = x, x
        for number in range(1, self.depth + 1):
            branch = functional.relu(self.get_submodule(f"norm{number}")(branch), inplace=True)
            if number == 1 and self.shortcut is not None:
                identity = self.shortcut(branch)
            branch = self.get_submodule(f"conv{number}")(branch)
        summed: Tensor = self.se(branch) + identity
        return summed


def residual_block(shape: BlockShape, se: SqueezeExcite | None) -> nn.Module:
    """Build the block of a shape."""
    if isinstance(shape.kind, PreActivation):
        return PreActivationBlock(shape, se)
    return ResidualBlock(shape, se)


def _squeeze_excitation(shape: BlockShape, se: SqueezeExcite | None) -> nn.Module:
    if se is None:
        return nn.Identity()
    channels = shape.out_channels
    return SqueezeExcitation(channels, bias=se.bias, hidden=se.hidden(channels, shape.block))


class FinalNorm(nn.Sequential):
    """Batch norm and ReLU behind the last pre-activation block."""

    def __init__(self, channels: int) -> None:
        super().__init__(OrderedDict(norm=nn.BatchNorm2d(channels), relu=nn.ReLU(inplace=True)))
