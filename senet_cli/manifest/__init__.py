"""Every checkpoint we know, as frozen values: parsed once at the door, looked up by any published name."""

from senet_cli.manifest.entries import (
    Architecture,
    Checkpoint,
    CheckpointFile,
    Digest,
    Licence,
    Metric,
    Preprocess,
)
from senet_cli.manifest.lookup import Manifest, find_checkpoint, load_manifest

__all__ = [
    "Architecture",
    "Checkpoint",
    "CheckpointFile",
    "Digest",
    "Licence",
    "Manifest",
    "Metric",
    "Preprocess",
    "find_checkpoint",
    "load_manifest",
]
