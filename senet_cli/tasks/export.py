"""Writing a checkpoint as another publisher's software reads it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from senet_cli.catalogue.entries import Architecture
from senet_cli.catalogue.lookup import Manifest
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.catalogue.traits import structure_in_words
from senet_cli.errors import DiskError, UsageError
from senet_cli.events import Reporter
from senet_cli.inference.models import load_torch_network
from senet_cli.inference.resolve import Resolver
from senet_cli.settings import Settings
from senet_cli.store.files import write_atomically
from senet_cli.weights.layouts import WRITABLE, KeyLayout, layout_for

Container = Literal["safetensors", "torch"]
_SUFFIXES: dict[Container, str] = {"safetensors": "safetensors", "torch": "pth"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What to write.

    Args:
        model: the model.
        container: kind of file.
        layout: whose key names it gets.
        output: the file; None: a name of its own in the current folder.
        force: True to replace a file that is there.
    """

    model: ModelRef
    container: Container
    layout: str
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
    """

    path: Path
    size: int
    sha256: str
    load: str
    caution: str


def export(request: ExportRequest, settings: Settings, reporter: Reporter) -> Written:
    """Write a checkpoint, which is downloaded if it is not there yet, in a publisher's layout.

    Raises:
        UsageError: no such layout, it has no name for a part of this network, or the file is there already.
        DiskError: the file cannot be written.
        SenetError: the model is unknown or cannot be had.
    """
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

    network = load_torch_network(model)
    data = checkpoint_bytes(network, layout, request.container)
    _check_target(path, force=request.force)
    try:
        write_atomically(path, data, shared=True)
    except OSError as error:
        raise DiskError.from_os_error(error, f"writing `{path}`", "Choose another file for -o.") from error
    manifest = resolver.catalogue.manifest
    architecture = replace(model.architecture, spec=network.spec)
    load = " or ".join(_loaders(manifest, architecture, layout.name, path, request.container))
    caution = "" if load else _caution(manifest, architecture, layout.name)
    return Written(path, len(data), hashlib.sha256(data).hexdigest(), load, caution)


def _layout(name: str) -> KeyLayout:
    if name not in WRITABLE:
        raise UsageError(
            f"no file can be written in a layout `{name[:80]}`", f"Layouts: {', '.join(WRITABLE)}."
        )
    return WRITABLE[name]


def _check_target(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise UsageError(f"`{path}` is a folder", "Give -o the file to write.")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder `{path.parent}`", "Make it, or choose another file for -o.")
    if path.exists() and not force:
        raise UsageError(f"`{path}` is there already", "Give another -o, or --force to replace it.")


# --- whose software reads it --------------------------------------------------------------------


def _loaders(
    manifest: Manifest, architecture: Architecture, layout: str, path: Path, container: Container
) -> Iterator[str]:
    """How the software of a layout loads the file; nothing where it builds no such network."""
    classes = architecture.spec.classes
    if layout == "senet":
        known = manifest.architectures.get(architecture.key)
        if known and known.spec.with_classes(classes) == architecture.spec:
            yield f"senet predict --weights {path} --arch {architecture.key}"
        return
    for package, builder in _builders(manifest, architecture, layout):
        yield _call(package, builder, classes, path, container)


def _builders(manifest: Manifest, architecture: Architecture, layout: str) -> list[tuple[str, str]]:
    """(package, name) of networks of this very structure, from the names of the published checkpoints.

    One name of each package, if there is one that means as many classes.
    """
    found: dict[str, str] = {}
    classes = architecture.spec.classes
    same = [
        checkpoint
        for checkpoint in manifest.checkpoints.values()
        if checkpoint.architecture.spec.with_classes(classes) == architecture.spec
        and any(file.layout == layout for file in checkpoint.files)
    ]
    for checkpoint in sorted(same, key=lambda each: each.architecture.spec.classes != classes):
        for alias in checkpoint.aliases:
            publisher, _, name = alias.partition("/")
            if publisher in _PACKAGES and name:
                found.setdefault(publisher, name.partition(".")[0])
    return list(found.items())


_PACKAGES = {"timm", "cadene", "mmpretrain", "pytorchcv"}
"""Publishers whose aliases are what their package calls the network."""


def _call(publisher: str, builder: str, classes: int, path: Path, container: Container) -> str:
    if publisher == "timm":
        return f'timm.create_model("{builder}", num_classes={classes}, checkpoint_path="{path}")'
    if publisher == "mmpretrain":
        head = "" if classes == 1000 else f", head=dict(num_classes={classes})"
        return f'mmpretrain.get_model("{builder}", pretrained="{path}"{head})'
    reader = "safetensors.torch.load_file" if container == "safetensors" else "torch.load"
    if publisher == "pytorchcv":
        network = f'pytorchcv.model_provider.get_model("{builder}", num_classes={classes})'
    else:
        network = f"pretrainedmodels.{builder}(num_classes={classes}, pretrained=None)"
    return f'{network}.load_state_dict({reader}("{path}"))'


def _caution(manifest: Manifest, architecture: Architecture, layout: str) -> str:
    """Networks that would take the file without an error, and answer differently."""
    classes, count = architecture.spec.classes, architecture.spec.parameters()
    for known in manifest.architectures.values():
        other = replace(known, spec=known.spec.with_classes(classes))
        if other.spec.parameters() != count or not _same_tensors(other, architecture):
            continue
        if builders := _builders(manifest, other, layout):
            ours, theirs = structure_in_words(architecture.spec), structure_in_words(other.spec)
            return (
                f"`{builders[0][1]}` of {builders[0][0]} takes this file without an error and answers "
                f"differently: it has {_only_in(theirs, ours)}, these weights were trained with "
                f"{_only_in(ours, theirs)}"
            )
    return ""


def _same_tensors(one: Architecture, other: Architecture) -> bool:
    from senet_cli.weights.read import expected_shapes

    return expected_shapes(one.spec) == expected_shapes(other.spec)


def _only_in(one: str, other: str) -> str:
    known = other.split(", ")
    return ", ".join(part for part in one.split(", ") if part not in known)
