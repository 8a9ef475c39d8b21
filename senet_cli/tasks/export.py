"""Writing a checkpoint as another publisher's software reads it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from senet_cli.catalogue.entries import Architecture
from senet_cli.catalogue.labels import is_packaged
from senet_cli.catalogue.lookup import Manifest, name_elsewhere
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.catalogue.traits import only_in
from senet_cli.errors import UsageError, advise
from senet_cli.events import Reporter
from senet_cli.inference.models import FromFile, read_state
from senet_cli.inference.resolve import Resolver
from senet_cli.output.files import write_file
from senet_cli.output.targets import check_target
from senet_cli.settings import Settings
from senet_cli.specs import Spec
from senet_cli.store.model_folders import beside, progress_of
from senet_cli.store.model_zips import packed
from senet_cli.weights.publishers import PUBLISHERS, WRITABLE, KeyLayout, Publisher, layout_for, publisher_of
from senet_cli.weights.publishers.base import Container, WrittenFile
from senet_cli.weights.publishers.senet import SENET

_SUFFIXES: dict[Container, str] = {"safetensors": "safetensors", "torch": "pth"}
Kind = Container | Literal["zip"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to write.

    Args:
        model: the model.
        container: kind of file; "zip": all that somebody else's senet needs to have the same model.
        layout: whose key names it gets; None for a zip archive, which is for senet itself.
        output: the file; None: a name of its own in the current folder.
        force: True to replace a file that is there.
    """

    model: ModelRef
    container: Kind
    layout: str | None
    output: Path | None
    force: bool


@dataclass(frozen=True, slots=True)
class Written:
    """The file that was written.

    Args:
        path: where.
        size: bytes.
        sha256: its digest.
        load: Python that loads it in the software of that layout; empty where none is known.
        caution: what to mind, in words; empty: nothing.
        model: what the model of a zip archive is called; empty for other files.
        renamed: what it can be called by others, who have every published model too.
    """

    path: Path
    size: int
    sha256: str
    load: str
    caution: str
    model: str = ""
    renamed: str = ""


def export(request: ExportRequest, settings: Settings, reporter: Reporter) -> Written:
    """Write a checkpoint, which is downloaded if it is not there yet, in a publisher's layout.

    Raises:
        UsageError: no such layout, it has no name for a part of this network, or the file is there already,
            is an image, or is the one that is read.
        DiskError: the file cannot be written.
        SenetError: the model is unknown or cannot be had.
    """
    if request.container == "zip":
        return _export_zip(request, settings, reporter)
    if request.layout is None:
        raise UsageError("it is not said whose key names the file shall have", advise("say-layout"))
    asked = _layout(request.layout)
    if request.output:
        _check_target(request.output, force=request.force)
    resolver = Resolver.load(settings, reporter)
    model = resolver.choose(request.model)
    layout = layout_for(asked, model.architecture.spec)
    suffix = _SUFFIXES[request.container]
    path = request.output or Path(f"{model.name}.{layout.name}.{suffix}")
    _check_target(path, force=request.force)

    from senet_cli.weights.write import checkpoint_bytes

    read = read_state(model)
    data = checkpoint_bytes(read.state, layout, request.container)
    _check_target(path, force=request.force)
    write_file(path, data, [model.start.path] if isinstance(model.start, FromFile) else [])
    manifest = resolver.catalogue.manifest
    architecture = replace(model.architecture, spec=read.spec)
    file = WrittenFile(path, request.container, architecture.spec.classes)
    load = " or ".join(_loaders(manifest, architecture, layout, file))
    caution = "" if load else _caution(manifest, architecture, layout)
    return Written(path, len(data), hashlib.sha256(data).hexdigest(), load, caution)


