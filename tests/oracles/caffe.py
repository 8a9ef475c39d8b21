"""Caffe networks for comparisons: prototxts read, .caffemodel files written, OpenCV's reader as the judge."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Weights = list[tuple["Layer", list[Array]]]
NETWORKS = {
    "SE-ResNet-50": "seresnet50",
    "SE-ResNet-101": "seresnet101",
    "SE-ResNet-152": "seresnet152",
    "SE-ResNeXt-50": "seresnext50_32x4d",
    "SE-ResNeXt-101": "seresnext101_32x4d",
    "SE-BN-Inception": "sebninception",
    "SENet-154": "senet154",
}
"""The authors' prototxts, and our architecture keys without `-caffe`."""
_AXPY = re.compile(
    r"""layer \{\s+name: "(\S+)"\s+type: "Axpy"\s+bottom: "(\S+)"\s+bottom: "(\S+)"\s+bottom: "(\S+)"
\s+top: "(\S+)"\s+\}"""
)
_SPELLED_OUT = r"""
layer { name: "\1/a" type: "Reshape" bottom: "\2" top: "\1/a" reshape_param { shape { dim: 0 dim: 0 } } }
layer { name: "\1/ax" type: "Scale" bottom: "\3" bottom: "\1/a" top: "\1/ax" scale_param { axis: 0 } }
layer { name: "\1" type: "Eltwise" bottom: "\1/ax" bottom: "\4" top: "\5" }
"""
_SCALE_FACTOR = np.float32(999.5)


@dataclass(frozen=True)
class Layer:
    """A layer of a prototxt that has weights.

    Args:
        name, kind: as written.
        shapes: of its blobs.
        numbers: `convolution_param` and the like.
    """

    name: str
    kind: str
    shapes: tuple[tuple[int, ...], ...]
    numbers: dict[str, Any]


# --- prototxts ----------------------------------------------------------------------------------


def parse_prototxt(text: str) -> dict[str, list[Any]]:
    """Every message as name -> values in their order; a value is a message or a word."""
    words = iter(re.findall(r'"[^"]*"|[{}]|[^\s{}]+', re.sub("#.*", "", text)))

    def message() -> dict[str, list[Any]]:
        fields: dict[str, list[Any]] = {}
        for word in words:
            if word == "}":
                break
            value = next(words)
            found = message() if value == "{" else value.strip('"')
            fields.setdefault(word.removesuffix(":"), []).append(found)
        return fields

    return message()


def layers_of(prototxt: Path) -> Iterator[Layer]:
    """The layers with weights, their blobs' shapes from what flows into them."""
    channels: dict[str, int] = {}
    for layer in parse_prototxt(prototxt.read_text())["layer"]:
        (name,), (kind,) = layer["name"], layer["type"]
        inputs = [channels[bottom] for bottom in layer.get("bottom", [])]
        written = next((value[0] for key, value in layer.items() if key.endswith("_param")), {})
        numbers: dict[str, Any] = {key: value[0] for key, value in written.items()}
        before = inputs[0] if inputs else 3
        shapes = _shapes(kind, numbers, before) if len(inputs) == 1 else ()
        if kind == "Concat":
            before = sum(inputs)
        elif kind == "Axpy":
            before = inputs[1]
        channels[layer["top"][0]] = int(numbers.get("num_output", before))
        if shapes:
            yield Layer(name, kind, shapes, numbers)


