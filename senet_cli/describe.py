"""Facts about checkpoints and architectures, in words and numbers, for `senet list` and `senet info`."""

from __future__ import annotations

from typing import Any

from senet_cli.architectures import (
    AntiAliasedBottleneck,
    ArchSpec,
    AverageStemPool,
    BasicBlock,
    Block,
    Bottleneck,
    ConvStem,
    InstanceBatchBottleneck,
    PooledShortcut,
    PoollessStem,
    PreActivation,
    SENetBottleneck,
)
from senet_cli.manifest import Architecture, Checkpoint, CheckpointFile, Digest, Manifest, Preprocess
from senet_cli.manifest.entries import MemberDigest


def checkpoint_summary(checkpoint: Checkpoint, manifest: Manifest, *, cached: bool) -> dict[str, Any]:
    """One line of the list; accuracies are percent, sizes as named."""
    metric = checkpoint.metric
    spec, size = checkpoint.architecture.spec, checkpoint.preprocess.crop
    file = checkpoint.files[0]
    return {
        "name": checkpoint.name,
        "default": manifest.family_of(checkpoint.name),
        "top1": metric.top1 if metric else None,
        "top5": metric.top5 if metric else None,
        "size": size,
        "params_M": round(spec.parameters() / 1e6, 2),
        "GMACs": round(spec.multiply_adds(size) / 1e9, 2),
        "labels": checkpoint.labels,
        "MB": round(file.size / 1e6, 1) if file.size else None,
        "digest": digest_kind(file.digest),
        "licence": checkpoint.licence.name,
        "cached": cached,
    }


def checkpoint_facts(checkpoint: Checkpoint, manifest: Manifest, *, cached: bool) -> dict[str, Any]:
    """Everything the manifest says of a checkpoint."""
    spec, size = checkpoint.architecture.spec, checkpoint.preprocess.crop
    return {
        "name": checkpoint.name,
        "publisher": checkpoint.publisher,
        "default_for": manifest.family_of(checkpoint.name),
        "architecture": checkpoint.architecture.key,
        "structure": structure_in_words(spec),
        "parameters": spec.parameters(),
        "multiply_adds": spec.multiply_adds(size),
        "labels": f"{checkpoint.labels} ({spec.classes} classes)",
        "preprocessing": preprocess_in_words(checkpoint.preprocess),
        "accuracy": [
            {
                "dataset": m.dataset,
                "size": m.size,
                "top1": m.top1,
                "top5": m.top5,
                "source": m.source,
            }
            for m in checkpoint.metrics
        ],
        "file": [_file_facts(file) for file in checkpoint.files],
        "licence": checkpoint.licence.name,
        "licence_note": checkpoint.licence.note,
        "alias": list(checkpoint.aliases),
        "source": list(checkpoint.sources),
        "cached": cached,
    }


def digest_kind(digest: Digest | MemberDigest) -> str:
    """What is published: "sha256", its "prefix", or the SHA-1 of an archive's "member"."""
    if isinstance(digest, MemberDigest):
        return "member"
    return "sha256" if digest.full else "prefix"


def _file_facts(file: CheckpointFile) -> dict[str, Any]:
    return {
        "format": file.format,
        "key_layout": file.layout,
        "bytes": file.size,
        "digest": str(file.digest),
        "seen_by_us": file.seen or "never",
        "url": list(file.urls),
    }


def architecture_facts(architecture: Architecture) -> dict[str, Any]:
    """One line of the list of architecture keys."""
    spec, size = architecture.spec, architecture.preprocess.crop
    return {
        "key": architecture.key,
        "params_M": round(spec.parameters() / 1e6, 2),
        "GMACs": round(spec.multiply_adds(size) / 1e9, 2),
        "size": size,
        "structure": structure_in_words(spec),
    }


def preprocess_in_words(preprocess: Preprocess) -> str:
    """What happens to an image before the network sees it."""
    mean = " ".join(f"{value:g}" for value in preprocess.mean)
    std = " ".join(f"{value:g}" for value in preprocess.std)
    return (
        f"shorter edge to {preprocess.resize} ({preprocess.interpolation}), centre crop {preprocess.crop}, "
        f"RGB 0..1, mean {mean}, std {std}"
    )


def structure_in_words(spec: ArchSpec) -> str:
    """The parts of a network that tell it from its relatives."""
    parts = [_stem(spec), _block(spec.block), f"depths {'-'.join(map(str, spec.depths))}"]
    if isinstance(spec.shortcut, PooledShortcut):
        parts.append("average pools in the shortcuts")
    elif spec.shortcut.kernel == 3:
        parts.append("3x3 shortcuts")
    if spec.se is None:
        parts.append("no SE")
    else:
        first = f" ({spec.se.first_reduction} in first blocks)" if spec.se.first_reduction else ""
        bias = "" if spec.se.bias else " without bias"
        parts.append(f"SE reduction {spec.se.reduction}{first}{bias}")
    return ", ".join(parts)


def _stem(spec: ArchSpec) -> str:
    stem = spec.stem
    if isinstance(stem, ConvStem):
        convs = f"{stem.kernel}x{stem.kernel} stem"
    else:
        channels = "-".join(map(str, stem.channels))
        convs = f"{'4' if isinstance(stem, PoollessStem) else '3'}x(3x3) stem {channels}"
    if spec.pool is None:
        return convs
    if isinstance(spec.pool, AverageStemPool):
        return f"{convs}, average stem pool"
    return f"{convs}, stem pool {'ceil mode' if spec.pool.ceil_mode else 'padded'}"


def _block(block: Block) -> str:
    match block:
        case BasicBlock(relu_before_se=relu):
            return "basic blocks with a ReLU before SE" if relu else "basic blocks"
        case Bottleneck(cardinality=groups, base_width=width, stride_in=stride_in):
            where = "1x1" if stride_in == "conv1" else "3x3"
            return f"bottlenecks{_cardinality(groups, width)}, stride in the {where}"
        case SENetBottleneck(cardinality=groups, base_width=width):
            return f"SENet bottlenecks {groups}x{width}d, stride in the 3x3"
        case AntiAliasedBottleneck(cardinality=groups, base_width=width):
            return f"bottlenecks{_cardinality(groups, width)}, an average pool behind the 3x3 for its stride"
        case InstanceBatchBottleneck(stages=stages):
            return (
                f"bottlenecks, stride in the 3x3, instance-batch norms (IBN-a) in the first {stages} stages"
            )
        case PreActivation(block=inner, final_norm=final):
            return f"pre-activation {_block(inner)}" + ("" if final else ", no norm behind the last")


def _cardinality(groups: int, width: int) -> str:
    return f" {groups}x{width}d" if groups > 1 else ""