def _export_zip(request: ExportRequest, settings: Settings, reporter: Reporter) -> Written:
    if request.layout not in (None, SENET.name):
        raise UsageError(
            f"a model for senet is not written in the layout `{request.layout}`", "It has its own."
        )
    if request.output:
        _check_target(request.output, force=request.force)
    resolver = Resolver.load(settings, reporter)
    model = resolver.choose(request.model)
    known = resolver.catalogue.resolve(request.model)
    path = request.output or Path(f"{model.name}.zip")
    _check_target(path, force=request.force)

    from senet_cli.weights.write import checkpoint_bytes

    weights = checkpoint_bytes(read_state(model).state, SENET, "safetensors")
    labels = None if is_packaged(known.labels.name) else known.labels
    others = beside(known.folder) if known.folder else {}
    done = progress_of(known.checkpoint) if known.folder else None
    data = packed(known.checkpoint, labels, weights, others, done)
    _check_target(path, force=request.force)
    write_file(path, data, [model.start.path] if isinstance(model.start, FromFile) else [])
    sha256, name = hashlib.sha256(data).hexdigest(), known.checkpoint.name
    return Written(path, len(data), sha256, "", "", name, name_elsewhere(name))


def _layout(name: str) -> KeyLayout:
    if name not in WRITABLE:
        raise UsageError(
            f"no file can be written in a layout `{name[:80]}`", f"Layouts: {', '.join(WRITABLE)}."
        )
    return WRITABLE[name]


def _check_target(path: Path, *, force: bool) -> None:
    if os.path.isdir(path):  # noqa: PTH112 - False where one may not look
        raise UsageError(f"`{path}` is a folder", advise("another-file"))
    if not os.path.isdir(path.parent):  # noqa: PTH112
        raise UsageError(f"there is no folder `{path.parent}`", "Make it.", advise("another-file"))
    if os.path.exists(path) and not force:  # noqa: PTH110
        raise UsageError(f"`{path}` is there already", advise("another-file-or-force"))
    check_target(path)


# --- whose software reads it --------------------------------------------------------------------


def _loaders(
    manifest: Manifest, architecture: Architecture, layout: KeyLayout, file: WrittenFile
) -> Iterator[str]:
    """How the software of a layout loads the file; nothing where it builds no such network."""
    for publisher, builder in _builders(manifest, architecture, layout):
        if publisher.loader:
            yield publisher.loader(builder, file)


def _builders(
    manifest: Manifest, architecture: Architecture, layout: KeyLayout
) -> list[tuple[Publisher, str]]:
    """Whose software builds networks of this very structure, and what it calls them.

    One name of each publisher, if there is one that means as many classes: our own keys, or the aliases of
    the published checkpoints.
    """
    classes = architecture.spec.classes
    if publisher_of(layout).by_key:
        known = manifest.architectures.get(architecture.key)
        same = known is not None and known.spec.with_classes(classes) == architecture.spec
        return [(publisher_of(layout), architecture.key)] if same else []
    software = {publisher.name: publisher for publisher in PUBLISHERS if publisher.loader}
    found: dict[str, str] = {}
    published = [
        checkpoint
        for checkpoint in manifest.checkpoints.values()
        if checkpoint.architecture.spec.with_classes(classes) == architecture.spec
        and any(held.layout == layout.name for held in checkpoint.files)
    ]
    for checkpoint in sorted(published, key=lambda each: each.architecture.spec.classes != classes):
        for alias in checkpoint.aliases:
            name, _, builder = alias.partition("/")
            if name in software and builder:
                found.setdefault(name, builder.partition(".")[0])
    return [(software[name], builder) for name, builder in found.items()]


def _caution(manifest: Manifest, architecture: Architecture, layout: KeyLayout) -> str:
    """Networks that would take the file without an error, and answer differently."""
    ours = architecture.spec
    for known in manifest.architectures.values():
        theirs = known.spec.with_classes(ours.classes)
        if replace(theirs, dropout=ours.dropout) == ours:
            continue  # only training tells them apart
        if theirs.parameters() != ours.parameters() or not _same_tensors(theirs, ours):
            continue
        if builders := _builders(manifest, replace(known, spec=theirs), layout):
            publisher, builder = builders[0]
            return (
                f"`{builder}` of {publisher.name} takes this file without an error and answers differently: "
                f"it has {only_in(theirs, ours)}, these weights were trained with {only_in(ours, theirs)}"
            )
    return ""


def _same_tensors(one: Spec, other: Spec) -> bool:
    from senet_cli.graphs.parameters import expected_shapes

    return expected_shapes(one) == expected_shapes(other)
