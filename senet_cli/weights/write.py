"""A network's weights as a publisher writes them: key names, spelling of the SE modules, container."""

from __future__ import annotations

import io

import torch
from torch import Tensor

from senet_cli.errors import UsageError, advise
from senet_cli.nets.network import SENetwork
from senet_cli.weights.publishers import KeyLayout, style_of
from senet_cli.weights.publishers.base import Container, Style


def checkpoint_bytes(network: SENetwork, layout: KeyLayout, container: Container) -> bytes:
    """Write the file that holds the network's weights as this publisher would.

    Args:
        network: on the CPU, float32.
        layout: one of `WRITABLE`.
        container: safetensors has no wrapper.

    Raises:
        UsageError: the publisher has no name for a part of this network.
    """
    style = style_of(layout)
    tensors = published_tensors(network, layout, style)
    if container == "safetensors":
        from safetensors.torch import save

        return save(tensors, metadata={"format": "pt"})
    buffer = io.BytesIO()
    torch.save(tensors if style.wrapper is None else {**style.wrapper, "state_dict": tensors}, buffer)
    return buffer.getvalue()


def published_tensors(network: SENetwork, layout: KeyLayout, style: Style) -> dict[str, Tensor]:
    """Put the network's tensors under the publisher's names and in its shapes.

    Raises:
        UsageError: the publisher has no name for a part of this network.
    """
    tensors = {}
    for key, value in network.state_dict().items():
        if key.endswith("num_batches_tracked") and not style.counters:
            continue
        linear_se = ".se." in key and key.endswith(".weight") and value.ndim == 2
        spelled = value[:, :, None, None] if linear_se and style.convolutional_se else value
        try:
            tensors[layout.key(key)] = spelled.detach().contiguous()
        except KeyError as error:
            raise UsageError(
                f"the layout `{layout.name}` has no name for `{key.rpartition('.')[0]}` of this network",
                advise("write-any-layout"),
            ) from error
    return tensors
