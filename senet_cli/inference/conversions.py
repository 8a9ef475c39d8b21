"""Networks converted for OpenVINO: made once from a file of weights, then started without PyTorch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from senet_cli.catalogue.entries import Preprocess
from senet_cli.events import ConversionStarted, Reporter, WaitingForProcess
from senet_cli.graphs import openvino as graphs
from senet_cli.inference.engines import openvino
from senet_cli.inference.models import FromConversion, FromFile, RunnableModel, read_state
from senet_cli.settings import Settings
from senet_cli.specs import Spec
from senet_cli.store.converted import ConversionKey, Converted, ConvertedStore
from senet_cli.weights.taken import Taken


def conversion_key(sha256: str, layout: str, spec: Spec, preprocess: Preprocess) -> ConversionKey:
    """List all that decides a conversion. Any precision of calculation starts from weights in float32."""
    return {
        "weights": sha256,
        "structure": hashlib.sha256(repr(spec).encode()).hexdigest(),
        "layout": layout,
        "input": f"{preprocess.crop} {preprocess.mean} {preprocess.std}",
        "engine": f"openvino {graphs.import_openvino().__version__}",
        "converter": openvino.CONVERTER,
        "precision": "fp32",
    }


def find_conversion(key: ConversionKey, settings: Settings) -> FromConversion | None:
    """Look for a verified conversion in the caches."""
    found = ConvertedStore(settings).find(key)
    return _start(found, key) if found else None


def ensure_converted(model: RunnableModel, settings: Settings, reporter: Reporter) -> FromConversion:
    """Convert a model for OpenVINO and keep the result, unless that was done before.

    Raises:
        CheckpointError: the file does not fit the structure.
        DiskError: the cache cannot be written.
    """
    if isinstance(model.start, FromConversion):
        return model.start
    store, key = ConvertedStore(settings), _key(model, model.start)
    if found := store.find(key):
        return _start(found, key)
    with store.locked(key, lambda: reporter.report(WaitingForProcess("converting", model.name))):
        if found := store.find(key):
            return _start(found, key)
        reporter.report(ConversionStarted(model.name))
        return _start(store.put(key, lambda folder: _convert_into(folder, model)), key)


def convert_into(folder: Path, model: RunnableModel) -> FromConversion:
    """Convert a model into a folder of the caller's, for where the cache cannot be written.

    Raises:
        CheckpointError: the file does not fit the structure.
    """
    if isinstance(model.start, FromConversion):
        return model.start
    notes = _convert_into(folder, model)
    return FromConversion(folder, model.start.sha256, notes["classes"], _taken(notes))


def _key(model: RunnableModel, start: FromFile) -> ConversionKey:
    layout = start.layout or f"recognised, {start.weights_key or 'the preferred set'}"
    return conversion_key(start.sha256, layout, model.architecture.spec, model.preprocess)


def _start(converted: Converted, key: ConversionKey) -> FromConversion:
    notes = converted.notes
    return FromConversion(converted.folder, str(key["weights"]), notes["classes"], _taken(notes))


def _taken(notes: Mapping[str, Any]) -> Taken | None:
    return Taken.from_notes(notes["taken"]) if "taken" in notes else None


def _convert_into(folder: Path, model: RunnableModel) -> dict[str, Any]:
    read = read_state(model)
    graph = graphs.build(read.spec, read.state, model.preprocess)
    graphs.save(graph, folder / openvino.NETWORK_FILE)
    return {"classes": read.spec.classes} | ({"taken": read.taken.as_notes()} if read.taken else {})
