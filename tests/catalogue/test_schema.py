"""The published JSON Schema and the parser must agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from senet_cli.catalogue.fields import Fields
from senet_cli.catalogue.lookup import bundled_manifest, load_manifest, parse_manifest
from senet_cli.errors import ManifestError

PROJECT = Path(__file__).parent.parent.parent
SCHEMA = json.loads((PROJECT / "docs" / "weights_manifest.schema.json").read_text())
FILE: dict[str, Any] = {
    "urls": ["https://example.org/a.pth"],
    "format": "torch",
    "layout": "timm",
    "sha256_prefix": "0123abcd",
}
ENTRY: dict[str, Any] = {
    "publisher": "us",
    "architecture": "seresnet50",
    "preprocess": {
        "resize": 256,
        "crop": 224,
        "interpolation": "bilinear",
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
    },
    "files": [FILE],
    "licence": {"name": "MIT"},
}


INCEPTION: dict[str, Any] = {
    "type": "inception",
    "stem": [4, 4, 8],
    "pool": {"padding": 0, "ceil_mode": True},
    "stages": [
        {
            "blocks": [
                {"direct": 1, "single3x3": [2, 3], "double3x3": [4, 5], "pool": "average", "projection": 6},
                {"single3x3": [2, 3], "double3x3": [4, 5], "pool": "max"},
            ]
        }
    ],
    "classes": 10,
    "preprocess": ENTRY["preprocess"],
    "labels": "cifar-10",
}
SIDE, HALVING = INCEPTION["stages"][0]["blocks"]


def with_blocks(*blocks: dict[str, Any]) -> dict[str, Any]:
    return INCEPTION | {"stages": [{"blocks": list(blocks)}]}


def test_the_manifest_fits_its_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(bundled_manifest().read_text()), SCHEMA)


def test_the_manifest_says_where_its_schema_is() -> None:
    named = json.loads(bundled_manifest().read_text())["$schema"]
    assert (bundled_manifest().parent / named).resolve() == PROJECT / "docs" / "weights_manifest.schema.json"


def accepted_by_parser(manifest: dict[str, Any]) -> bool:
    try:
        parse_manifest(Fields(manifest, "test"), load_manifest())
    except ManifestError:
        return False
    return True


@pytest.mark.parametrize(
    ("entry", "good"),
    [
        (ENTRY, True),
        (ENTRY | {"classes": 7, "labels": "imagenet-1k", "metrics": [], "aliases": ["a/b"]}, True),
        (ENTRY | {"surprise": 1}, False),
        ({key: value for key, value in ENTRY.items() if key != "licence"}, False),
        (ENTRY | {"files": []}, False),
        (ENTRY | {"files": [FILE | {"sha256": "0" * 64}]}, False),
        (ENTRY | {"files": [FILE | {"sha256_prefix": "0123"}]}, False),
        (ENTRY | {"files": [FILE | {"format": "pickle"}]}, False),
        (ENTRY | {"files": [FILE | {"urls": ["http://example.org/a"]}]}, False),
        (ENTRY | {"files": [FILE | {"urls": ["http://localhost:8000/a"]}]}, True),
        (ENTRY | {"files": [FILE | {"bytes": 0}]}, False),
        (ENTRY | {"aliases": ["A"]}, False),
        (ENTRY | {"classes": 0}, False),
        (ENTRY | {"test": {"resize": 288, "crop": 288}}, True),
        (ENTRY | {"test": None}, True),
        (ENTRY | {"test": {"resize": 288}}, False),
        (ENTRY | {"test": {"resize": 288, "crop": 288, "mean": [0, 0, 0]}}, False),
        (ENTRY | {"test": {"resize": 288, "crop": 0}}, False),
    ],
)
def test_schema_and_parser_judge_alike(entry: dict[str, Any], good: bool) -> None:
    manifest = {"schema": 1, "checkpoints": {"mine.one": entry}}
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(manifest) is good
    assert accepted_by_parser(manifest) is good


@pytest.mark.parametrize(
    ("architecture", "good"),
    [
        (INCEPTION, True),
        (INCEPTION | {"se": {"reduction": 16, "bias": True}, "dropout": 0.2}, True),
        (INCEPTION | {"type": "residual"}, False),
        (INCEPTION | {"stem": [4, 4]}, False),
        (INCEPTION | {"pool": None}, False),
        (INCEPTION | {"depths": [2]}, False),
        (INCEPTION | {"stages": []}, False),
        (INCEPTION | {"classes": 0}, False),
        (with_blocks(SIDE), True),
        (with_blocks(), False),
        (with_blocks(SIDE | {"direct": 0}), False),
        (with_blocks(SIDE | {"single3x3": [1]}), False),
        (with_blocks(SIDE | {"pool": "min"}), False),
        (with_blocks(SIDE | {"colour": 1}), False),
        (with_blocks({key: value for key, value in SIDE.items() if key != "projection"}), False),
        (with_blocks({key: value for key, value in SIDE.items() if key != "direct"}), False),
        (with_blocks(HALVING | {"pool": "average"}), False),
    ],
)
def test_schema_and_parser_judge_inception_networks_alike(architecture: dict[str, Any], good: bool) -> None:
    manifest = {"schema": 1, "architectures": {"mine": architecture}}
    assert jsonschema.Draft202012Validator(SCHEMA).is_valid(manifest) is good
    assert accepted_by_parser(manifest) is good


def test_an_inception_network_takes_only_some_sizes() -> None:
    crop = INCEPTION["preprocess"] | {"crop": 200}
    for manifest in (
        {"schema": 1, "architectures": {"mine": INCEPTION | {"preprocess": crop}}},
        {
            "schema": 1,
            "checkpoints": {"a": ENTRY | {"architecture": "sebninception-caffe", "preprocess": crop}},
        },
    ):
        with pytest.raises(ManifestError, match="multiples of 32 fit"):
            parse_manifest(Fields(manifest, "test"), load_manifest())
