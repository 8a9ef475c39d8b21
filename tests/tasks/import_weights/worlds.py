"""What the tests of import and export share: small architectures, files of weights, a folder of models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.events import SILENCE
from senet_cli.nets.network import SENetwork, build_network
from senet_cli.settings import Settings
from senet_cli.specs import ArchSpec
from senet_cli.tasks.import_weights import Imported, ImportRequest, import_model
from senet_cli.weights.publishers import KeyLayout

KEY = "seresnet20-cifar"
NUMBERS = {"interpolation": "bilinear", "mean": [0.5] * 3, "std": [0.25] * 3}
TINY = {
    "stem": {"type": "conv", "kernel": 7, "stride": 2, "channels": 8},
    "block": {"type": "bottleneck", "stride_in": "conv2"},
    "shortcut": {"kernel": 1},
    "se": {"reduction": 4, "bias": True},
    "depths": [1, 2],
    "widths": [8, 16],
    "classes": 10,
    "labels": "cifar-10",
    "preprocess": {"resize": 72, "crop": 64, **NUMBERS},
}
"""An architecture whose tensors do not tell its stride and its pool."""
PADDED, CEIL = {"padding": 1, "ceil_mode": False}, {"padding": 0, "ceil_mode": True}


def manifest_with(
    path: Path, architectures: dict[str, Any] | None = None, **checkpoints: dict[str, Any]
) -> Path:
    """A manifest with two tiny architectures that have the same tensors, others, and these checkpoints."""
    known = {
        "tiny": TINY | {"pool": PADDED},
        "tiny-caffe": TINY | {"pool": CEIL, "block": {"type": "bottleneck", "stride_in": "conv1"}},
        **(architectures or {}),
    }
    path.write_text(json.dumps({"schema": 1, "architectures": known, "checkpoints": checkpoints}))
    return path


def published(url: str, sha256: str, architecture: str = "tiny-caffe") -> dict[str, Any]:
    """A checkpoint for `manifest_with`."""
    return {
        "publisher": "someone",
        "architecture": architecture,
        "preprocess": {"resize": 80, "crop": 64, **NUMBERS},
        "files": [{"urls": [url], "sha256": sha256, "format": "torch", "layout": "cadene"}],
        "licence": {"name": "MIT"},
    }


def random_network(spec: ArchSpec, seed: int = 0) -> SENetwork:
    """A network that answers differently to different images, statistics included."""
    torch.manual_seed(seed)
    network = build_network(spec)
    for name, value in network.state_dict().items():
        if name.endswith(("running_var", "running_mean")) or (".norm" in name and name.endswith("weight")):
            value.uniform_(0.5, 1.5)
    return network.eval()


def theirs(network: SENetwork, layout: KeyLayout) -> dict[str, Tensor]:
    """The network's tensors under a publisher's keys."""
    return {layout.key(key): value for key, value in network.state_dict().items()}


def weights_file(path: Path, layout: KeyLayout, key: str = KEY, classes: int | None = None) -> Path:
    """A file of random weights for an architecture of the package."""
    spec = load_manifest().architecture(key).spec
    torch.save(theirs(random_network(spec.with_classes(classes or spec.classes)), layout), path)
    return path


def tiny_file(path: Path, manifest: Path, layout: KeyLayout, key: str = "tiny") -> Path:
    """A file of random weights for `tiny`, and so for `tiny-caffe`."""
    torch.save(theirs(random_network(load_manifest(manifest).architecture(key).spec), layout), path)
    return path


def imported(origin: Path, name: str = "mine", manifest: Path | None = None, **options: Any) -> Imported:
    """What `senet import` does, in this process."""
    settings = Settings.from_environment(manifest=manifest)
    return import_model(ImportRequest(origin, name, **options), settings, SILENCE)


def files_of(folder: Path) -> set[str]:
    """Paths of all files within a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
