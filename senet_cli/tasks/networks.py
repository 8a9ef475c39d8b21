"""Functions of the public Python API that are no class of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.settings import Settings

if TYPE_CHECKING:
    from senet_cli.nets.network import SENetwork


def list_models() -> list[str]:
    """Names of all checkpoints, the user's own manifest and imported models included; needs no torch."""
    settings = Settings.from_environment()
    return list(load_manifest(settings.manifest, settings.models).checkpoints)


def create_model(
    key: str,
    *,
    num_classes: int | None = None,
    in_channels: int = 3,
    se: bool = True,
    checkpoint: str | None = None,
) -> SENetwork:
    """A network as a torch module.

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
    from senet_cli.nets.network import build_network

    if in_channels < 1 or (num_classes is not None and num_classes < 1):
        raise ValueError("num_classes and in_channels must be 1 or more")
    settings = Settings.from_environment()
    spec = load_manifest(settings.manifest, settings.models).architecture(key).spec
    spec = replace(spec if se else spec.without_se(), in_channels=in_channels)
    spec = spec.with_classes(spec.classes if num_classes is None else num_classes)
    if checkpoint is None:
        return build_network(spec)

    from senet_cli.inference.classifier import find_model
    from senet_cli.inference.runtime import load_weights

    model = find_model(checkpoint, settings)
    if model.architecture.spec.with_classes(spec.classes) != spec:
        raise ValueError(
            f"the checkpoint `{model.name}` is a `{model.architecture.key}`, "
            "which does not fit what was asked for"
        )
    network = load_weights(model.weights)
    if network.spec.classes != spec.classes:
        network.head = build_network(spec).head
        network.spec = spec
    return network.eval()
