"""Cadene's SE-ResNet-50 with random weights in its published file format, so that no network is needed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from senet_cli import create_model
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.catalogue.write import checkpoint_dict
from senet_cli.weights.publishers.cadene import CADENE

MODEL = "seresnet50.cadene"
GFLOP = 7.74
"""Of one image at 224x224, two for each multiply-add."""


SENET = (sys.executable, "-m", "senet_cli")


def senet(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*SENET, *arguments], check=True, capture_output=True, text=True)


@contextmanager
def warm_model() -> Iterator[Path]:
    """The file of `MODEL`, in a folder for this time; every `senet` knows it, and has converted it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = _random_checkpoint(folder)
        os.environ |= {"SENET_CACHE": str(folder / "cache"), "SENET_MANIFEST": str(folder / "manifest.json")}
        senet("warm", MODEL)
        yield weights


def _random_checkpoint(folder: Path) -> Path:
    """The file, and beside it `manifest.json`, by which senet finds it."""
    checkpoint = load_manifest().checkpoint(MODEL)
    torch.manual_seed(0)
    state = create_model(checkpoint.architecture.key).state_dict()
    path = folder / "weights.pth"
    torch.save({CADENE.key(key): _as_published(key, value) for key, value in state.items()}, path)
    entry = checkpoint_dict(replace(checkpoint, aliases=()))
    entry["files"] = [
        {
            "urls": [path.as_uri()],
            "format": "torch",
            "layout": "cadene",
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
    ]
    (folder / "manifest.json").write_text(json.dumps({"schema": 1, "checkpoints": {MODEL: entry}}))
    return path


def _as_published(key: str, value: torch.Tensor) -> torch.Tensor:
    """Cadene's SE modules are 1x1 convolutions."""
    return value[..., None, None] if ".se." in key and value.ndim == 2 else value
