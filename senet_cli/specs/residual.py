"""Networks of residual blocks as frozen values, and what can be counted from them.

Stem, stem pool, stages of residual blocks, global average pool, linear head (Hu et al.,
"Squeeze-and-Excitation Networks", arXiv 1709.01507, table 1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from senet_cli.specs.blocks import Block
from senet_cli.specs.declare import REQUIRED, UNSTATED, Between, Trait
from senet_cli.specs.parts import Channels, Conv, Pool, Projection, SqueezeExcite, Stem, dashed

MAX_CLASSES = 1_000_000
Classes = Annotated[int, Between(1, MAX_CLASSES)]
Depth = Annotated[int, Between(1, 1000)]
Probability = Annotated[float, Between(0, 0.99)]


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
        return self.kind.instance_norm(self.stage)

    @property
    def normalised(self) -> int:
        """Channels that pass through norms."""
        return self.kind.normalised(self.stage, self.convs, self.shortcut)


@dataclass(frozen=True, slots=True)
class ArchSpec:
    """A network of residual blocks, its exact structure.

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
    shortcut: Projection
    se: SqueezeExcite | None
    depths: tuple[Depth, ...]
    widths: tuple[Channels, ...]
    classes: Annotated[Classes, REQUIRED] = 1000
    in_channels: Annotated[int, UNSTATED] = 3
    dropout: Probability = 0.0

    rules: ClassVar[dict[str, Any]] = {"properties": {"depths": {"minItems": 1}, "widths": {"minItems": 1}}}

    @property
    def feature_channels(self) -> int:
        """Channels that enter the head."""
        return self.widths[-1] * self.block.expansion

    @property
    def final_norm(self) -> bool:
        """True if batch norm and ReLU stand behind the last block."""
        return self.block.final_norm

    @property
    def stride(self) -> int:
        """Pixels of the image along a side for each of the last map."""
        stem = math.prod(conv.stride for conv in self.stem.convs(self.in_channels))
        return stem * (2 if self.pool else 1) * (1 << (len(self.depths) - 1))

    def with_classes(self, classes: int) -> ArchSpec:
        """Return the same network with another head."""
        return replace(self, classes=classes)

    def without_se(self) -> ArchSpec:
        """Return the plain twin: the same network without SE modules."""
        return replace(self, se=None)

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other networks, in the order in which an image passes; classes aside."""
        return (
            *self.stem.traits(),
            *(self.pool.traits() if self.pool else (Trait("stem pool", "no stem pool", said=False),)),
            *self.block.traits(),
            Trait("depths", f"depths {dashed(self.depths)}"),
            Trait("widths", f"widths {dashed(self.widths)}", said=False),
            *self.shortcut.traits(),
            *(self.se.traits() if self.se else (Trait("SE", "no SE"),)),
            Trait("dropout", f"dropout {self.dropout:g}", said=False),
        )

    def problem(self) -> str | None:
        """Say why there can be no such network, though each number is valid; None if nothing is wrong."""
        if len(self.depths) != len(self.widths) or not self.depths:
            return "`depths` and `widths` must have one number for each stage"
        for block in self.shallow().blocks():
            for conv in (*block.convs, *([block.shortcut] if block.shortcut else [])):
                if conv.in_channels < 1 or conv.out_channels < 1:
                    return f"`block`: stage {block.stage} would have a convolution without channels"
                if conv.in_channels % conv.groups or conv.out_channels % conv.groups:
                    return f"`block`: {conv.groups} groups do not divide the channels of stage {block.stage}"
        return None

    def blocks(self) -> Iterator[BlockShape]:
        """List all residual blocks, from the image to the head; stages after the first halve the map."""
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
        """Return the same network with no two blocks that are alike in a row."""
        return replace(self, depths=tuple(min(depth, 2) for depth in self.depths))

    def size_problem(self, size: int) -> str | None:
        """Say why images of `size` x `size` pixels cannot pass, or None if they can.

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
        """Count the trainable values."""
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
        """Count multiply-adds of convolutions and linear maps for one image of `size` x `size` pixels."""
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
