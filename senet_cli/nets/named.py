"""SE-ResNet and SE-ResNeXt by depth, for people who know the networks by name."""

from __future__ import annotations

from typing import ClassVar

from senet_cli.nets.network import SENetwork
from senet_cli.specs import (
    ArchSpec,
    BasicBlock,
    Block,
    Bottleneck,
    ConvStem,
    Shortcut,
    SqueezeExcite,
    StemPool,
)

_IMAGENET_STEM = ConvStem(channels=64, kernel=7, stride=2)
_IMAGENET_WIDTHS = (64, 128, 256, 512)
_DEPTHS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


class _ByDepth(SENetwork):
    """Shared by the two families: stem with a padded pool, four stages, 1x1 shortcuts."""

    depths: ClassVar[tuple[int, ...]]

    def __init__(self, depth: int, block: Block, in_channels: int, out_channels: int, r: int) -> None:
        if depth not in self.depths:
            choices = ", ".join(map(str, self.depths))
            raise ValueError(f"depth is {depth}; choose one of {choices}")
        super().__init__(
            ArchSpec(
                stem=_IMAGENET_STEM,
                pool=StemPool(padding=1, ceil_mode=False),
                block=block,
                shortcut=Shortcut(),
                se=SqueezeExcite(reduction=r),
                depths=_DEPTHS[depth],
                widths=_IMAGENET_WIDTHS,
                classes=out_channels,
                in_channels=in_channels,
            )
        )


class SEResNet(_ByDepth):
    """SE-ResNet with random weights.

    Args:
        depth: 18, 34, 50, 101 or 152.
        in_channels: channels of the image.
        out_channels: classes.
        r: reduction of the SE modules.

    Shapes: (N, in_channels, H, W) -> logits (N, out_channels).

    Raises:
        ValueError: another depth.
    """

    depths = (18, 34, 50, 101, 152)

    def __init__(self, depth: int, in_channels: int = 3, out_channels: int = 1000, r: int = 16) -> None:
        block = Bottleneck() if depth >= 50 else BasicBlock()
        super().__init__(depth, block, in_channels, out_channels, r)


class SEResNeXt(_ByDepth):
    """SE-ResNeXt `C`x4d with random weights.

    Args:
        depth: 50, 101 or 152.
        in_channels: channels of the image.
        out_channels: classes.
        C: cardinality, the groups of each 3x3 convolution.
        r: reduction of the SE modules.

    Shapes: (N, in_channels, H, W) -> logits (N, out_channels).

    Raises:
        ValueError: another depth.
    """

    depths = (50, 101, 152)

    def __init__(
        self,
        depth: int,
        in_channels: int = 3,
        out_channels: int = 1000,
        C: int = 32,  # noqa: N803 - the paper's letter for cardinality
        r: int = 16,
    ) -> None:
        block = Bottleneck(cardinality=C, base_width=4)
        super().__init__(depth, block, in_channels, out_channels, r)
