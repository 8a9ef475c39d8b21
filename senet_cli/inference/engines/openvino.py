"""The OpenVINO engine: converted networks on the CPU, without PyTorch."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from senet_cli.graphs.openvino import import_openvino
from senet_cli.inference.engines.base import UNLIMITED, EngineName, Precision

CONVERTER = 2
"""Version of what `senet_cli.graphs.openvino` builds; older conversions are made anew."""
NETWORK_FILE, WEIGHTS_FILE = "network.xml", "network.bin"

_HINTS: dict[Precision, str] = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_CAPABILITIES: dict[Precision, str] = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16"}


def calculates(precision: Precision) -> bool:
    """Return True if this processor calculates in that format; others would be replaced without a word."""
    if precision == "fp32":
        return True
    offered = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return _CAPABILITIES[precision] in offered


class OpenVINOEngine:
    """A converted network on the CPU.

    Args:
        network: the network's description (XML); pixels (N, H, W, 3) uint8 in, logits and features out.
        weights: its weights, float32.
        precision: one that this processor `calculates` in; results are float32.
        streams: batches that are calculated side by side, one thread each; 1 takes all threads for one batch.
        threads: processors to use.
    """

    name: EngineName = "openvino"
    device = "cpu"
    largest_batch = UNLIMITED

    _first = threading.Lock()
    _called = False

    def __init__(
        self, network: Path, weights: Path, precision: Precision, streams: int, threads: int
    ) -> None:
        core = import_openvino().Core()
        compiled = core.compile_model(
            core.read_model(network, weights),
            "CPU",
            {  # the library would choose bf16 by itself on processors that calculate in it
                "INFERENCE_PRECISION_HINT": _HINTS[precision],
                "NUM_STREAMS": streams,
                "INFERENCE_NUM_THREADS": threads,
            },
        )
        self.streams = streams
        self._requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pixels (N, H, W, 3), RGB 0..255 -> logits (N, classes)."""
        return self._one_at_first(pixels, 0)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Map pixels (N, H, W, 3), RGB 0..255 -> pooled features (N, channels)."""
        return self._one_at_first(pixels, 1)

    def _one_at_first(self, pixels: NDArray[np.uint8], output: int) -> NDArray[np.float32]:
        """Run the first batch of a process alone, whichever engine it belongs to.

        The library's binding fills its tables of number formats at the first call, and two threads that do so
        at once wait for each other for ever: one for the table, holding Python's lock, the other vice versa.
        """
        if OpenVINOEngine._called:
            return self._run(pixels, output)
        with OpenVINOEngine._first:
            values = self._run(pixels, output)
            OpenVINOEngine._called = True
        return values

    def _run(self, pixels: NDArray[np.uint8], output: int) -> NDArray[np.float32]:
        request = self._requests.get()
        try:
            results = request.infer({0: pixels}, share_inputs=True)
            values: NDArray[np.float32] = np.array(results[output], np.float32)
        finally:
            self._requests.put(request)
        return values
