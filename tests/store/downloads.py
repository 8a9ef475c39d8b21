"""What the tests of downloads share: files to publish, manifests that name them, and what a cache holds."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from senet_cli.catalogue.entries import Checkpoint
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.settings import Settings

PAYLOAD = random.Random(0).randbytes(300_000)
TWINS = (b"twin 63152\n", b"twin 69381\n")
"""Two files whose SHA-256 begins with the same eight digits."""

Publish = Callable[..., Path]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_entry(*urls: str, data: bytes = PAYLOAD, **changes: object) -> dict[str, Any]:
    """One value of `files` that describes `data`; a change to None removes the field."""
    usual = {"urls": urls, "sha256": sha256(data), "bytes": len(data), "format": "torch", "layout": "cadene"}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def checkpoint_entry(*files: dict[str, Any]) -> dict[str, Any]:
    return {
        "publisher": "this test",
        "architecture": "seresnet18-caffe",
        "preprocess": {
            "resize": 256,
            "crop": 224,
            "interpolation": "bilinear",
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
        },
        "files": list(files),
        "licence": {"name": "none"},
    }


def contents(cache: Path) -> set[str]:
    """Every file below the cache, hidden ones included."""
    return {path.relative_to(cache).as_posix() for path in cache.rglob("*") if not path.is_dir()}


def installed(data: bytes = PAYLOAD, suffix: str = "pth") -> str:
    return f"checkpoints/{sha256(data)}.{suffix}"


def known(name: str = "tiny") -> Checkpoint:
    """The entry of the user's manifest, for calling functions directly."""
    return load_manifest(Settings.from_environment().manifest).checkpoint(name)
