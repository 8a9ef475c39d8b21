"""Everything that is known of a model, an architecture or a set of classes, for `senet info`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from senet_cli.catalogue.entries import Architecture, Checkpoint, CheckpointFile, Metric
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.resolve import KnownModel
from senet_cli.catalogue.traits import preprocess_in_words, sizes_in_words, structure_in_words
from senet_cli.settings import Settings
from senet_cli.store.cache import Cache
from senet_cli.tasks.list_models import digest_kind


def model_facts(model: KnownModel, settings: Settings) -> dict[str, Any]:
    """Say everything that is known of a model, and where its file lies if it is on this machine."""
    checkpoint, manifest = model.checkpoint, model.manifest
    path = Cache.from_settings(settings).holds(checkpoint)
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
        "activation": checkpoint.activation,
        "accuracy": [_accuracy(metric, checkpoint) for metric in checkpoint.metrics],
        "file": [_file_facts(file) for file in checkpoint.files],
        "licence": checkpoint.licence.name,
        "licence_note": checkpoint.licence.note,
        "source": list(checkpoint.sources),
        "cached": path is not None,
        "path": None if path is None else str(path),
    }


def _accuracy(metric: Metric, checkpoint: Checkpoint) -> dict[str, Any]:
    """Write a published accuracy and its recipe; what `predict` does is the default."""
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
        "images": metric.images,
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
    """Make one line for each class, in the order of the model's output."""
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
    """Make one line of the list of architecture keys."""
    spec, size = architecture.spec, architecture.preprocess.crop
    return {
        "key": architecture.key,
        "params_M": round(spec.parameters() / 1e6, 2),
        "GMACs": round(spec.multiply_adds(size) / 1e9, 2),
        "size": size,
        "structure": structure_in_words(spec),
    }
