"""Checkpoints of the user's own become models with a name: recognised, checked, kept as safetensors."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from senet_cli.catalogue.activation import Activation, check_activation
from senet_cli.catalogue.entries import (
    Architecture,
    Checkpoint,
    EntryName,
    Licence,
    Metric,
    Preprocess,
)
from senet_cli.catalogue.input_size import InputSize
from senet_cli.catalogue.labels import LabelSet, check_labels, is_packaged, numbered_labels
from senet_cli.catalogue.lookup import MODEL_FILE, Manifest, load_manifest, plain_name
from senet_cli.catalogue.parse import is_name
from senet_cli.catalogue.resolve import Catalogue, ModelRef
from senet_cli.catalogue.traits import differences
from senet_cli.datasets.label_files import read_labels
from senet_cli.errors import DiskError, ModelError, SenetError, UsageError, advise
from senet_cli.events import Reporter, WaitingForProcess, WeightsTaken
from senet_cli.inference.resolve import unfinished_run
from senet_cli.settings import Settings
from senet_cli.store.cache import Cache
from senet_cli.store.converted import ConvertedStore
from senet_cli.store.files import digest_of
from senet_cli.store.model_folders import ImportedModels, beside, epochs_of, progress_of
from senet_cli.store.model_zips import holds_model, unpacked_model
from senet_cli.weights.publishers import find_layout, publisher_of
from senet_cli.weights.publishers.senet import SENET

if TYPE_CHECKING:
    from senet_cli.weights.identify import Fit


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What to import.

    Args:
        origin: a file of weights, the folder of a training run, or a model in a zip archive.
        name: what the model shall be called; None: as the run or the archive calls it.
        architecture: key; None: found out, if the file alone tells.
        labels: a file with names of the classes, or the name of a label set; None: the usual ones if their
            number fits, else numbers.
        preprocess_from: a model whose preprocessing is taken over; None: what is usual for the architecture.
        image_size: side of the crop in pixels; the resized edge keeps its proportion to it.
        force: True to replace an imported model, or to stand before a published one, of this name.
        weights_key: which set of weights of the file; None: the preferred one, see `weights.unwrap`.
        activation: what turns the outputs into scores; None: as the run has it, softmax for a file.
    """

    origin: Path
    name: str | None = None
    architecture: str | None = None
    labels: str | None = None
    preprocess_from: str | None = None
    image_size: int | None = None
    force: bool = False
    weights_key: str | None = None
    activation: Activation | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of it.

    Args:
        checkpoint: as every command finds it from now on.
        labels: names of its classes.
        layout: whose key names the file used.
        folder: where it is kept.
    """

    checkpoint: Checkpoint
    labels: LabelSet
    layout: str
    folder: Path


@dataclass(frozen=True, slots=True)
class _Found:
    """What a file or a run tells by itself.

    Args:
        architecture: with the number of its classes.
        layout: whose key names it uses.
        weights: a safetensors file in our own layout.
        preprocess: as it was trained, or as is usual.
        labels: names of the classes, where they are known.
        metrics: accuracies that were measured.
        licence: what is known of it.
        source: where it came from, in words.
        beside: contents of other files that belong to the model, by name.
        activation: what turns the outputs into scores.
        done: how many epochs of how many its run has done; None: it is finished, or it is not known.
    """

    architecture: Architecture
    layout: str
    weights: bytes
    preprocess: Preprocess
    labels: LabelSet | None
    metrics: tuple[Metric, ...]
    licence: Licence
    source: str
    beside: Mapping[str, bytes] = field(default_factory=dict)
    activation: Activation = "softmax"
    done: tuple[int, int] | None = None


def import_model(request: ImportRequest, settings: Settings, reporter: Reporter) -> Imported:
    """Check a file of weights and keep it as a model.

    Raises:
        UsageError: the name is taken or none, the file does not tell its architecture, it is a published
            file, or the labels are not as many as the classes.
        CheckpointError: the file cannot be read, fits no architecture, or has one output for a softmax.
        UnknownModelError: no such architecture, or model to take the preprocessing from.
        DiskError: something cannot be read or written.
    """
    catalogue = Catalogue.load(settings)
    with contextlib.ExitStack() as stack:
        if holds_model(request.origin):
            request = replace(request, origin=stack.enter_context(unpacked_model(request.origin)))
        name = _own_name(request.origin, catalogue) if request.name is None else request.name
        return _import(request, name, catalogue, settings, reporter)


def _own_name(origin: Path, catalogue: Catalogue) -> str:
    """Find what a run or an archive calls its model."""
    if not os.path.lexists(origin):
        raise DiskError(f"there is no file or folder `{origin}`")
    if not (origin / MODEL_FILE).is_file():
        raise UsageError(f"`{origin}` does not say what the model is called", advise("name-import"))
    return catalogue.resolve(ModelRef.to_folder(origin)).name


def _import(
    request: ImportRequest, name: str, catalogue: Catalogue, settings: Settings, reporter: Reporter
) -> Imported:
    manifest = catalogue.manifest
    models, size = ImportedModels.from_settings(settings), InputSize(request.image_size)
    size.check()
    _check_name(name, manifest, force=request.force)
    chosen_labels = read_labels(request.labels, manifest) if request.labels else None
    like = request.preprocess_from
    chosen_preprocess = catalogue.resolve(like).checkpoint.preprocess if like else None
    is_run = os.path.isdir(request.origin)  # noqa: PTH112 - False where one may not look
    found = (
        _from_run(request, catalogue, settings, reporter)
        if is_run
        else _from_file(request, manifest, reporter)
    )
    classes = found.architecture.spec.classes
    activation = request.activation or found.activation
    check_activation(activation, classes, str(request.origin))
    labels = _named(chosen_labels or found.labels, classes, name)
    checkpoint = Checkpoint(
        name=EntryName(name),
        publisher="imported",
        architecture=found.architecture,
        labels=labels.name,
        preprocess=size.of(chosen_preprocess or found.preprocess, found.architecture.spec, name),
        files=(),
        metrics=() if chosen_preprocess or request.image_size else found.metrics,
        licence=found.licence,
        sources=(found.source,),
        activation=activation,
    )
    waiting = WaitingForProcess("changing", name)
    with models.locked(name, lambda: reporter.report(waiting)):
        if models.holds(name) and not request.force:
            raise _taken(name)
        own = None if is_packaged(labels.name) else labels
        folder = models.put(checkpoint, own, found.weights, found.beside, found.done)
    return Imported(checkpoint, labels, found.layout, folder)


def remove_model(name: str, settings: Settings, reporter: Reporter) -> int:
    """Delete an imported model and what was converted from it; returns the bytes that were freed.

    Raises:
        UsageError: no model of this name was imported.
        DiskError: it cannot be deleted.
    """
    models, name = ImportedModels.from_settings(settings), plain_name(name)
    if not is_name(name) or not models.holds(name):
        raise UsageError(
            f"no model `{name}` was imported",
            f"Imported models lie in `{models.root}`.",
            advise("list-models"),
        )
    manifest = load_manifest(None, settings.models)
    freed = 0
    if name not in manifest.damaged:
        conversions = ConvertedStore(settings)
        freed = sum(conversions.remove(file.digest.value) for file in manifest.checkpoint(name).files)
    with models.locked(name, lambda: reporter.report(WaitingForProcess("changing", name))):
        return freed + models.remove(name)


# --- names and options --------------------------------------------------------------------------


def _check_name(name: str, manifest: Manifest, *, force: bool) -> None:
    if not is_name(name):
        raise UsageError(
            f"`{name[:80]}` cannot be a model's name", "Use a-z, 0-9, `_`, `-` and at most one `.`."
        )
    if is_packaged(name):
        raise UsageError(f"`{name}` is the name of a label set", advise("another-name"))
    if not force and manifest.knows(name):
        raise _taken(name)


def _taken(name: str) -> UsageError:
    return UsageError(
        f"there is a model `{name}` already",
        advise("another-name-or-force", name=name),
    )


def _named(labels: LabelSet | None, classes: int, model: str) -> LabelSet:
    """Choose the labels for that many classes, under a name that this model's manifest can use.

    Raises:
        UsageError: their number is another.
    """
    if labels is None:
        return replace(numbered_labels(classes), name=model)
    try:
        check_labels(labels, classes)
    except SenetError as error:
        raise UsageError(
            f"there are {len(labels):,} labels, but the model has {classes:,} classes",
            "One name for each class is needed, in the order of the model's outputs.",
        ) from error
    return labels if is_packaged(labels.name) else replace(labels, name=model)


# --- where it comes from ------------------------------------------------------------------------


def _from_run(request: ImportRequest, catalogue: Catalogue, settings: Settings, reporter: Reporter) -> _Found:
    from senet_cli.weights.read import read_network
    from senet_cli.weights.write import checkpoint_bytes

    run = request.origin
    if not (run / MODEL_FILE).is_file():
        from senet_cli.weights.formats import check_folder

        check_folder(run)
        raise UsageError(
            f"the folder `{run}` holds no `{MODEL_FILE}`, so it is not a finished training run",
            "Give the file of weights.",
        )
    if request.architecture is not None:
        raise UsageError("the run says which architecture it is", advise("leave-architecture-out"))
    if request.weights_key is not None:
        raise UsageError("a run holds one set of weights", advise("leave-weights-key-out"))
    model = catalogue.resolve(ModelRef.to_folder(run))
    if unfinished := unfinished_run(model):
        reporter.report(unfinished)
    checkpoint = model.checkpoint
    installed = Cache.from_settings(settings).find(checkpoint)
    if installed is None:
        raise UsageError(f"the weights of the run `{run}` are not there", "Give the file of weights.")
    spec = checkpoint.architecture.spec
    read = read_network(installed.path, spec, find_layout(installed.file.layout))
    return _Found(
        architecture=checkpoint.architecture,
        layout=installed.file.layout,
        weights=checkpoint_bytes(read.state, SENET, "safetensors"),
        preprocess=checkpoint.preprocess,
        labels=model.labels,
        metrics=checkpoint.metrics,
        licence=checkpoint.licence,
        source=f"{', '.join(checkpoint.sources) or 'a run'}; SHA-256 {installed.sha256}",
        beside=beside(run),
        activation=checkpoint.activation,
        done=progress_of(checkpoint),
    )


def _from_file(request: ImportRequest, manifest: Manifest, reporter: Reporter) -> _Found:
    path = request.origin
    sha256 = digest_of(path)
    _refuse_published(path, sha256, manifest)
    from senet_cli.weights.identify import fit_of, fitting
    from senet_cli.weights.read import read_weights, to_our_keys
    from senet_cli.weights.write import checkpoint_bytes

    weights = read_weights(path, request.weights_key)
    tensors, taken = weights.tensors, weights.taken
    if words := taken.in_words():
        asked = request.weights_key is not None
        reporter.report(WeightsTaken(words, several=taken.chosen, asked=asked))
    if request.architecture is not None:
        fit = fit_of(tensors, manifest.architecture(request.architecture), path)
    else:
        fit = _only(fitting(tensors, manifest.architectures.values(), path), manifest, path)
    architecture = fit.architecture
    state = to_our_keys(tensors, architecture.spec, fit.layout, path)
    of_run = _is_of_run(path, sha256)
    of_it = f" (`{_utf8(taken.key)}`)" if taken.chosen else ""
    return _Found(
        architecture=architecture,
        layout=fit.layout.name,
        weights=checkpoint_bytes(state, SENET, "safetensors"),
        preprocess=publisher_of(fit.layout).preprocess_of(architecture.preprocess),
        labels=_usual_labels(architecture, manifest),
        metrics=(),
        licence=Licence("your own", "as those of the file's makers allow"),
        source=f"`{_utf8(path.name)}`{of_it} in the layout of {fit.layout.name}, SHA-256 {sha256}",
        beside=beside(path.parent) if of_run else {},
        done=epochs_of(path.name) if of_run else None,
    )


def _is_of_run(path: Path, sha256: str) -> bool:
    """Return True for the weights of a run or an imported model, in its folder."""
    try:
        about = (path.parent / MODEL_FILE).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return sha256 in about


def _usual_labels(architecture: Architecture, manifest: Manifest) -> LabelSet | None:
    """Return the architecture's labels if there are as many as the network has classes."""
    try:
        return check_labels(manifest.labels(architecture.labels), architecture.spec.classes)
    except ModelError:
        return None


