"""From JSON to the structure of a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from senet_cli.catalogue.fields import Fields
from senet_cli.catalogue.inception import parse_inception
from senet_cli.specs import (
    AntiAliasedBottleneck,
    ArchSpec,
    AverageStemPool,
    BasicBlock,
    Block,
    Bottleneck,
    ConvStem,
    DeepStem,
    InstanceBatchBottleneck,
    Pool,
    PooledShortcut,
    PoollessStem,
    PreActivation,
    SENetBottleneck,
    Shortcut,
    Spec,
    SqueezeExcite,
    Stem,
    StemPool,
)

T = TypeVar("T")


def parse_structure(fields: Fields) -> Spec:
    """The fields of an architecture that say what its network is made of."""
    if fields.choice("type", ("inception",), None) is None:
        spec = _residual(fields)
        if problem := _impossible(spec):
            fields.fail(f"`block`: {problem}")
        return spec
    se = fields.optional_child("se")
    pool = _one_of({"max": _pool}, fields.child("pool"), "max")
    return parse_inception(fields, pool, _whole(_squeeze_excite, se) if se else None)


def _residual(fields: Fields) -> ArchSpec:
    depths = fields.integers("depths", 1, 1000)
    widths = fields.integers("widths", 1, 65536)
    if len(depths) != len(widths) or not depths:
        fields.fail("`depths` and `widths` must have one number for each stage")
    pool, se = fields.optional_child("pool"), fields.optional_child("se")
    return ArchSpec(
        stem=_one_of(_STEMS, fields.child("stem")),
        pool=_one_of(_POOLS, pool, "max") if pool else None,
        block=_one_of(_BLOCKS, fields.child("block")),
        shortcut=_one_of(_SHORTCUTS, fields.child("shortcut"), "conv"),
        se=_whole(_squeeze_excite, se) if se else None,
        depths=depths,
        widths=widths,
        classes=fields.integer("classes", 1, 1_000_000),
        dropout=fields.number("dropout", 0, 0.99, 0.0),
    )


def _impossible(spec: ArchSpec) -> str | None:
    """What no network can be, though each number by itself may stand."""
    for block in spec.shallow().blocks():
        for conv in (*block.convs, *([block.shortcut] if block.shortcut else [])):
            if conv.in_channels < 1 or conv.out_channels < 1:
                return f"stage {block.stage} would have a convolution without channels"
            if conv.in_channels % conv.groups or conv.out_channels % conv.groups:
                return f"{conv.groups} groups do not divide the channels of stage {block.stage}"
    return None


def _whole(parse: Callable[[Fields], T], fields: Fields) -> T:
    value = parse(fields)
    fields.done()
    return value


def _one_of(kinds: Mapping[str, Callable[[Fields], T]], fields: Fields, usual: str | None = None) -> T:
    """The part of the kind that `type` names; without it the usual one, if there is one."""
    kind = usual if usual and "type" not in fields else fields.choice("type", tuple(kinds))
    return _whole(kinds[kind], fields)


def _conv_stem(fields: Fields) -> ConvStem:
    return ConvStem(
        channels=fields.integer("channels", 1, 65536),
        kernel=fields.choice("kernel", (3, 7)),
        stride=fields.choice("stride", (1, 2)),
    )


def _deep_stem(fields: Fields) -> DeepStem:
    return DeepStem(_three_channels(fields))


def _poolless_stem(fields: Fields) -> PoollessStem:
    return PoollessStem(_three_channels(fields))


def _three_channels(fields: Fields) -> tuple[int, int, int]:
    channels = fields.integers("channels", 1, 65536)
    if len(channels) != 3:
        fields.fail("`channels` must hold three numbers")
    return channels[0], channels[1], channels[2]


def _pool(fields: Fields) -> StemPool:
    return StemPool(padding=fields.choice("padding", (0, 1)), ceil_mode=fields.flag("ceil_mode"))


def _basic(fields: Fields) -> BasicBlock:
    return BasicBlock(relu_before_se=fields.flag("relu_before_se", False))


def _bottleneck(fields: Fields) -> Bottleneck:
    return Bottleneck(
        cardinality=fields.integer("cardinality", 1, 1024, 1),
        base_width=fields.integer("base_width", 1, 1024, 64),
        stride_in=fields.choice("stride_in", ("conv1", "conv2")),
    )


def _senet_bottleneck(fields: Fields) -> SENetBottleneck:
    return SENetBottleneck(
        cardinality=fields.integer("cardinality", 1, 1024),
        base_width=fields.integer("base_width", 1, 1024),
    )


def _anti_aliased(fields: Fields) -> AntiAliasedBottleneck:
    return AntiAliasedBottleneck(
        cardinality=fields.integer("cardinality", 1, 1024, 1),
        base_width=fields.integer("base_width", 1, 1024, 64),
    )


def _instance_batch(fields: Fields) -> InstanceBatchBottleneck:
    return InstanceBatchBottleneck(stages=fields.integer("stages", 1, 1000))


def _pre_activation(fields: Fields) -> PreActivation:
    return PreActivation(
        block=_one_of(_PLAIN_BLOCKS, fields.child("block")), final_norm=fields.flag("final_norm")
    )


def _shortcut(fields: Fields) -> Shortcut:
    return Shortcut(kernel=fields.choice("kernel", (1, 3)))


def _squeeze_excite(fields: Fields) -> SqueezeExcite:
    return SqueezeExcite(
        reduction=fields.integer("reduction", 1, 4096),
        first_reduction=fields.integer("first_reduction", 1, 4096, None),
        bias=fields.flag("bias"),
        hidden_multiple=fields.integer("hidden_multiple", 1, 4096, 1),
    )


_STEMS: dict[str, Callable[[Fields], Stem]] = {
    "conv": _conv_stem,
    "deep": _deep_stem,
    "poolless": _poolless_stem,
}
_POOLS: dict[str, Callable[[Fields], Pool]] = {"max": _pool, "average": lambda _: AverageStemPool()}
_PLAIN_BLOCKS: dict[str, Callable[[Fields], BasicBlock | Bottleneck]] = {
    "basic": _basic,
    "bottleneck": _bottleneck,
}
_BLOCKS: dict[str, Callable[[Fields], Block]] = {
    **_PLAIN_BLOCKS,
    "senet-bottleneck": _senet_bottleneck,
    "anti-aliased-bottleneck": _anti_aliased,
    "instance-batch-bottleneck": _instance_batch,
    "pre-activation": _pre_activation,
}
_SHORTCUTS: dict[str, Callable[[Fields], Shortcut | PooledShortcut]] = {
    "conv": _shortcut,
    "pooled": lambda _: PooledShortcut(),
}
