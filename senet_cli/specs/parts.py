"""The parts that networks are made of, each with its numbers and what can be counted from them.

A part is declared here, a block in `senet_cli.specs.blocks`, and nowhere else: tag, bounds and traits as
`senet_cli.specs.declare` explains, and its convolutions. Only a part that is wired in a way of its own needs
a module in `senet_cli.nets.parts` besides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from senet_cli.specs.declare import REQUIRED, Between, Trait

Channels = Annotated[int, Between(1, 65536)]
Ratio = Annotated[int, Between(1, 4096)]


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
        """Calculate the side of the output map from the side `size` of the input map."""
        side = self.side(size)
        return side // 2 if self.pooled == "after" else side

    def side(self, size: int) -> int:
        """Calculate the side of the map that the convolution itself gives."""
        size = -(-size // 2) if self.pooled == "before" else size
        return (size + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """Outputs, inputs of each, rows, columns."""
        return (self.out_channels, self.in_channels // self.groups, self.kernel, self.kernel)

    @property
    def weights(self) -> int:
        """Number of weights."""
        return self.kernel**2 * self.in_channels * self.out_channels // self.groups


# --- stem ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ConvStem:
    """One convolution: 7x7 stride 2 for ImageNet, 3x3 stride 1 for CIFAR."""

    channels: Channels
    kernel: Literal[3, 7]
    stride: Literal[1, 2]

    tag = "conv"

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other stems."""
        return (
            Trait("stem", f"{self.kernel}x{self.kernel} stem"),
            Trait("stem stride", f"stride {self.stride} in the stem", said=False),
            Trait("stem channels", f"{self.channels} channels behind the stem", said=False),
        )

    def convs(self, in_channels: int) -> tuple[Conv, ...]:
        """List the convolutions from the image, each followed by batch norm and ReLU."""
        return (Conv(in_channels, self.channels, self.kernel, self.stride),)


@dataclass(frozen=True, slots=True)
class DeepStem:
    """Three 3x3 convolutions, the first with stride 2 (SENet-154: 64, 64, 128 channels)."""

    channels: tuple[Channels, Channels, Channels]

    tag = "deep"

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other stems."""
        return (Trait("stem", f"3x(3x3) stem {dashed(self.channels)}"),)

    def convs(self, in_channels: int) -> tuple[Conv, ...]:
        """List the convolutions from the image, each followed by batch norm and ReLU."""
        first, second, third = self.channels
        return (Conv(in_channels, first, 3, 2), Conv(first, second, 3), Conv(second, third, 3))


@dataclass(frozen=True, slots=True)
class PoollessStem:
    """A deep stem whose fourth 3x3 convolution, with stride 2, stands for the pool (ResNet-RS).

    Source: Bello et al., arXiv 2103.07579, section 3.
    """

    channels: tuple[Channels, Channels, Channels]

    tag = "poolless"

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other stems."""
        return (Trait("stem", f"4x(3x3) stem {dashed(self.channels)}"),)

    def convs(self, in_channels: int) -> tuple[Conv, ...]:
        """List the convolutions from the image, each followed by batch norm and ReLU."""
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

    tag = "max"
    usual = True

    @property
    def edge(self) -> str:
        """What becomes of the rows and columns at the edge, in words."""
        if self.padding:
            return "padded and ceil mode" if self.ceil_mode else "padded"
        return "ceil mode" if self.ceil_mode else "without padding"

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other pools."""
        return (Trait("stem pool", f"stem pool {self.edge}"),)

    def out_size(self, size: int) -> int:
        """Calculate the side of the output map."""
        span = size + 2 * self.padding - 3
        return (-(-span // 2) if self.ceil_mode else span // 2) + 1


@dataclass(frozen=True, slots=True)
class AverageStemPool:
    """2x2 average pool: the stem pool of anti-aliased networks (timm's "aa")."""

    tag = "average"

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other pools."""
        return (Trait("stem pool", "average stem pool"),)

    def out_size(self, size: int) -> int:
        """Calculate the side of the output map."""
        return size // 2


Pool = StemPool | AverageStemPool


# --- within blocks ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PooledShortcut:
    """Projection by a 2x2 average pool, where the size changes, and a 1x1 convolution (timm's "d" and "t").

    Source: He et al., arXiv 1812.01187, figure 2 (c).
    """

    tag = "pooled"

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other shortcuts."""
        return (Trait("shortcut", "average pools in the shortcuts"),)

    def conv(self, in_channels: int, out_channels: int, stride: int) -> Conv | None:
        """Return the projection, or None where the identity fits."""
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

    kernel: Annotated[Literal[1, 3], REQUIRED] = 1

    tag = "conv"
    usual = True

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other shortcuts."""
        return (Trait("shortcut", f"{self.kernel}x{self.kernel} shortcuts", said=self.kernel != 1),)

    def conv(self, in_channels: int, out_channels: int, stride: int) -> Conv | None:
        """Return the projection, or None where the identity fits."""
        if stride == 1:
            same = in_channels == out_channels
            return None if same else Conv(in_channels, out_channels, 1)
        return Conv(in_channels, out_channels, self.kernel, stride)


Projection = Shortcut | PooledShortcut


@dataclass(frozen=True, slots=True)
class SqueezeExcite:
    """Squeeze (global mean), reduce, ReLU, expand, sigmoid, scale: before the residual sum.

    Args:
        reduction: channels divided by this give the hidden width.
        first_reduction: the same for the first block of each stage, where it differs.
        bias: True if the two linear maps have biases.
        hidden_multiple: the hidden width is rounded to the nearest multiple of this, at least once it.
    """

    reduction: Annotated[Ratio, REQUIRED] = 16
    first_reduction: Ratio | None = None
    bias: Annotated[bool, REQUIRED] = True
    hidden_multiple: Ratio = 1

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other SE modules."""
        first = f" ({self.first_reduction} in first blocks)" if self.first_reduction else ""
        rounded = f" rounded to multiples of {self.hidden_multiple}" if self.hidden_multiple > 1 else ""
        bias = "" if self.bias else " without bias"
        return (Trait("SE", f"SE reduction {self.reduction}{first}{rounded}{bias}"),)

    def hidden(self, channels: int, block: int) -> int:
        """Calculate the hidden width in block `block` (from 0) of a stage with `channels` channels."""
        reduction = self.first_reduction if block == 0 and self.first_reduction else self.reduction
        if self.hidden_multiple == 1:
            return max(1, channels // reduction)
        multiple = self.hidden_multiple
        return max(multiple, int(channels / reduction + multiple / 2) // multiple * multiple)

    def parameters(self, channels: int, block: int) -> int:
        """Count the weights and biases of one module."""
        hidden = self.hidden(channels, block)
        return 2 * channels * hidden + (channels + hidden if self.bias else 0)


def dashed(numbers: tuple[int, ...]) -> str:
    """Write numbers with dashes: `64-64-128`."""
    return "-".join(map(str, numbers))
