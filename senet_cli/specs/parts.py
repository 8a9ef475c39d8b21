"""The parts that networks are made of, each with its numbers and what can be counted from them."""

from __future__ import annotations

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
