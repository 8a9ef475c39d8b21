"""How a network is wired, in terms of a few operations that each kind of graph offers.

`senet_cli.nets` says the same with torch modules. Tests hold the two together: same names, same shapes, same
outputs for every architecture of the manifest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from senet_cli.specs import (
    ArchSpec,
    AverageStemPool,
    BlockShape,
    Conv,
    InceptionShape,
    InceptionSpec,
    Pool,
    PreActivation,
    Spec,
    SqueezeExcite,
)

Map = TypeVar("Map")
"""A value in the graph: maps (N, C, H, W), or vectors (N, C)."""


@dataclass(frozen=True, slots=True)
class Window:
    """A pool.

    Args:
        kind: what is taken of each window. An average counts the padding, but not what lies beyond it.
        kernel, stride, padding: pixels.
        ceil_mode: True if windows may reach beyond the edge.
    """

    kind: Literal["max", "average"]
    kernel: int
    stride: int
    padding: int = 0
    ceil_mode: bool = False


class Operations(Protocol[Map]):
    """One kind of graph. Names are those of our modules; tensors lie under them in the state."""

    def convolution(self, x: Map, conv: Conv, name: str, norm: str | None = None) -> Map:
        """Apply the convolution `name`, without its pool, and the batch norm `norm` behind it, if any."""
        ...

    def batch_norm(self, x: Map, channels: int, name: str) -> Map:
        """Apply a batch norm by its running statistics."""
        ...

    def instance_batch_norm(self, x: Map, channels: int, name: str) -> Map:
        """Apply an instance norm to the first half of the channels, a batch norm to the others."""
        ...

    def pool(self, x: Map, window: Window) -> Map:
        """Apply a pool."""
        ...

    def mean(self, x: Map) -> Map:
        """Map (N, C, H, W) -> (N, C)."""
        ...

    def linear(self, x: Map, shape: tuple[int, int], name: str, *, bias: bool = True) -> Map:
        """Map vectors (N, in) -> (N, out); `shape` is (out, in), that of the weights."""
        ...

    def scale(self, x: Map, gates: Map) -> Map:
        """Multiply each channel of (N, C, H, W) by the sigmoid of its gate (N, C)."""
        ...

    def relu(self, x: Map) -> Map:
        """Apply a ReLU."""
        ...

    def add(self, x: Map, y: Map) -> Map:
        """Add two maps."""
        ...

    def concatenate(self, maps: Sequence[Map]) -> Map:
        """Concatenate channels."""
        ...


def wire(spec: Spec, operations: Operations[Map], x: Map) -> tuple[Map, Map]:
    """Wire a network in evaluation mode.

    Args:
        spec: the exact structure.
        operations: adds to the graph.
        x: the normalised image, (N, in_channels, H, W).

    Returns:
        Logits (N, classes) and the pooled features before the head (N, feature_channels).
    """
    features = operations.mean(_last_map(spec, operations, x))
    logits = operations.linear(features, (spec.classes, spec.feature_channels), "head")
    return logits, features


def _last_map(spec: Spec, operations: Operations[Map], x: Map) -> Map:
    if isinstance(spec, InceptionSpec):
        return _inception(spec, operations, x)
    return _residual(spec, operations, x)


# --- networks of residual blocks ----------------------------------------------------------------


def _residual(spec: ArchSpec, operations: Operations[Map], x: Map) -> Map:
    x = _chain(spec.stem.convs(spec.in_channels), operations, x, "stem")
    x = _stem_pool(spec.pool, operations, x)
    for block in spec.blocks():
        wired = _pre_activation if isinstance(block.kind, PreActivation) else _block
        x = wired(block, spec.se, operations, x)
    if spec.final_norm:
        x = operations.relu(operations.batch_norm(x, spec.feature_channels, "final.norm"))
    return x


def _block(shape: BlockShape, se: SqueezeExcite | None, operations: Operations[Map], x: Map) -> Map:
    name = f"stage{shape.stage}.{shape.block}"
    branch = x
    for number, conv in enumerate(shape.convs, start=1):
        norm = f"{name}.norm{number}"
        if shape.instance_norm and number == 1:
            branch = operations.convolution(branch, conv, f"{name}.conv{number}")
            branch = operations.instance_batch_norm(branch, conv.out_channels, norm)
        else:
            branch = operations.convolution(branch, conv, f"{name}.conv{number}", norm)
        if number < len(shape.convs) or shape.kind.relu_before_se:
            branch = operations.relu(branch)
        if conv.pooled == "after":
            branch = operations.pool(branch, _HALVES)
    branch = _squeeze_excite(shape.out_channels, shape.block, se, operations, branch, name)
    return operations.relu(operations.add(branch, _shortcut(shape, operations, x, name)))


def _shortcut(shape: BlockShape, operations: Operations[Map], x: Map, name: str) -> Map:
    conv = shape.shortcut
    if conv is None:
        return x
    if conv.pooled == "before":
        x = operations.pool(x, Window("average", 2, 2, ceil_mode=True))
    return operations.convolution(x, conv, f"{name}.shortcut.conv", f"{name}.shortcut.norm")


def _pre_activation(shape: BlockShape, se: SqueezeExcite | None, operations: Operations[Map], x: Map) -> Map:
    name = f"stage{shape.stage}.{shape.block}"
    first = operations.relu(operations.batch_norm(x, shape.convs[0].in_channels, f"{name}.norm1"))
    branch = first
    for number, conv in enumerate(shape.convs, start=1):
        last = number == len(shape.convs)
        behind = None if last else f"{name}.norm{number + 1}"
        branch = operations.convolution(branch, conv, f"{name}.conv{number}", behind)
        branch = branch if last else operations.relu(branch)
    branch = _squeeze_excite(shape.out_channels, shape.block, se, operations, branch, name)
    if shape.shortcut is not None:
        x = operations.convolution(first, shape.shortcut, f"{name}.shortcut")
    return operations.add(branch, x)


# --- networks of inception modules --------------------------------------------------------------


def _inception(spec: InceptionSpec, operations: Operations[Map], x: Map) -> Map:
    first, *others = spec.stem_convs()
    x = _stem_pool(spec.pool, operations, _chain([first], operations, x, "stem.first"))
    x = _stem_pool(spec.pool, operations, _chain(others, operations, x, "stem.second"))
    for module in spec.blocks():
        x = _module(module, spec, operations, x)
    return x


def _module(shape: InceptionShape, spec: InceptionSpec, operations: Operations[Map], x: Map) -> Map:
    name = f"stage{shape.stage}.{shape.block}"
    branches = [
        _chain(convs, operations, x, f"{name}.{branch}")
        for branch, convs in (
            ("direct", shape.direct),
            ("single3x3", shape.single3x3),
            ("double3x3", shape.double3x3),
        )
        if convs
    ]
    if shape.stride == 2:
        pooled = _stem_pool(spec.pool, operations, x)
    else:
        pooled = operations.pool(x, Window(shape.pool, 3, 1, padding=1))
    branches.append(_chain(shape.projection, operations, pooled, f"{name}.projection"))
    joined = operations.concatenate(branches)
    return _squeeze_excite(shape.out_channels, shape.block, spec.se, operations, joined, name)


# --- parts of both ------------------------------------------------------------------------------

_HALVES = Window("average", 2, 2)


def _chain(convs: Sequence[Conv], operations: Operations[Map], x: Map, name: str) -> Map:
    """Convolution, batch norm, ReLU for each; numbered if there are several."""
    for number, conv in enumerate(convs, start=1):
        suffix = str(number) if len(convs) > 1 else ""
        x = operations.relu(operations.convolution(x, conv, f"{name}.conv{suffix}", f"{name}.norm{suffix}"))
    return x


def _stem_pool(pool: Pool | None, operations: Operations[Map], x: Map) -> Map:
    if pool is None:
        return x
    if isinstance(pool, AverageStemPool):
        return operations.pool(x, _HALVES)
    return operations.pool(x, Window("max", 3, 2, pool.padding, pool.ceil_mode))


def _squeeze_excite(
    channels: int, block: int, se: SqueezeExcite | None, operations: Operations[Map], x: Map, name: str
) -> Map:
    """Wire the module of arXiv 1709.01507, section 3."""
    if se is None:
        return x
    hidden = se.hidden(channels, block)
    squeezed = operations.mean(x)
    reduced = operations.linear(squeezed, (hidden, channels), f"{name}.se.reduce", bias=se.bias)
    gates = operations.linear(operations.relu(reduced), (channels, hidden), f"{name}.se.expand", bias=se.bias)
    return operations.scale(x, gates)