def _utf8(text: str) -> str:
    return text.encode(errors="replace").decode()


def _refuse_published(path: Path, sha256: str, manifest: Manifest) -> None:
    """Refuse published weights, which have a name, a preprocessing and labels already."""
    if owners := manifest.published_as(sha256):
        names = " and ".join(f"`{owner.name}`" for owner in owners)
        raise UsageError(
            f"`{path}` is {names}, by its SHA-256; senet knows it with its preprocessing and labels",
            advise("install-as", name=owners[0].name, path=path),
        )


# --- which architecture -------------------------------------------------------------------------


def _only(fits: tuple[Fit, ...], manifest: Manifest, path: Path) -> Fit:
    """Choose the one that fits.

    Raises:
        UsageError: several do, and nobody but the user can know; the message says how they differ.
    """
    if len(fits) == 1:
        return fits[0]
    told = differences({fit.architecture.key: fit.architecture.spec for fit in fits})
    published = {key: _published(manifest, key, fits[0].layout.name) for key in told}
    lines = [
        f"  {key}: {words}" + (f" (so `{published[key]}`, with key names as these)" if published[key] else "")
        for key, words in told.items()
    ]
    raise UsageError(
        f"`{path}` fits {len(fits)} architectures; their tensors are the same, their predictions are not:\n"
        + "\n".join(lines),
        advise("say-architecture"),
    )


def _published(manifest: Manifest, key: str, layout: str) -> str | None:
    """Find a published checkpoint of this architecture whose file has such key names."""
    return next(
        (
            checkpoint.name
            for checkpoint in manifest.checkpoints.values()
            if checkpoint.architecture.key == key
            and any(file.urls and file.layout == layout for file in checkpoint.files)
        ),
        None,
    )
