"""Exact structures of SE networks as frozen values, and what can be counted from them.

A network is stem, stem pool, stages of residual blocks, global average pool, linear head (Hu et al.,
"Squeeze-and-Excitation Networks", arXiv 1709.01507, table 1). Each part has a spec of its own; two
networks with the same tensor shapes differ in a spec field, never in a guess. Nothing here needs torch:
`senet_cli.models` builds the networks from the same specs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, slots=True)
class Conv:
    """A convolution without bias, with its batch norm.

    Args:
        in_channels, out_channels: channels before and after.
        kernel: side of the square kernel, odd; the padding is `kernel // 2`.
        stride: 1 or 2.
        groups: number of groups (cardinality).
        pooled: where an average pool of 2x2 halves the map in place of a stride: "before" the convolution
            (an odd last row or column is averaged with what there is of it), or "after" its ReLU (it is left
            out).
    """

    in_channels: int
    out_channels: int
    kernel: int
    stride: int = 1
    groups: int = 1
    pooled: Literal["before", "after"] | None = None

    @property
    def padding(self) -> int:
        """Zeros added on each side."""
        return self.kernel // 2

    def out_size(self, size: int) -> int:
        """Side of the map that follows on an input map of side `size`."""
        side = self.side(size)
        return side // 2 if self.pooled == "after" else side

    def side(self, size: int) -> int:
        """Side of the map that the convolution itself gives."""
        size = -(-size // 2) if self.pooled == "before" else size
        return (size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.kernel**2 * self.in_channels * self.out_channels // self.groups


# --- stem ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConvStem:
    """One convolution: 7x7 stride 2 for ImageNet, 3x3 stride 1 for CIFAR."""

    channels: int
    kernel: int
    stride: int

    def convs(self, in_channels: int) -> tuple[Conv, ...]:
        """Convolutions from the image, each followed by batch norm and ReLU."""
        return (Conv(in_channels, self.channels, self.kernel, self.stride),)


@dataclass(frozen=True, slots=True)
class DeepStem:
    """Three 3x3 convolutions, the first with stride 2 (SENet-154: 64, 64, 128 channels)."""

    channels: tuple[int, int, int]

    def convs(self, in_channels: int) -> tuple[Conv, ...]:
        """Convolutions from the image, each followed by batch norm and ReLU."""
        first, second, third = self.channels
        return (Conv(in_channels, first, 3, 2), Conv(first, second, 3), Conv(second, third, 3))


@dataclass(frozen=True, slots=True)
class PoollessStem:
    """A deep stem whose fourth 3x3 convolution, with stride 2, stands for the pool (ResNet-RS).

    Source: Bello et al., arXiv 2103.07579, section 3.
    """

    channels: tuple[int, int, int]

    def convs(self, in_channels: int) -> tuple[Conv, ...]:
        """Convolutions from the image, each followed by batch norm and ReLU."""
        last = self.channels[-1]
        return (*DeepStem(self.channels).convs(in_channels), Conv(last, last, 3, 2))


Stem = ConvStem | DeepStem | PoollessStem


@dataclass(frozen=True, slots=True)
class StemPool:
    """3x3 max pool, stride 2.

    Padding 1 (torchvision, timm, mmpretrain) and padding 0 with `ceil_mode` (Caffe, Cadene) give maps of
    the same size for even inputs, with different values.
    """

    padding: Literal[0, 1]
    ceil_mode: bool

    def out_size(self, size: int) -> int:
        """Side of the output map."""
        span = size + 2 * self.padding - 3
        return (-(-span // 2) if self.ceil_mode else span // 2) + 1


@dataclass(frozen=True, slots=True)
class AverageStemPool:
    """2x2 average pool: the stem pool of anti-aliased networks (timm's "aa")."""

    def out_size(self, size: int) -> int:
        """Side of the output map."""
        return size // 2


Pool = StemPool | AverageStemPool


# --- residual blocks ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BasicBlock:
    """Two 3x3 convolutions, the first carries the stride.

    Args:
        relu_before_se: True for one more ReLU, after the last batch norm, as in timm's `legacy_seresnet18`.
    """

    relu_before_se: bool = False

    expansion = 1

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """Convolutions of the residual branch."""
        return (Conv(in_channels, width, 3, stride), Conv(width, width, 3))


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """1x1, 3x3 (grouped), 1x1 convolutions.

    Args:
        cardinality: groups of the 3x3 convolution.
        base_width: width of each group where the stage's width is 64.
        stride_in: which convolution carries the stride: the first 1x1 ("conv1", as in Caffe) or the
            3x3 ("conv2").
    """

    cardinality: int = 1
    base_width: int = 64
    stride_in: Literal["conv1", "conv2"] = "conv2"

    expansion = 4
    relu_before_se = False

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """Convolutions of the residual branch."""
        inner = width * self.base_width // 64 * self.cardinality
        first, second = (stride, 1) if self.stride_in == "conv1" else (1, stride)
        return (
            Conv(in_channels, inner, 1, first),
            Conv(inner, inner, 3, second, self.cardinality),
            Conv(inner, width * self.expansion, 1),
        )


@dataclass(frozen=True, slots=True)
class SENetBottleneck:
    """SENet-154's bottleneck: a grouped 3x3 of twice the plain width behind a 1x1 of half of that."""

    cardinality: int = 64
    base_width: int = 4

    expansion = 4
    relu_before_se = False

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """Convolutions of the residual branch; the 3x3 carries the stride."""
        inner = width * self.base_width // 64 * self.cardinality
        return (
            Conv(in_channels, inner // 2, 1),
            Conv(inner // 2, inner, 3, stride, self.cardinality),
            Conv(inner, width * self.expansion, 1),
        )


@dataclass(frozen=True, slots=True)
class AntiAliasedBottleneck:
    """A bottleneck that halves the map by a 2x2 average pool behind its 3x3 convolution (timm's "aa").

    Args:
        cardinality, base_width: as in `Bottleneck`.
    """

    cardinality: int = 1
    base_width: int = 64

    expansion = 4
    relu_before_se = False

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """Convolutions of the residual branch, none with a stride."""
        first, second, third = Bottleneck(self.cardinality, self.base_width).convs(in_channels, width, 1)
        return (first, replace(second, pooled="after") if stride == 2 else second, third)


@dataclass(frozen=True, slots=True)
class InstanceBatchBottleneck:
    """A bottleneck whose first norm is an instance norm on one half of the channels (IBN-a).

    Source: Pan et al., arXiv 1807.09441, figure 3 (a).

    Args:
        stages: the first so many stages have it; batch norms stand in the others.
    """

    stages: int = 3

    expansion = 4
    relu_before_se = False

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """Convolutions of the residual branch; the 3x3 carries the stride."""
        return Bottleneck().convs(in_channels, width, stride)


@dataclass(frozen=True, slots=True)
class PreActivation:
    """A block with batch norm and ReLU before each convolution and nothing behind the sum.

    Where the block changes size or channels, its shortcut is a bare convolution of what the first ReLU gives.
    Source: He et al., arXiv 1603.05027, figure 4 (e).

    Args:
        block: whose convolutions they are.
        final_norm: True for a batch norm and ReLU behind the last block.
    """

    block: BasicBlock | Bottleneck
    final_norm: bool = True

    relu_before_se = False

    @property
    def expansion(self) -> int:
        """Channels of the sum for each of the stage's width."""
        return self.block.expansion

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """Convolutions of the residual branch."""
        return self.block.convs(in_channels, width, stride)


Block = (
    BasicBlock
    | Bottleneck
    | SENetBottleneck
    | AntiAliasedBottleneck
    | InstanceBatchBottleneck
    | PreActivation
)


@dataclass(frozen=True, slots=True)
class PooledShortcut:
    """Projection by a 2x2 average pool, where the size changes, and a 1x1 convolution (timm's "d" and "t").

    Source: He et al., arXiv 1812.01187, figure 2 (c).
    """

    def conv(self, in_channels: int, out_channels: int, stride: int) -> Conv | None:
        """The projection, or None where the identity fits."""
        if stride == 1 and in_channels == out_channels:
            return None
        return Conv(in_channels, out_channels, 1, pooled="before" if stride == 2 else None)


@dataclass(frozen=True, slots=True)
class Shortcut:
    """Projection where a block changes size or channels: convolution and batch norm.

    Args:
        kernel: 1 or 3, for projections with stride 2; a projection that only changes the channels
            (stage 1 of a bottleneck network) is always 1x1.
    """

    kernel: Literal[1, 3] = 1

    def conv(self, in_channels: int, out_channels: int, stride: int) -> Conv | None:
        """The projection, or None where the identity fits."""
        if stride == 1:
            same = in_channels == out_channels
            return None if same else Conv(in_channels, out_channels, 1)
        return Conv(in_channels, out_channels, self.kernel, stride)


@dataclass(frozen=True, slots=True)
class SqueezeExcite:
    """Squeeze (global mean), reduce, ReLU, expand, sigmoid, scale: before the residual sum.

    Args:
        reduction: channels divided by this give the hidden width.
        first_reduction: the same for the first block of each stage, where it differs.
        bias: True if the two linear maps have biases.
        hidden_multiple: the hidden width is rounded to the nearest multiple of this, at least once it.
    """

    reduction: int = 16
    first_reduction: int | None = None
    bias: bool = True
    hidden_multiple: int = 1

    def hidden(self, channels: int, block: int) -> int:
        """Hidden width in block number `block` (from 0) of a stage with `channels` channels."""
        reduction = self.first_reduction if block == 0 and self.first_reduction else self.reduction
        if self.hidden_multiple == 1:
            return max(1, channels // reduction)
        multiple = self.hidden_multiple
        return max(multiple, int(channels / reduction + multiple / 2) // multiple * multiple)

    def parameters(self, channels: int, block: int) -> int:
        """Weights and biases of one module."""
        hidden = self.hidden(channels, block)
        return 2 * channels * hidden + (channels + hidden if self.bias else 0)


# --- the whole network --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BlockShape:
    """One residual block with its numbers filled in; stage from 1, block from 0."""

    stage: int
    block: int
    convs: tuple[Conv, ...]
    shortcut: Conv | None
    kind: Block

    @property
    def out_channels(self) -> int:
        """Channels of the sum."""
        return self.convs[-1].out_channels

    @property
    def instance_norm(self) -> bool:
        """True if the first norm is an instance norm on one half of the channels."""
        return isinstance(self.kind, InstanceBatchBottleneck) and self.stage <= self.kind.stages

    @property
    def normalised(self) -> int:
        """Channels that pass through norms."""
        if isinstance(self.kind, PreActivation):
            return sum(conv.in_channels for conv in self.convs)
        convs = (*self.convs, self.shortcut) if self.shortcut else self.convs
        return sum(conv.out_channels for conv in convs)


@dataclass(frozen=True, slots=True)
class ArchSpec:
    """One exact structure.

    Args:
        stem, pool: how the image enters; `pool` is None for CIFAR networks and behind a `PoollessStem`.
        block, shortcut: the residual block.
        se: the SE module, or None for the plain twin.
        depths: blocks in each stage.
        widths: width of each stage, before the block's expansion.
        classes: outputs of the head.
        in_channels: channels of the image.
        dropout: probability before the head, in training only.
    """

    stem: Stem
    pool: Pool | None
    block: Block
    shortcut: Shortcut | PooledShortcut
    se: SqueezeExcite | None
    depths: tuple[int, ...]
    widths: tuple[int, ...]
    classes: int = 1000
    in_channels: int = 3
    dropout: float = 0.0

    @property
    def feature_channels(self) -> int:
        """Channels that enter the head."""
        return self.widths[-1] * self.block.expansion

    @property
    def final_norm(self) -> bool:
        """True if batch norm and ReLU stand behind the last block."""
        return isinstance(self.block, PreActivation) and self.block.final_norm

    @property
    def stride(self) -> int:
        """Pixels of the image along a side for each of the last map."""
        stem = math.prod(conv.stride for conv in self.stem.convs(self.in_channels))
        return stem * (2 if self.pool else 1) * (1 << (len(self.depths) - 1))

    def with_classes(self, classes: int) -> ArchSpec:
        """The same network with another head."""
        return replace(self, classes=classes)

    def without_se(self) -> ArchSpec:
        """The plain twin: the same network without SE modules."""
        return replace(self, se=None)

    def blocks(self) -> Iterator[BlockShape]:
        """All residual blocks, from the image to the head; stages after the first halve the map."""
        channels = self.stem.convs(self.in_channels)[-1].out_channels
        for stage, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True), start=1):
            for number in range(depth):
                stride = 2 if number == 0 and stage > 1 else 1
                convs = self.block.convs(channels, width, stride)
                out_channels = convs[-1].out_channels
                shortcut = self.shortcut.conv(channels, out_channels, stride)
                yield BlockShape(stage, number, convs, shortcut, self.block)
                channels = out_channels

    def shallow(self) -> ArchSpec:
        """The same network with no two blocks that are alike in a row."""
        return replace(self, depths=tuple(min(depth, 2) for depth in self.depths))

    def size_problem(self, size: int) -> str | None:
        """Why images of `size` x `size` pixels cannot pass, or None where they can.

        Anti-aliased blocks leave out an odd last row of which their shortcuts make one of their own.
        """
        side = size
        for conv in self.stem.convs(self.in_channels):
            side = conv.out_size(side)
        side = self.pool.out_size(side) if self.pool else side
        for block in self.shallow().blocks():
            beside = block.shortcut.out_size(side) if block.shortcut else side
            for conv in block.convs:
                side = conv.out_size(side)
            if side != beside:
                return (
                    f"with images of {size}x{size} pixels the two branches of a block differ in size "
                    f"({side} and {beside}); multiples of 32 fit"
                )
        return None

    def parameters(self) -> int:
        """Number of trainable values."""
        stem = self.stem.convs(self.in_channels)
        normalised = sum(conv.out_channels for conv in stem) + self.final_norm * self.feature_channels
        total = sum(conv.weights for conv in stem) + (self.feature_channels + 1) * self.classes
        for block in self.blocks():
            convs = (*block.convs, block.shortcut) if block.shortcut else block.convs
            total += sum(conv.weights for conv in convs)
            normalised += block.normalised
            if self.se:
                total += self.se.parameters(block.out_channels, block.block)
        return total + 2 * normalised

    def multiply_adds(self, size: int) -> int:
        """Multiply-adds of convolutions and linear maps for one image of `size` x `size` pixels."""
        total = 0

        def through(convs: tuple[Conv, ...], side: int) -> int:
            nonlocal total
            for conv in convs:
                total += conv.weights * conv.side(side) ** 2
                side = conv.out_size(side)
            return side

        size = through(self.stem.convs(self.in_channels), size)
        if self.pool:
            size = self.pool.out_size(size)
        for block in self.blocks():
            if block.shortcut:
                through((block.shortcut,), size)
            size = through(block.convs, size)
            if self.se:
                hidden = self.se.hidden(block.out_channels, block.block)
                total += 2 * block.out_channels * hidden
        return total + self.feature_channels * self.classes
