"""Facts about checkpoints and architectures, in words and numbers, for `senet list` and `senet info`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from senet_cli.architectures import (
    AntiAliasedBottleneck,
    ArchSpec,
    AverageStemPool,
    BasicBlock,
    Block,
    Bottleneck,
    ConvStem,
    InceptionSpec,
    InstanceBatchBottleneck,
    PooledShortcut,
    PoollessStem,
    PreActivation,
    SENetBottleneck,
    Spec,
)
from senet_cli.labels import LabelSet
from senet_cli.manifest import (
    Architecture,
    Checkpoint,
    CheckpointFile,
    Manifest,
    Metric,
    Preprocess,
)
from senet_cli.manifest.entries import MemberDigest

DigestKind = Literal["full", "prefix", "member"]
"""What is published: a file's whole SHA-256, its first digits, or the SHA-1 of an archive's member."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the list.

    Args:
        name, publisher, architecture, labels, licence: as in the manifest.
        default: the family name that stands for this checkpoint, if one does.
        classes: outputs of the head.
        top1, top5: published accuracy, percent, on `dataset` at `size` pixels, by `source`.
        size: side of the input in pixels, for which `multiply_adds` are counted too.
        test_size, test_top1, test_top5: the same for the publisher's test recipe.
        parameters, multiply_adds: counted from the structure.
        bytes: of the first of the files; None where it is not published.
        digest: what is published to verify that file with.
        cached: True if it is on this machine.
    """

    name: str
    default: str | None
    publisher: str
    architecture: str
    labels: str
    classes: int
    top1: float | None
    top5: float | None
    size: int
    dataset: str | None
    source: str | None
    test_size: int | None
    test_top1: float | None
    test_top5: float | None
    parameters: int
    multiply_adds: int
    bytes: int | None
    digest: DigestKind
    licence: str
    cached: bool

    @property
    def family(self) -> str:
        """The name before the dot."""
        return self.name.partition(".")[0]

    @property
    def likely_bytes(self) -> int:
        """Of the file; four for each parameter where they are not published."""
        return self.bytes or 4 * self.parameters


def checkpoint_summary(checkpoint: Checkpoint, manifest: Manifest, *, cached: bool) -> Summary:
    """One line of the list."""
    metric, test = checkpoint.metric, checkpoint.test_preprocess
    tested = checkpoint.metric_with(test) if test else None
    spec, size = checkpoint.architecture.spec, checkpoint.preprocess.crop
    return Summary(
        name=checkpoint.name,
        default=manifest.family_of(checkpoint.name),
        publisher=checkpoint.publisher,
        architecture=checkpoint.architecture.key,
        labels=checkpoint.labels,
        classes=spec.classes,
        top1=metric.top1 if metric else None,
        top5=metric.top5 if metric else None,
        size=size,
        dataset=metric.dataset if metric else None,
        source=metric.source if metric else None,
        test_size=test.crop if test else None,
        test_top1=tested.top1 if tested else None,
        test_top5=tested.top5 if tested else None,
        parameters=spec.parameters(),
        multiply_adds=spec.multiply_adds(size),
        bytes=checkpoint.files[0].size,
        digest=digest_kind(checkpoint.files[0]),
        licence=checkpoint.licence.name,
        cached=cached,
    )


def digest_kind(file: CheckpointFile) -> DigestKind:
    """What the file can be verified with."""
    if isinstance(file.digest, MemberDigest):
        return "member"
    return "full" if file.digest.full else "prefix"


def checkpoint_facts(checkpoint: Checkpoint, manifest: Manifest, *, path: Path | None) -> dict[str, Any]:
    """Everything the manifest says of a checkpoint; `path` is where its file lies, if it is here."""
    spec, size = checkpoint.architecture.spec, checkpoint.preprocess.crop
    test = checkpoint.test_preprocess
    family = checkpoint.name.partition(".")[0]
    return {
        "name": checkpoint.name,
        "publisher": checkpoint.publisher,
        "default_for": manifest.family_of(checkpoint.name),
        "other_recipes": [
            name
            for name in manifest.checkpoints
            if name != checkpoint.name and name.partition(".")[0] == family
        ],
        "alias": list(checkpoint.aliases),
        "architecture": checkpoint.architecture.key,
        "structure": structure_in_words(spec),
        "parameters": spec.parameters(),
        "multiply_adds": spec.multiply_adds(size),
        "labels": f"{checkpoint.labels} ({spec.classes} classes)",
        "preprocessing": preprocess_in_words(checkpoint.preprocess),
        "test_recipe": test and sizes_in_words(test),
        "preprocess": asdict(checkpoint.preprocess),
        "test_preprocess": test and asdict(test),
        "accuracy": [_accuracy(metric, checkpoint) for metric in checkpoint.metrics],
        "file": [_file_facts(file) for file in checkpoint.files],
        "licence": checkpoint.licence.name,
        "licence_note": checkpoint.licence.note,
        "source": list(checkpoint.sources),
        "cached": path is not None,
        "path": None if path is None else str(path),
    }


def _accuracy(metric: Metric, checkpoint: Checkpoint) -> dict[str, Any]:
    """A published accuracy, and the recipe that it belongs to: what `predict` does is the default."""
    test = checkpoint.test_preprocess
    recipe = "default" if metric == checkpoint.metric else None
    if test and metric == checkpoint.metric_with(test):
        recipe = "test"
    return {
        "recipe": recipe,
        "dataset": metric.dataset,
        "size": metric.size,
        "top1": metric.top1,
        "top5": metric.top5,
        "source": metric.source,
    }


def _file_facts(file: CheckpointFile) -> dict[str, Any]:
    return {
        "format": file.format,
        "key_layout": file.layout,
        "bytes": file.size,
        "digest": str(file.digest),
        "digest_kind": digest_kind(file),
        "seen_by_us": file.seen or "never",
        "url": list(file.urls),
    }


def class_facts(labels: LabelSet) -> list[dict[str, Any]]:
    """One line for each class, in the order of the model's output."""
    return [
        {
            "index": index,
            "id": labels.ids[index],
            "label": label,
            "synonyms": list(labels.synonyms[index]) if labels.synonyms else [],
        }
        for index, label in enumerate(labels.labels)
    ]


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


