"""Inception networks with SE modules as frozen values, and what can be counted from them.

Stem, stages of inception modules whose branches are concatenated, global average pool, linear head: Ioffe
and Szegedy's BN-Inception (arXiv 1502.03167, figure 5) with a squeeze-and-excitation module behind each
concatenation (arXiv 1709.01507, section 4). The numbers and the order of the branches are those of the
authors' `SE-BN-Inception.prototxt`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

from senet_cli.specs.declare import REQUIRED, UNSTATED, Trait
from senet_cli.specs.parts import Channels, Conv, SqueezeExcite, StemPool, dashed
from senet_cli.specs.residual import Classes, Probability

BranchPool = Literal["average", "max"]


@dataclass(frozen=True, slots=True)
class InceptionBlock:
    """One inception module; its branches in the order in which they are concatenated.

    Args:
        direct: channels of a 1x1 convolution; None where the module halves the map.
        single3x3: channels of a 1x1 and a 3x3 convolution behind it.
        double3x3: channels of a 1x1 and of each of two 3x3 convolutions behind it.
        pool: 3x3, padded so that the map keeps its size (an average counts the zeros), or, where the module
            halves the map, a max pool like that of the stem.
        projection: channels of a 1x1 convolution behind the pool; None where the module halves the map, whose
            pool then passes all channels on.
    """

    direct: Channels | None
    single3x3: tuple[Channels, Channels]
    double3x3: tuple[Channels, Channels]
    pool: BranchPool
    projection: Channels | None

    rules: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {
                "required": ["direct", "projection"],
                "properties": {"direct": {"type": "integer"}, "projection": {"type": "integer"}},
            },
            {
                "properties": {
                    "direct": {"type": "null"},
                    "projection": {"type": "null"},
                    "pool": {"const": "max"},
                }
            },
        ]
    }

    def problem(self) -> str | None:
        """Say why there can be no such module, though each number is valid; None if nothing is wrong."""
        if (self.direct is None) != (self.projection is None):
            return "give both of `direct` and `projection`, or neither where the block halves the map"
        if self.stride == 2 and self.pool != "max":
            return "`pool` must be max in a block that halves the map"
        return None

    def in_words(self) -> str:
        """List the channels of the branches, as they are concatenated."""
        direct = f"{self.direct}, " if self.direct else ""
        projection = f"-{self.projection}" if self.projection else ""
        branches = f"{direct}{dashed(self.single3x3)}, {dashed(self.double3x3)}"
        return f"branches {branches}, {self.pool} pool{projection}"

    @property
    def stride(self) -> int:
        """2 for a module that halves the map."""
        return 2 if self.direct is None else 1


@dataclass(frozen=True, slots=True)
class InceptionStage:
    """One stage of inception modules."""

    blocks: tuple[InceptionBlock, ...]


@dataclass(frozen=True, slots=True)
class InceptionShape:
    """One inception module with its numbers filled in; stage from 1, block from 0.

    The branches are tuples of convolutions, each followed by batch norm and ReLU; empty where there is none.
    """

    stage: int
    block: int
    in_channels: int
    direct: tuple[Conv, ...]
    single3x3: tuple[Conv, ...]
    double3x3: tuple[Conv, ...]
    projection: tuple[Conv, ...]
    pool: BranchPool
    stride: int

    @property
    def branches(self) -> tuple[tuple[Conv, ...], ...]:
        """In the order in which they are concatenated; the last one stands behind the pool."""
        return (self.direct, self.single3x3, self.double3x3, self.projection)

    @property
    def out_channels(self) -> int:
        """Channels of the concatenation."""
        pooled = 0 if self.projection else self.in_channels
        return sum(branch[-1].out_channels for branch in self.branches if branch) + pooled


@dataclass(frozen=True, slots=True)
class InceptionSpec:
    """A network of inception modules, its exact structure.

    What is read of an `ArchSpec` can be read of it too.

    Args:
        stem: channels of a 7x7 convolution with stride 2, then, behind a pool, of a 1x1 and a 3x3, behind
            which is another pool.
        pool: the pools that halve the map: two in the stem, one in each module with stride 2.
        stages: the modules of each stage.
        se: the SE module behind each concatenation, or None for the plain twin.
        classes: outputs of the head.
        in_channels: channels of the image.
        dropout: probability before the head, in training only.
    """

    stem: tuple[Channels, Channels, Channels]
    pool: StemPool
    stages: tuple[InceptionStage, ...]
    se: SqueezeExcite | None
    classes: Annotated[Classes, REQUIRED] = 1000
    in_channels: Annotated[int, UNSTATED] = 3
    dropout: Probability = 0.0

    tag = "inception"
    rules: ClassVar[dict[str, Any]] = {
        "properties": {"stages": {"minItems": 1, "items": {"properties": {"blocks": {"minItems": 1}}}}}
    }
    final_norm = False

    @property
    def depths(self) -> tuple[int, ...]:
        """Modules in each stage."""
        return tuple(len(stage.blocks) for stage in self.stages)

    @property
    def stride(self) -> int:
        """Pixels of the image along a side for each of the last map."""
        return 8 * math.prod(block.stride for stage in self.stages for block in stage.blocks)

    @property
    def feature_channels(self) -> int:
        """Channels that enter the head."""
        *_, last = self.blocks()
        return last.out_channels

    def with_classes(self, classes: int) -> InceptionSpec:
        """Return the same network with another head."""
        return replace(self, classes=classes)

    def without_se(self) -> InceptionSpec:
        """Return the plain twin: the same network without SE modules."""
        return replace(self, se=None)

    def traits(self) -> tuple[Trait, ...]:
        """Say what tells it from other networks, in the order in which an image passes; classes aside."""
        return (
            Trait("stem", "7x7, 1x1, 3x3 stem"),
            Trait("stem channels", f"{dashed(self.stem)} channels in the stem", said=False),
            Trait("pools", f"pools {self.pool.edge}"),
            Trait("block", "inception modules"),
            Trait("depths", f"depths {dashed(self.depths)}"),
            *(
                Trait("module", f"{block.in_words()} in module {number} of stage {stage}", said=False)
                for stage, of_stage in enumerate(self.stages, start=1)
                for number, block in enumerate(of_stage.blocks, start=1)
            ),
            *(self.se.traits() if self.se else (Trait("SE", "no SE"),)),
            Trait("dropout", f"dropout {self.dropout:g}", said=False),
        )

    def problem(self) -> str | None:
        """Say why there can be no such network, though each module is valid; None if nothing is wrong."""
        if not self.depths or not all(self.depths):
            return "`stages` must hold at least one stage, and each stage at least one block"
        return None

    def stem_convs(self) -> tuple[Conv, Conv, Conv]:
        """List the stem's convolutions, each with batch norm and ReLU; pools follow the first and last."""
        first, second, third = self.stem
        return (Conv(self.in_channels, first, 7, 2), Conv(first, second, 1), Conv(second, third, 3))

    def blocks(self) -> Iterator[InceptionShape]:
        """List all modules, from the image to the head."""
        channels = self.stem[-1]
        for number, stage in enumerate(self.stages, start=1):
            for position, block in enumerate(stage.blocks):
                shape = _shape(block, number, position, channels)
                yield shape
                channels = shape.out_channels

    def parameters(self) -> int:
        """Count the trainable values."""
        convs = [
            *self.stem_convs(),
            *(conv for b in self.blocks() for branch in b.branches for conv in branch),
        ]
        total = (self.feature_channels + 1) * self.classes
        if self.se:
            total += sum(self.se.parameters(block.out_channels, block.block) for block in self.blocks())
        return total + sum(conv.weights + 2 * conv.out_channels for conv in convs)

    def multiply_adds(self, size: int) -> int:
        """Count multiply-adds of convolutions and linear maps for one image of `size` x `size` pixels."""
        total = 0

        def through(convs: tuple[Conv, ...], side: int) -> int:
            nonlocal total
            for conv in convs:
                side = conv.out_size(side)
                total += conv.weights * side**2
            return side

        first, *others = self.stem_convs()
        size = self.pool.out_size(through((first,), size))
        size = self.pool.out_size(through(tuple(others), size))
        for block in self.blocks():
            through(block.direct, size)
            through(block.projection, size)
            through(block.double3x3, size)
            size = through(block.single3x3, size)
            if self.se:
                total += 2 * block.out_channels * self.se.hidden(block.out_channels, block.block)
        return total + self.feature_channels * self.classes

    def size_problem(self, size: int) -> str | None:
        """Say why images of `size` x `size` pixels cannot pass, or None if they can.

        A module that halves the map has a padded convolution beside a pool; their maps are equally large only
        for some sizes.
        """
        first, *_ = self.stem_convs()
        side = self.pool.out_size(self.pool.out_size(first.out_size(size)))
        for block in self.blocks():
            if block.stride == 2:
                pooled = self.pool.out_size(side)
                side = block.single3x3[-1].out_size(side)
                if pooled != side or side < 1:
                    return (
                        f"with images of {size}x{size} pixels the branches of an inception module differ in "
                        f"size ({side} and {pooled}); multiples of 32 fit"
                    )
        return None


def _shape(block: InceptionBlock, stage: int, number: int, channels: int) -> InceptionShape:
    (reduce, single3x3), (reduce_double, double3x3) = block.single3x3, block.double3x3
    return InceptionShape(
        stage=stage,
        block=number,
        in_channels=channels,
        direct=(Conv(channels, block.direct, 1),) if block.direct else (),
        single3x3=(Conv(channels, reduce, 1), Conv(reduce, single3x3, 3, block.stride)),
        double3x3=(
            Conv(channels, reduce_double, 1),
            Conv(reduce_double, double3x3, 3),
            Conv(double3x3, double3x3, 3, block.stride),
        ),
        projection=(Conv(channels, block.projection, 1),) if block.projection else (),
        pool=block.pool,
        stride=block.stride,
    )
