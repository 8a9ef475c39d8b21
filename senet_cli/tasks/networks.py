"""Networks and models for Python code: their names, and torch modules with or without weights."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from senet_cli.catalogue.resolve import Catalogue, ModelRef
from senet_cli.errors import UsageError
from senet_cli.settings import Settings

if TYPE_CHECKING:
    from senet_cli.nets.network import SENetwork


def list_models() -> list[str]:
    """List the names of all checkpoints, your own manifest and imported models included; needs no torch."""
    return list(Catalogue.load(Settings.from_environment()).manifest.checkpoints)


def create_model(
    key: str,
    *,
    num_classes: int | None = None,
    in_channels: int = 3,
    se: bool = True,
    checkpoint: str | None = None,
) -> SENetwork:
    """Build a network as a torch module.

    Args:
        key: architecture key, as `senet list --architectures` shows them.
        num_classes: outputs of the head; the architecture's own number by default.
        in_channels: channels of the image.
        se: False gives the plain twin without SE modules.
        checkpoint: name of a checkpoint of this architecture whose weights are loaded (it is downloaded if
            necessary); without it the weights are random. With another `num_classes` the head stays random.

    Returns:
        The network: with random weights in training mode, with a checkpoint's in evaluation mode.
        (N, in_channels, H, W) float -> logits (N, num_classes).

    Raises:
        SenetError: no such key or checkpoint, or a checkpoint that does not fit.
        ValueError: `num_classes` or `in_channels` under 1, or a checkpoint that is of another structure.
    """
    from senet_cli.inference.models import load_torch_network
    from senet_cli.inference.resolve import Resolver
    from senet_cli.nets.network import build_network

    if in_channels < 1 or (num_classes is not None and num_classes < 1):
        raise ValueError("num_classes and in_channels must be 1 or more")
    resolver = Resolver.load(Settings.from_environment())
    spec = resolver.catalogue.architecture(key).spec
    spec = replace(spec if se else spec.without_se(), in_channels=in_channels)
    spec = spec.with_classes(spec.classes if num_classes is None else num_classes)
    if checkpoint is None:
        return build_network(spec)
    model = resolver.choose(ModelRef.parse(checkpoint))
    if model.architecture.spec.with_classes(spec.classes) != spec:
        raise ValueError(
            f"the checkpoint `{model.name}` is a `{model.architecture.key}`, "
            "which does not fit what was asked for"
        )
    network = load_torch_network(model)
    if network.spec.classes != spec.classes:
        network.head = build_network(spec).head
        network.spec = spec
    return network.eval()


def load_network(path: str | os.PathLike[str], arch: str, layout: str | None = None) -> SENetwork:
    """Load a file of weights into a torch module, in evaluation mode; every tensor is accounted for.

    Args:
        path: a PyTorch, safetensors or .caffemodel file.
        arch: its architecture key.
        layout: whose key names it uses; None: recognised. The head tells the number of classes then.

    Returns:
        The network, float32: (N, 3, H, W), normalised -> logits (N, classes).

    Raises:
        UnknownModelError: no such architecture.
        CheckpointError: the file cannot be read or does not fit.
        DiskError: the file cannot be read.
    """
    from senet_cli.weights import load
    from senet_cli.weights.publishers import find_layout

    file = Path(path)
    if not os.path.isfile(file):  # noqa: PTH113 - False where one may not look
        raise UsageError(f"`{file}` is not a file")
    spec = Catalogue.load(Settings.from_environment()).architecture(arch).spec
    if layout is None:
        return load.load_own_network(file, spec)
    return load.load_network(file, spec, find_layout(layout))
