"""Names and shapes of all tensors that a network holds, without building it."""

from __future__ import annotations

from collections.abc import Sequence

from senet_cli.graphs.wiring import Window, wire
from senet_cli.specs import Conv, Spec

Shapes = dict[str, tuple[int, ...]]


def expected_shapes(spec: Spec) -> Shapes:
    """Map our key -> shape for every tensor of the network, as its torch module's `state_dict()` has them."""
    listing = _Listing()
    wire(spec, listing, None)
    return listing.shapes


class _Listing:
    """A graph of nothing, which writes down what the others would need."""

    def __init__(self) -> None:
        self.shapes: Shapes = {}

    def convolution(self, x: None, conv: Conv, name: str, norm: str | None = None) -> None:
        self.shapes[f"{name}.weight"] = conv.weight_shape
        if norm is not None:
            self.batch_norm(x, conv.out_channels, norm)

    def batch_norm(self, x: None, channels: int, name: str) -> None:
        del x
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            self.shapes[f"{name}.{tensor}"] = (channels,)
        self.shapes[f"{name}.num_batches_tracked"] = ()

    def instance_batch_norm(self, x: None, channels: int, name: str) -> None:
        half = channels // 2
        self.shapes[f"{name}.instance.weight"] = self.shapes[f"{name}.instance.bias"] = (half,)
        self.batch_norm(x, channels - half, f"{name}.batch")

    def linear(self, x: None, shape: tuple[int, int], name: str, *, bias: bool = True) -> None:
        del x
        self.shapes[f"{name}.weight"] = shape
        if bias:
            self.shapes[f"{name}.bias"] = shape[:1]

    def pool(self, x: None, window: Window) -> None:
        del x, window

    def mean(self, x: None) -> None:
        del x

    def scale(self, x: None, gates: None) -> None:
        del x, gates

    def relu(self, x: None) -> None:
        del x

    def add(self, x: None, y: None) -> None:
        del x, y

    def concatenate(self, maps: Sequence[None]) -> None:
        del maps
