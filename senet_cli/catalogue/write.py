"""From entries back to JSON: the manifest of a training run."""

from __future__ import annotations

from typing import Any

from senet_cli.catalogue import codec
from senet_cli.catalogue.entries import Architecture, Checkpoint, CheckpointFile, Digest, MemberDigest, Sizes
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.lookup import SCHEMA


def manifest_of(checkpoint: Checkpoint, labels: LabelSet | None) -> dict[str, Any]:
    """Make a manifest of one checkpoint and its architecture; `labels` if they do not come with the package.

    Reading it gives equal values: `parse_manifest` and this function are each other's inverse.
    """
    architecture = checkpoint.architecture
    manifest: dict[str, Any] = {
        "schema": SCHEMA,
        "architectures": {architecture.key: _architecture(architecture)},
        "checkpoints": {checkpoint.name: checkpoint_dict(checkpoint)},
    }
    if labels is not None:
        manifest["label_sets"] = {labels.name: _label_set(labels)}
    return manifest


def checkpoint_dict(checkpoint: Checkpoint) -> dict[str, Any]:
    """Make one value of `checkpoints`."""
    test = checkpoint.test_preprocess
    return {
        "publisher": checkpoint.publisher,
        "architecture": checkpoint.architecture.key,
        "classes": checkpoint.architecture.spec.classes,
        "labels": checkpoint.labels,
        "preprocess": codec.write(checkpoint.preprocess),
        **({"test": codec.write(Sizes(test.resize, test.crop))} if test else {}),
        **({"activation": checkpoint.activation} if checkpoint.activation != "softmax" else {}),
        "files": [_file(file) for file in checkpoint.files],
        "metrics": [codec.write(metric) for metric in checkpoint.metrics],
        "licence": codec.write(checkpoint.licence),
        "aliases": list(checkpoint.aliases),
        "sources": list(checkpoint.sources),
    }


def _architecture(architecture: Architecture) -> dict[str, Any]:
    return codec.write(architecture.spec) | {
        "preprocess": codec.write(architecture.preprocess),
        "labels": architecture.labels,
    }


def _file(file: CheckpointFile) -> dict[str, Any]:
    return _given(
        {
            "path": file.path.name if file.path else None,
            "urls": list(file.urls),
            "format": file.format,
            "layout": file.layout,
            **_digest(file.digest),
            "bytes": file.size,
            "seen": file.seen,
        }
    )


def _digest(digest: Digest | MemberDigest) -> dict[str, str]:
    if isinstance(digest, MemberDigest):
        return {"member": digest.member, "member_sha1": digest.sha1}
    return {"sha256" if digest.full else "sha256_prefix": digest.value}


def _label_set(labels: LabelSet) -> dict[str, Any]:
    if any(labels.ids):
        return {"labels": list(labels.labels), "ids": list(labels.ids)}
    return {"labels": list(labels.labels)}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Without fields that say nothing."""
    return {name: value for name, value in values.items() if value not in (None, "", [])}
