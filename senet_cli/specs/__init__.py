"""Exact structures of SE networks as frozen values, and what can be counted from them.

Each part has a spec of its own; two networks with the same tensor shapes differ in a spec field, never in a
guess. Nothing here needs torch: `senet_cli.nets` builds the networks from the same specs.
"""

from senet_cli.specs.blocks import (
    AntiAliasedBottleneck,
    BasicBlock,
    Block,
    Bottleneck,
    InstanceBatchBottleneck,
    PreActivation,
    SENetBottleneck,
)
from senet_cli.specs.inception import (
    BranchPool,
    InceptionBlock,
    InceptionShape,
    InceptionSpec,
    InceptionStage,
)
from senet_cli.specs.parts import (
    AverageStemPool,
    Conv,
    ConvStem,
    DeepStem,
    Pool,
    PooledShortcut,
    PoollessStem,
    Projection,
    Shortcut,
    SqueezeExcite,
    Stem,
    StemPool,
)
from senet_cli.specs.residual import ArchSpec, BlockShape

Spec = ArchSpec | InceptionSpec
"""The exact structure of any network."""

__all__ = [
    "AntiAliasedBottleneck",
    "ArchSpec",
    "AverageStemPool",
    "BasicBlock",
    "Block",
    "BlockShape",
    "Bottleneck",
    "BranchPool",
    "Conv",
    "ConvStem",
    "DeepStem",
    "InceptionBlock",
    "InceptionShape",
    "InceptionSpec",
    "InceptionStage",
    "InstanceBatchBottleneck",
    "Pool",
    "PooledShortcut",
    "PoollessStem",
    "PreActivation",
    "Projection",
    "SENetBottleneck",
    "Shortcut",
    "Spec",
    "SqueezeExcite",
    "Stem",
    "StemPool",
]
