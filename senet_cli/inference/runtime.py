"""Which engine runs on which device, and starting it: conversions are made once and kept."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from senet_cli.catalogue.entries import Preprocess
from senet_cli.errors import DeviceError, DiskError
from senet_cli.inference.engines import openvino
from senet_cli.inference.engines.base import (
    DeviceFacts,
    Engine,
    EngineName,
    EngineRequest,
    Precision,
    check_device,
    resolve_device,
    resolve_engine,
)
from senet_cli.inference.engines.drivers import may_have_gpu
from senet_cli.settings import Settings
from senet_cli.specs import Spec
from senet_cli.store.conversions import Converted, ConvertedStore, Facts
from senet_cli.weights.publishers import find_layout

if TYPE_CHECKING:
    from senet_cli.nets.network import SENetwork

Tell = Callable[[str], None]
"""Called with a line that is of interest to those who ask for details."""


@dataclass(frozen=True, slots=True)
class Weights:
    """A network to run.

    Args:
        name: for messages.
        path: the verified file; None where a conversion is known to be there and the file is not.
        sha256: its digest.
        layout: whose key names the file uses; None where it is recognised and the head tells the number of
            classes.
        spec: the exact structure.
        preprocess: for crop, mean and std.
        conversion: that of the file, where it was found already.
    """

    name: str
    path: Path | None
    sha256: str
    layout: str | None
    spec: Spec
    preprocess: Preprocess
    conversion: Converted | None = None


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a network runs on.

    Args:
        engine, device, precision: as resolved.
        processors: how many the engine may use.
        latency: True where single images count: all processors work on one batch; else one batch each.
    """

    engine: EngineName
    device: str
    precision: Precision
    processors: int
    latency: bool = False

    def __str__(self) -> str:
        return f"{self.engine} on {self.device}, {self.precision}"


def resolve_runtime(
    engine: EngineRequest, device: str, precision: Precision, *, latency: bool = False
) -> Runtime:
    """What to run on, from what was asked for and what this machine has.

    PyTorch is imported only where there may be a GPU or one was asked for.

    Raises:
        UsageError: no such device, or an engine that does not drive it.
        DeviceError: a device, engine or precision that this machine does not have.
    """
    check_device(device)
    if engine == "openvino":  # which no other device can run
        resolved = "cpu" if device == "auto" else device
    else:
        resolved = resolve_device(device, _facts(device))
    name = resolve_engine(engine, resolved, openvino=openvino.is_installed())
    if name == "openvino" and not openvino.calculates(precision):
        if engine == "openvino":
            raise DeviceError(
                f"this processor does not calculate in {precision}",
                "Use --precision fp32, or --engine torch.",
            )
        name = "torch"
    return Runtime(name, resolved, precision, processors(), latency)


def _facts(device: str) -> DeviceFacts:
    if device == "cpu" or (device == "auto" and not may_have_gpu()):
        return DeviceFacts()
    from senet_cli.inference.engines.torch import device_facts

    return device_facts()


def processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# --- starting -----------------------------------------------------------------------------------


def start_engine(weights: Weights, runtime: Runtime, settings: Settings, tell: Tell) -> tuple[Engine, int]:
    """An engine that runs these weights, and the number of its classes.

    Raises:
        CheckpointError: the file does not fit the structure.
        DeviceError: the device has no room, or not this precision.
        DiskError: the file cannot be read.
    """
    if runtime.engine == "torch":
        from senet_cli.inference.engines.torch import TorchEngine

        network = load_weights(weights)
        engine = TorchEngine(
            network,
            weights.preprocess,
            runtime.device,
            runtime.precision,
            processors=runtime.processors,
            latency=runtime.latency,
        )
        return engine, network.spec.classes
    return _start_openvino(weights, runtime, settings, tell)


def find_conversion(weights: Weights, settings: Settings) -> Converted | None:
    """The conversion, where one is there and the weights' file is not needed any more."""
    return ConvertedStore(settings).find(_conversion_facts(weights))


def convert(weights: Weights, settings: Settings, tell: Tell) -> Converted:
    """The conversion for OpenVINO, made now if it is not there.

    Raises:
        CheckpointError: the file does not fit the structure.
        DiskError: the cache cannot be written.
    """
    if weights.conversion:
        return weights.conversion
    store, facts = ConvertedStore(settings), _conversion_facts(weights)
    if found := store.find(facts):
        return found
    with store.locked(facts, lambda: tell(f"another process converts `{weights.name}`; waiting for it")):
        if found := store.find(facts):
            return found
        tell(f"converting `{weights.name}` for OpenVINO, this once")
        return store.put(facts, lambda folder: _convert_into(folder, weights))


def _start_openvino(weights: Weights, runtime: Runtime, settings: Settings, tell: Tell) -> tuple[Engine, int]:
    with contextlib.ExitStack() as stack:
        try:
            converted = convert(weights, settings, tell)
        except DiskError as error:
            tell(f"the conversion cannot be kept: {error.message}")
            folder = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="senet-", ignore_cleanup_errors=True))
            )
            converted = Converted(folder, _convert_into(folder, weights))
        engine = openvino.OpenVINOEngine(
            converted.folder / openvino.NETWORK_FILE,
            converted.folder / openvino.WEIGHTS_FILE,
            runtime.precision,
            streams=1 if runtime.latency else runtime.processors,
            threads=runtime.processors,
        )
    return engine, converted.notes["classes"]


def _convert_into(folder: Path, weights: Weights) -> dict[str, int]:
    from senet_cli.inference.engines import openvino_convert

    network = load_weights(weights)
    openvino_convert.save(openvino_convert.convert(network, weights.preprocess), folder)
    return {"classes": network.spec.classes}


def _conversion_facts(weights: Weights) -> Facts:
    """All that decides a conversion. Any precision of calculation starts from weights in float32."""
    numbers = weights.preprocess
    return {
        "weights": weights.sha256,
        "structure": hashlib.sha256(repr(weights.spec).encode()).hexdigest(),
        "layout": weights.layout or "recognised",
        "input": f"{numbers.crop} {numbers.mean} {numbers.std}",
        "engine": f"openvino {openvino.import_openvino().__version__}",
        "converter": openvino.CONVERTER,
        "precision": "fp32",
    }


def load_weights(weights: Weights) -> SENetwork:
    """The network in PyTorch, in evaluation mode on the CPU, float32.

    Raises:
        CheckpointError: the file does not fit the structure.
        DiskError: the file cannot be read.
    """
    from senet_cli.weights.read import load_network, load_own_network

    path = _file(weights)
    if weights.layout is None:
        return load_own_network(path, weights.spec)
    return load_network(path, weights.spec, find_layout(weights.layout))


def _file(weights: Weights) -> Path:
    if weights.path is None:
        raise DiskError(f"the file of `{weights.name}` is gone", f"`senet download {weights.name}` gets it.")
    return weights.path