def _shapes(kind: str, numbers: dict[str, Any], channels: int) -> tuple[tuple[int, ...], ...]:
    out = int(numbers.get("num_output", 0))
    if kind == "Convolution":
        side = int(numbers["kernel_size"])
        weight = (out, channels // int(numbers.get("group", 1)), side, side)
        return (weight,) if numbers.get("bias_term") == "false" else (weight, (out,))
    if kind == "InnerProduct":
        return ((out, channels), (out,))
    if kind == "BatchNorm":
        return ((channels,), (channels,), (1,))
    return ((channels,), (channels,)) if kind == "Scale" else ()


# --- files --------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    groups = [number >> shift & 0x7F for shift in range(0, max(1, number.bit_length()), 7)]
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


def field(number: int, value: bytes) -> bytes:
    """A field of bytes, text or a message, as the wire has it."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def blob_bytes(blob: Array) -> bytes:
    """A BlobProto: shape and packed floats."""
    dims = b"".join(map(varint, blob.shape))
    return field(7, field(1, dims)) + field(5, blob.astype("<f4").tobytes())


def layer_bytes(name: str, kind: str, blobs: list[Array]) -> bytes:
    """A LayerParameter within its network."""
    inner = field(1, name.encode()) + field(2, kind.encode()) + field(3, b"bottom") + field(4, b"top")
    return field(100, inner + b"".join(field(7, blob_bytes(blob)) for blob in blobs))


def write_caffemodel(path: Path, name: str, weights: Weights) -> Path:
    layers = b"".join(layer_bytes(layer.name, layer.kind, blobs) for layer, blobs in weights)
    path.write_bytes(field(1, name.encode()) + layer_bytes("data", "Input", []) + layers)
    return path


def random_weights(layers: list[Layer], seed: int = 0) -> Weights:
    """Weights of which every one has a say in the logits; `tests.oracles.nets.random_state` for Caffe."""
    random = np.random.default_rng(seed)
    weights: Weights = []
    for layer in layers:
        first = layer.shapes[0]
        if layer.kind == "BatchNorm":
            blobs = [
                random.normal(0, 0.2, first) * _SCALE_FACTOR,
                random.uniform(0.5, 1.5, first) * _SCALE_FACTOR,
                np.array([_SCALE_FACTOR]),
            ]
        elif layer.kind == "Scale":
            blobs = [random.uniform(0.7, 1.3, first) * _gain(layer.name), random.normal(0, 0.2, first)]
        else:
            gate = layer.name.endswith(("_1x1_down", "_1x1_up"))
            gain = 2.0 if gate else 1.0 if layer.kind == "InnerProduct" else math.sqrt(2)
            blobs = [random.normal(0, gain / math.sqrt(math.prod(first[1:])), first)]
            if len(layer.shapes) == 2:
                blobs.append(random.normal(0, 0.5, layer.shapes[1]))
        weights.append((layer, [blob.astype(np.float32) for blob in blobs]))
    return weights


def _gain(name: str) -> float:
    """The image comes in as 0..255; residual branches are damped; SE modules halve what passes."""
    if name.startswith("conv1") and ("7x7" in name or "_1/" in name):
        return 0.02
    if name.startswith("inception"):
        return 1.1
    return 0.25 if "_increase" in name else 1.0


# --- OpenCV -------------------------------------------------------------------------------------


def opencv_logits(prototxt: Path, caffemodel: Path, images: NDArray[np.uint8]) -> Array:
    """What OpenCV makes of the file: RGB (N, 3, size, size) uint8 -> (N, classes) in the file's order.

    The network is the authors' but for two things: the last pool is made global, so that any size passes, and
    the layer of their own that they describe as Axpy, a * x + y, is spelled in Caffe's layers as in their
    SE-BN-Inception; OpenCV's reader knows an Axpy that is x + a * y.
    """
    import cv2

    text = prototxt.read_text()
    kernel = r"(pool: AVE\s+)kernel_size: 7\s+stride: 1"
    text, pools = re.subn(kernel, r"\1global_pooling: true", text)
    text, sides = re.subn(r"dim: 224", f"dim: {images.shape[-1]}", text)
    assert (pools, sides) == (1, 2)
    text = _AXPY.sub(_SPELLED_OUT, text)
    assert "Axpy" not in text
    described = caffemodel.with_suffix(".prototxt")
    described.write_text(text)
    network = cv2.dnn.readNetFromCaffe(str(described), str(caffemodel))
    network.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    network.enableWinograd(False)
    bgr = images[:, ::-1].astype(np.float32) - np.array([104, 117, 123], np.float32).reshape(1, 3, 1, 1)
    rows = []
    for image in bgr:
        network.setInput(image[None])
        rows.append(network.forward("classifier").reshape(1, -1).copy())
    return np.concatenate(rows)