def sizes_in_words(preprocess: Preprocess) -> str:
    """How large an image is when the network sees it."""
    return f"shorter edge to {preprocess.resize} ({preprocess.interpolation}), centre crop {preprocess.crop}"


def preprocess_in_words(preprocess: Preprocess) -> str:
    """What happens to an image before the network sees it."""
    cut = sizes_in_words(preprocess)
    if set(preprocess.std) == {1 / 255}:  # Caffe's way
        return f"{cut}, RGB 0..255 minus {' '.join(f'{255 * value:g}' for value in preprocess.mean)}"
    mean = " ".join(f"{value:g}" for value in preprocess.mean)
    std = " ".join(f"{value:g}" for value in preprocess.std)
    return f"{cut}, RGB 0..1, mean {mean}, std {std}"


def structure_in_words(spec: Spec) -> str:
    """The parts of a network that tell it from its relatives."""
    depths = f"depths {'-'.join(map(str, spec.depths))}"
    if isinstance(spec, InceptionSpec):
        pools = "ceil mode" if spec.pool.ceil_mode else "padded"
        parts = [f"7x7, 1x1, 3x3 stem, pools {pools}", "inception modules", depths]
    else:
        parts = [_stem(spec), _block(spec.block), depths]
        if isinstance(spec.shortcut, PooledShortcut):
            parts.append("average pools in the shortcuts")
        elif spec.shortcut.kernel == 3:
            parts.append("3x3 shortcuts")
    if spec.se is None:
        parts.append("no SE")
    else:
        first = f" ({spec.se.first_reduction} in first blocks)" if spec.se.first_reduction else ""
        bias = "" if spec.se.bias else " without bias"
        multiple = spec.se.hidden_multiple
        rounded = f" rounded to multiples of {multiple}" if multiple > 1 else ""
        parts.append(f"SE reduction {spec.se.reduction}{first}{rounded}{bias}")
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
