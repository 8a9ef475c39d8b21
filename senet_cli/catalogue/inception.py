"""Inception networks in the manifest: reading and writing them."""

from __future__ import annotations

from typing import Any

from senet_cli.catalogue.fields import Fields
from senet_cli.specs import InceptionBlock, InceptionSpec, SqueezeExcite, StemPool


def parse_inception(fields: Fields, pool: StemPool, se: SqueezeExcite | None) -> InceptionSpec:
    """The rest of an architecture whose pools and SE modules are read already."""
    stem = fields.integers("stem", 1, 65536)
    if len(stem) != 3:
        fields.fail("`stem` must hold three numbers")
    spec = InceptionSpec(
        stem=(stem[0], stem[1], stem[2]),
        pool=pool,
        stages=fields.each("stages", lambda stage: stage.each("blocks", _block)),
        se=se,
        classes=fields.integer("classes", 1, 1_000_000),
        dropout=fields.number("dropout", 0, 0.99, 0.0),
    )
    if not spec.stages or not all(spec.stages):
        fields.fail("`stages` must hold at least one stage, and each stage at least one block")
    return spec


def _block(fields: Fields) -> InceptionBlock:
    block = InceptionBlock(
        direct=fields.integer("direct", 1, 65536, None),
        single3x3=_pair("single3x3", fields),
        double3x3=_pair("double3x3", fields),
        pool=fields.choice("pool", ("average", "max")),
        projection=fields.integer("projection", 1, 65536, None),
    )
    if (block.direct is None) != (block.projection is None):
        fields.fail("give both of `direct` and `projection`, or neither where the block halves the map")
    if block.stride == 2 and block.pool != "max":
        fields.fail("`pool` must be max in a block that halves the map")
    return block


def _pair(name: str, fields: Fields) -> tuple[int, int]:
    values = fields.integers(name, 1, 65536)
    if len(values) != 2:
        fields.fail(f"`{name}` must hold two numbers")
    return values[0], values[1]


def inception_dict(spec: InceptionSpec) -> dict[str, Any]:
    """What `parse_inception` reads."""
    return {
        "type": "inception",
        "stem": list(spec.stem),
        "stages": [{"blocks": [_block_dict(block) for block in stage]} for stage in spec.stages],
        "classes": spec.classes,
        "dropout": spec.dropout,
    }


def _block_dict(block: InceptionBlock) -> dict[str, Any]:
    sides = {"direct": block.direct, "projection": block.projection} if block.direct else {}
    return {
        "single3x3": list(block.single3x3),
        "double3x3": list(block.double3x3),
        "pool": block.pool,
    } | sides
