"""From entries back to JSON: the manifest of a training run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from senet_cli.catalogue.entries import Architecture, Checkpoint, CheckpointFile, Digest, MemberDigest, Metric
from senet_cli.catalogue.inception import inception_dict
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.lookup import SCHEMA
from senet_cli.specs import (
    AntiAliasedBottleneck,
    ArchSpec,
    AverageStemPool,
    BasicBlock,
    Block,
    Bottleneck,
    ConvStem,
    DeepStem,
    InceptionSpec,
    InstanceBatchBottleneck,
    Pool,
    PooledShortcut,
    PoollessStem,
    PreActivation,
    SENetBottleneck,
    Shortcut,
    Spec,
    Stem,
    StemPool,
)

Part = Stem | Pool | Block | Shortcut | PooledShortcut

_TYPES: dict[type[Part], str] = {
    ConvStem: "conv",
    DeepStem: "deep",
    PoollessStem: "poolless",
    StemPool: "max",
    AverageStemPool: "average",
    BasicBlock: "basic",
    Bottleneck: "bottleneck",
    SENetBottleneck: "senet-bottleneck",
    AntiAliasedBottleneck: "anti-aliased-bottleneck",
    InstanceBatchBottleneck: "instance-batch-bottleneck",
    PreActivation: "pre-activation",
    Shortcut: "conv",
    PooledShortcut: "pooled",
}


def manifest_of(checkpoint: Checkpoint, labels: LabelSet | None) -> dict[str, Any]:
    """A manifest with one checkpoint and its architecture; `labels` where they do not come with the package.

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
    """One value of `checkpoints`."""
    test = checkpoint.test_preprocess
    return {
        "publisher": checkpoint.publisher,
        "architecture": checkpoint.architecture.key,
        "classes": checkpoint.architecture.spec.classes,
        "labels": checkpoint.labels,
        "preprocess": asdict(checkpoint.preprocess),
        **({"test": {"resize": test.resize, "crop": test.crop}} if test else {}),
        "files": [_file(file) for file in checkpoint.files],
        "metrics": [_metric(metric) for metric in checkpoint.metrics],
        "licence": _given(asdict(checkpoint.licence)),
        "aliases": list(checkpoint.aliases),
        "sources": list(checkpoint.sources),
    }


def _architecture(architecture: Architecture) -> dict[str, Any]:
    spec = architecture.spec
    return _spec(spec) | {"preprocess": asdict(architecture.preprocess), "labels": architecture.labels}


def _spec(spec: Spec) -> dict[str, Any]:
    shared = {
        "pool": _typed(spec.pool) if spec.pool else None,
        "se": _given(asdict(spec.se)) if spec.se else None,
    }
    return shared | (inception_dict(spec) if isinstance(spec, InceptionSpec) else _residual(spec))


def _residual(spec: ArchSpec) -> dict[str, Any]:
    return {
        "stem": _typed(spec.stem),
        "block": _typed(spec.block),
        "shortcut": _typed(spec.shortcut),
        "depths": list(spec.depths),
        "widths": list(spec.widths),
        "classes": spec.classes,
        "dropout": spec.dropout,
    }


def _typed(part: Part) -> dict[str, Any]:
    typed = {"type": _TYPES[type(part)]} | asdict(part)
    return typed | {"block": _typed(part.block)} if isinstance(part, PreActivation) else typed


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


def _metric(metric: Metric) -> dict[str, Any]:
    return _given(asdict(metric))


def _label_set(labels: LabelSet) -> dict[str, Any]:
    if any(labels.ids):
        return {"labels": list(labels.labels), "ids": list(labels.ids)}
    return {"labels": list(labels.labels)}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Without fields that say nothing."""
    return {name: value for name, value in values.items() if value not in (None, "", [])}
