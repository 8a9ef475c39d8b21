"""What the tests of parsing share: a manifest that is right, changes to it, and the words of a refusal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from senet_cli.catalogue.lookup import Manifest
from senet_cli.errors import ExitCode, ManifestError

Step = str | int
GONE = object()
"""As a value: the field is left out."""

PREPROCESS = {
    "resize": 40,
    "crop": 32,
    "interpolation": "bicubic",
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
}
ARCHITECTURE: dict[str, Any] = {
    "stem": {"type": "conv", "kernel": 3, "stride": 1, "channels": 16},
    "pool": {"padding": 1, "ceil_mode": False},
    "block": {"type": "bottleneck", "cardinality": 2, "base_width": 32, "stride_in": "conv1"},
    "shortcut": {"kernel": 1},
    "se": {"reduction": 16, "first_reduction": 8, "bias": True, "hidden_multiple": 8},
    "depths": [1, 2],
    "widths": [16, 32],
    "classes": 10,
    "dropout": 0.1,
    "preprocess": PREPROCESS,
    "labels": "cifar-10",
}
CHECKPOINT: dict[str, Any] = {
    "publisher": "someone",
    "architecture": "mynet-arch",
    "classes": 10,
    "labels": "cifar-10",
    "preprocess": PREPROCESS,
    "files": [
        {
            "urls": ["https://example.org/a.pth", "https://mirror.example.org/a.pth"],
            "sha256": "0" * 64,
            "bytes": 1000,
            "format": "torch",
            "layout": "timm",
        }
    ],
    "metrics": [{"dataset": "cifar-10", "top1": 90.0, "top5": 99.5, "size": 32, "source": "a paper"}],
    "licence": {"name": "MIT", "note": "as the author says"},
    "aliases": ["somebody/mynet"],
    "sources": ["a paper"],
}
MANIFEST: dict[str, Any] = {
    "schema": 1,
    "architectures": {"mynet-arch": ARCHITECTURE},
    "checkpoints": {"mynet.mine": CHECKPOINT},
    "defaults": {"mynet": "mynet.mine"},
}

ARCH = ("architectures", "mynet-arch")
CKPT = ("checkpoints", "mynet.mine")
FILE = (*CKPT, "files", 0)


def changed(*changes: tuple[tuple[Step, ...], Any]) -> dict[str, Any]:
    """A manifest that is right but for what stands at these places."""
    manifest = json.loads(json.dumps(MANIFEST))  # unlike deepcopy this shares nothing
    for place, value in changes:
        target: Any = manifest
        for step in place[:-1]:
            target = target[step]
        if value is GONE:
            del target[place[-1]]
        else:
            target[place[-1]] = value
    return manifest


def refusal(load: Callable[[object], Manifest], content: object) -> str:
    """The message with which a manifest is refused; it names the file."""
    with pytest.raises(ManifestError) as caught:
        load(content)
    assert caught.value.exit_code == ExitCode.MODEL
    message = caught.value.message
    assert "own manifest.json" in message
    assert len(message) < 500
    return message
