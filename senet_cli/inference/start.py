"""Starting an engine with a model's weights."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from senet_cli.errors import DiskError
from senet_cli.events import ConversionNotKept, Reporter, WeightsTaken
from senet_cli.inference.conversions import convert_into, ensure_converted
from senet_cli.inference.engines import openvino
from senet_cli.inference.engines.base import Engine
from senet_cli.inference.models import FromFile, RunnableModel, read_state
from senet_cli.inference.runtime import Runtime
from senet_cli.settings import Settings
from senet_cli.weights.taken import Taken


def start_engine(
    model: RunnableModel, runtime: Runtime, settings: Settings, reporter: Reporter
) -> tuple[Engine, int]:
    """Start an engine that runs a model; returns it with the number of the network's classes.

    Raises:
        CheckpointError: the file does not fit the structure.
        DeviceError: the device has no room, or not this precision.
        DiskError: the file cannot be read.
    """
    if runtime.engine == "torch":
        return _start_torch(model, runtime, reporter)
    return _start_openvino(model, runtime, settings, reporter)


def _start_torch(model: RunnableModel, runtime: Runtime, reporter: Reporter) -> tuple[Engine, int]:
    from senet_cli.inference.engines.torch import TorchEngine
    from senet_cli.nets.network import network_from_state

    read = read_state(model)
    _report(read.taken, model, reporter)
    network = network_from_state(read.spec, read.state)
    engine = TorchEngine(
        network,
        model.preprocess,
        runtime.device,
        runtime.precision,
        processors=runtime.processors,
        latency=runtime.latency,
        exact=runtime.exact,
    )
    return engine, network.spec.classes


def _start_openvino(
    model: RunnableModel, runtime: Runtime, settings: Settings, reporter: Reporter
) -> tuple[Engine, int]:
    with contextlib.ExitStack() as stack:
        try:
            converted = ensure_converted(model, settings, reporter)
        except DiskError as error:
            reporter.report(ConversionNotKept(error))
            folder = tempfile.TemporaryDirectory(prefix="senet-", ignore_cleanup_errors=True)
            converted = convert_into(Path(stack.enter_context(folder)), model)
        engine = openvino.OpenVINOEngine(
            converted.folder / openvino.NETWORK_FILE,
            converted.folder / openvino.WEIGHTS_FILE,
            runtime.precision,
            streams=1 if runtime.latency else runtime.processors,
            threads=runtime.processors,
        )
    _report(converted.taken, model, reporter)
    return engine, converted.classes


def _report(taken: Taken | None, model: RunnableModel, reporter: Reporter) -> None:
    if taken is not None and (words := taken.in_words()):
        asked = isinstance(model.start, FromFile) and model.start.weights_key is not None
        reporter.report(WeightsTaken(words, several=taken.chosen, asked=asked))
