"""The residual blocks, each with its numbers and what can be counted from them, as in `specs.parts`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from senet_cli.specs.declare import REQUIRED, Between, Trait
from senet_cli.specs.parts import Conv

GroupCount = Annotated[int, Between(1, 1024)]
_BATCH_NORMS = Trait("norms", "batch norms", said=False)


class _NormsBehind:
    """What blocks share whose batch norms and ReLUs stand behind the convolutions."""

    __slots__ = ()

    final_norm = False

    def instance_norm(self, stage: int) -> bool:
        """Return True if the first norm is an instance norm on one half of the channels; stage from 1."""
        return False

    def normalised(self, stage: int, convs: tuple[Conv, ...], shortcut: Conv | None) -> int:
        """Count the channels that pass through norms; stage from 1."""
        return sum(conv.out_channels for conv in ((*convs, shortcut) if shortcut else convs))


@dataclass(frozen=True, slots=True)
class BasicBlock(_NormsBehind):
    """Two 3x3 convolutions, the first carries the stride.

    Args:
        relu_before_se: True for one more ReLU, after the last batch norm, as in timm's `legacy_seresnet18`.
    """

    relu_before_se: bool = False

    tag = "basic"
    expansion = 1

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other blocks."""
        relu = " with a ReLU before SE" if self.relu_before_se else ""
        return (Trait("block", f"basic blocks{relu}"), _BATCH_NORMS)

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """List the convolutions of the residual branch."""
        return (Conv(in_channels, width, 3, stride), Conv(width, width, 3))


@dataclass(frozen=True, slots=True)
class Bottleneck(_NormsBehind):
    """1x1, 3x3 (grouped), 1x1 convolutions.

    Args:
        cardinality: groups of the 3x3 convolution.
        base_width: width of each group where the stage's width is 64.
        stride_in: which convolution carries the stride: the first 1x1 ("conv1", as in Caffe) or the
            3x3 ("conv2").
    """

    cardinality: GroupCount = 1
    base_width: GroupCount = 64
    stride_in: Annotated[Literal["conv1", "conv2"], REQUIRED] = "conv2"

    tag = "bottleneck"
    expansion = 4
    relu_before_se = False

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other blocks."""
        return (
            Trait("block", f"bottlenecks{_cardinality(self.cardinality, self.base_width)}"),
            Trait("stride", f"stride in the {'1x1' if self.stride_in == 'conv1' else '3x3'}"),
            _BATCH_NORMS,
        )

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """List the convolutions of the residual branch."""
        inner = width * self.base_width // 64 * self.cardinality
        first, second = (stride, 1) if self.stride_in == "conv1" else (1, stride)
        return (
            Conv(in_channels, inner, 1, first),
            Conv(inner, inner, 3, second, self.cardinality),
            Conv(inner, width * self.expansion, 1),
        )


@dataclass(frozen=True, slots=True)
class SENetBottleneck(_NormsBehind):
    """SENet-154's bottleneck: a grouped 3x3 of twice the plain width behind a 1x1 of half of that."""

    cardinality: Annotated[GroupCount, REQUIRED] = 64
    base_width: Annotated[GroupCount, REQUIRED] = 4

    tag = "senet-bottleneck"
    expansion = 4
    relu_before_se = False

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other blocks."""
        return (
            Trait("block", f"SENet bottlenecks {self.cardinality}x{self.base_width}d"),
            Trait("stride", "stride in the 3x3"),
            _BATCH_NORMS,
        )

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """List the convolutions of the residual branch; the 3x3 carries the stride."""
        inner = width * self.base_width // 64 * self.cardinality
        return (
            Conv(in_channels, inner // 2, 1),
            Conv(inner // 2, inner, 3, stride, self.cardinality),
            Conv(inner, width * self.expansion, 1),
        )


@dataclass(frozen=True, slots=True)
class AntiAliasedBottleneck(_NormsBehind):
    """A bottleneck that halves the map by a 2x2 average pool behind its 3x3 convolution (timm's "aa").

    Args:
        cardinality, base_width: as in `Bottleneck`.
    """

    cardinality: GroupCount = 1
    base_width: GroupCount = 64

    tag = "anti-aliased-bottleneck"
    expansion = 4
    relu_before_se = False

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other blocks."""
        return (
            Trait("block", f"bottlenecks{_cardinality(self.cardinality, self.base_width)}"),
            Trait("stride", "an average pool behind the 3x3 for its stride"),
            _BATCH_NORMS,
        )

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """List the convolutions of the residual branch, none with a stride."""
        first, second, third = Bottleneck(self.cardinality, self.base_width).convs(in_channels, width, 1)
        return (first, replace(second, pooled="after") if stride == 2 else second, third)


@dataclass(frozen=True, slots=True)
class InstanceBatchBottleneck(_NormsBehind):
    """A bottleneck whose first norm is an instance norm on one half of the channels (IBN-a).

    Source: Pan et al., arXiv 1807.09441, figure 3 (a).

    Args:
        stages: the first so many stages have it; batch norms stand in the others.
    """

    stages: Annotated[int, Between(1, 1000), REQUIRED] = 3

    tag = "instance-batch-bottleneck"
    expansion = 4
    relu_before_se = False

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other blocks."""
        return (
            Trait("block", "bottlenecks"),
            Trait("stride", "stride in the 3x3"),
            Trait("norms", f"instance-batch norms (IBN-a) in the first {self.stages} stages"),
        )

    def instance_norm(self, stage: int) -> bool:
        """Return True in the first stages."""
        return stage <= self.stages

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """List the convolutions of the residual branch; the 3x3 carries the stride."""
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
    final_norm: Annotated[bool, REQUIRED] = True

    tag = "pre-activation"
    relu_before_se = False

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other blocks."""
        first, *others = self.block.traits()
        behind = "a norm behind the last" if self.final_norm else "no norm behind the last"
        return (
            Trait(first.kind, f"pre-activation {first.words}"),
            *others,
            Trait("final norm", behind, said=not self.final_norm),
        )

    def instance_norm(self, stage: int) -> bool:
        """Return False: all norms are batch norms."""
        return False

    def normalised(self, stage: int, convs: tuple[Conv, ...], shortcut: Conv | None) -> int:
        """Count the channels that pass through norms: those before the convolutions of the branch."""
        return sum(conv.in_channels for conv in convs)

    @property
    def expansion(self) -> int:
        """Channels of the sum for each of the stage's width."""
        return self.block.expansion

    def convs(self, in_channels: int, width: int, stride: int) -> tuple[Conv, ...]:
        """List the convolutions of the residual branch."""
        return self.block.convs(in_channels, width, stride)


Block = (
    BasicBlock
    | Bottleneck
    | SENetBottleneck
    | AntiAliasedBottleneck
    | InstanceBatchBottleneck
    | PreActivation
)


def _cardinality(groups: int, width: int) -> str:
    return f" {groups}x{width}d" if (groups, width) != (1, 64) else ""
