"""Makes docs/weights_manifest.schema.json: structures, preprocessing, accuracies and licences from the
dataclasses that the reader uses, and the frame around them, whose rules stand in `catalogue/parse.py`.

`--check` only compares, for CI.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from manifest_file import PROJECT

from senet_cli.catalogue.activation import ACTIVATIONS
from senet_cli.catalogue.codec import schema
from senet_cli.catalogue.entries import SUFFIXES, Licence, Metric, Preprocess, Sizes
from senet_cli.catalogue.lookup import SCHEMA
from senet_cli.catalogue.parse import ALIAS, DIGITS, FILE_NAME, MAX_FILE, NAME
from senet_cli.specs import Spec
from senet_cli.specs.residual import MAX_CLASSES

PAGE = PROJECT / "docs" / "weights_manifest.schema.json"
Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
REF_NAME: Schema = {"$ref": "#/$defs/name"}


def pattern(rule: re.Pattern[str], **others: Any) -> Schema:
    return {**others, "type": "string", "pattern": f"^{rule.pattern}$"}


def whole(high: int) -> Schema:
    """A number that may be left out, or null."""
    return {"type": ["integer", "null"], "minimum": 1, "maximum": high}


def array(items: Schema, **others: Any) -> Schema:
    return {**others, "type": "array", "items": items}


def closed(properties: dict[str, Schema], required: list[str], **others: Any) -> Schema:
    return {
        **others,
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def named(values: Schema, **others: Any) -> Schema:
    return {**others, "type": "object", "propertyNames": REF_NAME, "additionalProperties": values}


def manifest_schema() -> Schema:
    derived: dict[str, Schema] = {}
    of_checkpoints = checkpoint(derived)
    structures = schema(Spec, derived)
    for network in (reference["$ref"].rpartition("/")[2] for reference in structures["oneOf"]):
        derived[network]["required"] += ["preprocess", "labels"]
        derived[network]["properties"] |= {"preprocess": schema(Preprocess, derived), "labels": REF_NAME}
    top = closed(
        {
            "$schema": {"type": "string"},
            "schema": {"const": SCHEMA},
            "architectures": named(structures),
            "checkpoints": named({"$ref": "#/$defs/checkpoint"}),
            "defaults": named(TEXT, description="family name -> the checkpoint it stands for"),
            "label_sets": named(
                {"$ref": "#/$defs/label_set"}, description="names of classes that come with this manifest"
            ),
        },
        ["schema"],
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$comment": "Made by scripts/manifest_schema.py; do not edit.",
        "title": f"Manifest of senet: architectures, checkpoints and defaults, schema {SCHEMA}",
        **top,
        "$defs": {
            "name": pattern(NAME),
            "checkpoint": of_checkpoints,
            "file": file(),
            "label_set": label_set(),
            **dict(sorted(derived.items())),
        },
    }


def checkpoint(derived: dict[str, Schema]) -> Schema:
    return closed(
        {
            "publisher": TEXT,
            "architecture": REF_NAME,
            "classes": whole(MAX_CLASSES),
            "labels": REF_NAME,
            "preprocess": schema(Preprocess, derived),
            "test": {"oneOf": [{"type": "null"}, schema(Sizes, derived)]},
            "activation": {
                "enum": [*ACTIVATIONS],
                "description": "What turns outputs into scores; softmax where it is not said.",
            },
            "files": array(
                {"$ref": "#/$defs/file"},
                description="The same weights; the first that can be had is taken.",
                minItems=1,
            ),
            "metrics": array(schema(Metric, derived)),
            "licence": schema(Licence, derived),
            "aliases": array(pattern(ALIAS)),
            "sources": array(TEXT),
        },
        ["publisher", "architecture", "preprocess", "files", "licence"],
    )


def file() -> Schema:
    return closed(
        {
            "path": pattern(FILE_NAME, description="A file beside the manifest; it needs no address."),
            "urls": array(
                {
                    "type": "string",
                    "pattern": r"^(https://|file:|http://(localhost|127\.0\.0\.1|\[::1\])([:/]|$))",
                },
                description="First choice, then mirrors. https, or file: and loopback http.",
            ),
            "format": {"enum": [*SUFFIXES]},
            "layout": REF_NAME,
            "bytes": whole(MAX_FILE),
            **{name: digest(least, most) for name, (least, most) in DIGITS.items()},
            "member": pattern(
                FILE_NAME,
                description="The one file in a zip archive, whose own digest is not published.",
            ),
            "seen": {
                "description": "When we fetched, verified and ran it ourselves.",
                "type": "string",
                "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
            },
        },
        ["format", "layout"],
        oneOf=[
            {"required": ["sha256"]},
            {"required": ["sha256_prefix"]},
            {"required": ["member", "member_sha1"], "properties": {"format": {"const": "torch-zip"}}},
        ],
        anyOf=[
            {"required": ["path"]},
            {"required": ["urls"], "properties": {"urls": {"minItems": 1}}},
        ],
    )


def digest(least: int, most: int) -> Schema:
    length = f"{least}" if least == most else f"{least},{most}"
    return {"type": "string", "pattern": f"^[0-9a-f]{{{length}}}$"}


def label_set() -> Schema:
    identifier = {"type": ["string", "null"], "minLength": 1}
    return closed(
        {
            "labels": array(TEXT, minItems=1),
            "ids": array(identifier, description="one for each label, or none"),
        },
        ["labels"],
    )


def main() -> None:
    text = json.dumps(manifest_schema(), indent=2, ensure_ascii=False) + "\n"
    if "--check" not in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    elif PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name} is stale: run scripts/manifest_schema.py")


if __name__ == "__main__":
    main()
