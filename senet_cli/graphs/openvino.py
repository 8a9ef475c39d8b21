"""Networks as graphs of OpenVINO, built from their numbers and their weights; PyTorch is not needed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from senet_cli.catalogue.entries import Preprocess
from senet_cli.specs import Conv, Spec

if TYPE_CHECKING:
    from senet_cli.graphs.wiring import Window

State = Mapping[str, NDArray[np.float32]]
_EPSILON = 1e-5
"""What PyTorch's norms, and Caffe's, add to the variance."""


def is_installed() -> bool:
    """Return True if the library is there; it is not imported."""
    return importlib.util.find_spec("openvino") is not None


def import_openvino() -> Any:
    """Import the library without its converter, whose import takes time.

    The converter would also import the library's telemetry, which looks up a host's name there and then.
    """
    if imported := sys.modules.get("openvino"):
        return imported
    with _hidden("openvino.tools.ovc"), _hidden("openvino_telemetry"):
        return importlib.import_module("openvino")


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Within the block, importing `package` fails as if it were not installed."""
    before = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if before is None:
            del sys.modules[package]
        else:
            sys.modules[package] = before


def build(spec: Spec, state: State, preprocess: Preprocess) -> Any:
    """Build a graph for any number of images of the crop's size, with the normalisation as its first layer.

    Args:
        spec: the exact structure.
        state: the network's tensors under our names, float32.
        preprocess: for side, mean and std.

    Returns:
        An OpenVINO model: pixels (N, crop, crop, 3) uint8, RGB 0..255 -> logits (N, classes) and features
        (N, feature_channels), float32.
    """
    from senet_cli.graphs.wiring import wire  # not for networks that are converted already

    operations = _OpenVINO(state)
    side = preprocess.crop
    pixels = operations.library.parameter([-1, side, side, 3], np.uint8, name="pixels")
    logits, features = wire(spec, operations, operations.normalised(pixels, preprocess))
    for node, name in ((pixels, "pixels"), (logits, "logits"), (features, "features")):
        node.output(0).get_tensor().set_names({name})
    return import_openvino().Model([logits, features], [pixels], "senet")


def save(model: Any, path: Path) -> None:
    """Write a graph as `path` (XML), and its weights beside it; they are not rounded to fp16."""
    import_openvino().save_model(model, path, compress_to_fp16=False)


class _OpenVINO:
    """The operations of `graphs.wiring` as nodes of OpenVINO.

    Batch norms are folded into the convolutions before them in float64, so that float32 weights lose no more.
    """

    def __init__(self, state: State) -> None:
        self._constant = import_openvino().op.Constant
        self.library = importlib.import_module("openvino.opset14")  # the first with PyTorch's ceil mode
        self._state = state

    def normalised(self, pixels: Any, preprocess: Preprocess) -> Any:
        """Calculate as torchvision's ToTensor and Normalize do, in float32; (N, H, W, 3) -> (N, 3, H, W)."""
        ops = self.library
        mean, std = (
            self._numbers(np.array(numbers).reshape(1, 1, 1, 3))
            for numbers in (preprocess.mean, preprocess.std)
        )
        unit = ops.divide(ops.convert(pixels, np.float32), np.float32(255))
        return ops.transpose(ops.divide(ops.subtract(unit, mean), std), [0, 3, 1, 2])

    def convolution(self, x: Any, conv: Conv, name: str, norm: str | None = None) -> Any:
        weight, shift = self._state[f"{name}.weight"], None
        if norm is not None:
            scale, shift = self._scale_and_shift(norm)
            scaled = np.empty_like(weight)  # calculated in float64, a piece at a time
            weight = np.multiply(weight, scale.reshape(-1, 1, 1, 1), out=scaled, casting="same_kind")
        steps, padding = [conv.stride] * 2, [conv.padding] * 2
        if conv.groups == 1:
            filters = self._numbers(weight)
            x = self.library.convolution(x, filters, steps, padding, padding, [1, 1])
        else:
            filters = self._numbers(weight.reshape(conv.groups, -1, *weight.shape[1:]))
            x = self.library.group_convolution(x, filters, steps, padding, padding, [1, 1])
        return x if shift is None else self.library.add(x, self._per_channel(shift))

    def batch_norm(self, x: Any, channels: int, name: str) -> Any:
        del channels
        scale, shift = self._scale_and_shift(name)
        return self._affine(x, scale, shift)

    def instance_batch_norm(self, x: Any, channels: int, name: str) -> Any:
        half = channels // 2
        first, second = self.library.variadic_split(x, 1, [half, channels - half]).outputs()
        normed = self.library.mvn(first, [2, 3], True, _EPSILON, "INSIDE_SQRT")
        weight, bias = (self._state[f"{name}.instance.{tensor}"] for tensor in ("weight", "bias"))
        return self.concatenate(
            [self._affine(normed, weight, bias), self.batch_norm(second, channels - half, f"{name}.batch")]
        )

    def pool(self, x: Any, window: Window) -> Any:
        kernel, steps, padding = ([n] * 2 for n in (window.kernel, window.stride, window.padding))
        rounding = "ceil_torch" if window.ceil_mode else "floor"
        if window.kind == "max":
            return self.library.max_pool(x, steps, [1, 1], padding, padding, kernel, rounding).output(0)
        counts_no_padding = window.padding == 0
        return self.library.avg_pool(x, steps, padding, padding, kernel, counts_no_padding, rounding)

    def mean(self, x: Any) -> Any:
        return self.library.reduce_mean(x, [2, 3])

    def linear(self, x: Any, shape: tuple[int, int], name: str, *, bias: bool = True) -> Any:
        del shape
        product = self.library.matmul(x, self._numbers(self._state[f"{name}.weight"]), False, True)
        if not bias:
            return product
        return self.library.add(product, self._numbers(self._state[f"{name}.bias"][None]))

    def scale(self, x: Any, gates: Any) -> Any:
        return self.library.multiply(x, self.library.unsqueeze(self.library.sigmoid(gates), [2, 3]))

    def relu(self, x: Any) -> Any:
        return self.library.relu(x)

    def add(self, x: Any, y: Any) -> Any:
        return self.library.add(x, y)

    def concatenate(self, maps: Sequence[Any]) -> Any:
        return self.library.concat(list(maps), 1)

    def _affine(self, x: Any, scale: NDArray[Any], shift: NDArray[Any]) -> Any:
        scaled = self.library.multiply(x, self._per_channel(scale))
        return self.library.add(scaled, self._per_channel(shift))

    def _scale_and_shift(self, norm: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        weight, bias, mean, variance = (
            self._state[f"{norm}.{tensor}"].astype(np.float64)
            for tensor in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / np.sqrt(variance + _EPSILON)
        return scale, bias - mean * scale

    def _per_channel(self, values: NDArray[Any]) -> Any:
        return self._numbers(values.reshape(1, -1, 1, 1))

    def _numbers(self, values: NDArray[Any]) -> Any:
        """Make a node of an array, which an operation itself would take through a list of Python."""
        return self._constant(np.ascontiguousarray(values, np.float32))
