"""A network's weights as a publisher writes them: key names, spelling of the SE modules, container."""

from __future__ import annotations

import io

import numpy as np

from senet_cli.errors import UsageError, advise
from senet_cli.weights.arrays import State
from senet_cli.weights.publishers import KeyLayout, style_of
from senet_cli.weights.publishers.base import Container, Style

_LAST_OF_A_NORM = "running_var"


def checkpoint_bytes(state: State, layout: KeyLayout, container: Container) -> bytes:
    """Write the file that holds the network's weights as this publisher would.

    Args:
        state: the network's tensors under our names, float32.
        layout: one of `WRITABLE`.
        container: safetensors has no wrapper.

    Raises:
        UsageError: the publisher has no name for a part of this network.
    """
    style = style_of(layout)
    arrays = published_tensors(state, layout, style)
    if container == "safetensors":
        from safetensors.numpy import save

        return save(arrays, metadata={"format": "pt"})
    import torch

    tensors = {key: torch.from_numpy(np.require(value, None, "W")) for key, value in arrays.items()}
    buffer = io.BytesIO()
    torch.save(tensors if style.wrapper is None else {**style.wrapper, "state_dict": tensors}, buffer)
    return buffer.getvalue()


def published_tensors(state: State, layout: KeyLayout, style: Style) -> State:
    """Put the network's tensors under the publisher's names and in its shapes.

    Raises:
        UsageError: the publisher has no name for a part of this network.
    """
    arrays = {}
    for key, value in state.items():
        linear_se = ".se." in key and key.endswith(".weight") and value.ndim == 2
        spelled = value[:, :, None, None] if linear_se and style.convolutional_se else value
        arrays[_their_key(key, layout)] = np.ascontiguousarray(spelled)
        if style.counters and key.endswith(_LAST_OF_A_NORM):
            counter = key.removesuffix(_LAST_OF_A_NORM) + "num_batches_tracked"
            arrays[_their_key(counter, layout)] = np.array(0, np.int64)
    return arrays


def _their_key(key: str, layout: KeyLayout) -> str:
    try:
        return layout.key(key)
    except KeyError as error:
        raise UsageError(
            f"the layout `{layout.name}` has no name for `{key.rpartition('.')[0]}` of this network",
            advise("write-any-layout"),
        ) from error
