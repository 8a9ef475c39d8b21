"""The one network class and the ways to make one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from senet_cli.nets import inception, parts
from senet_cli.specs import InceptionSpec, Spec


class SENetwork(nn.Module):
    """Stem, stem pool, stages of residual blocks or inception modules, global average pool, linear head.

    Args:
        spec: the exact structure.

    Shapes: (N, in_channels, H, W) float, normalised as the checkpoint asks -> logits (N, classes). Any H
    and W that leave at least one pixel in the last stage.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.spec = spec
        self.stem = _stem(spec)
        self.pool = parts.stem_pool(spec.pool)
        stages: OrderedDict[str, nn.Sequential] = OrderedDict()
        for number, block in _blocks(spec):
            stages.setdefault(f"stage{number}", nn.Sequential()).append(block)
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.stages = tuple(stages)
        self.final = parts.FinalNorm(spec.feature_channels) if spec.final_norm else nn.Identity()
        self.dropout = nn.Dropout(spec.dropout)
        self.head = nn.Linear(spec.feature_channels, spec.classes)

    def features(self, x: Tensor) -> Tensor:
        """Calculate pooled features before the head: (N, in_channels, H, W) -> (N, feature_channels)."""
        x = self.pool(self.stem(x))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        features: Tensor = self.final(x).mean((2, 3))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_channels, H, W) -> logits (N, classes)."""
        logits: Tensor = self.head(self.dropout(self.features(x)))
        return logits


def _stem(spec: Spec) -> nn.Sequential:
    if isinstance(spec, InceptionSpec):
        return inception.stem(spec)
    return parts.stem(spec.stem.convs(spec.in_channels))


def _blocks(spec: Spec) -> Iterator[tuple[int, nn.Module]]:
    """Yield the number of the stage, and the block, from the image to the head."""
    if isinstance(spec, InceptionSpec):
        for module in spec.blocks():
            yield module.stage, inception.InceptionModule(module, spec.pool, spec.se)
    else:
        for block in spec.blocks():
            yield block.stage, parts.residual_block(block, spec.se)


def build_network(spec: Spec) -> SENetwork:
    """Build a network with fresh weights for training: He-normal convolutions, unit batch norms."""
    network = SENetwork(spec)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network


def network_from_state(spec: Spec, state: Mapping[str, NDArray[np.float32]]) -> SENetwork:
    """Build a network that takes over the arrays of `state`, in evaluation mode.

    It is built on the meta device, so that no time goes into weights that are replaced at once.

    Args:
        spec: the exact structure.
        state: its tensors but the counters of batches, which become 0; arrays that cannot be written to are
            copied.
    """
    with torch.device("meta"):
        network = SENetwork(spec)
    tensors = {key: torch.from_numpy(np.require(value, None, ["C", "W"])) for key, value in state.items()}
    counters = [key for key in network.state_dict() if key.endswith("num_batches_tracked")]
    tensors |= {key: torch.zeros((), dtype=torch.long) for key in counters}
    network.load_state_dict(tensors, strict=True, assign=True)
    return network.eval()


def state_of(network: SENetwork) -> dict[str, NDArray[np.float32]]:
    """Give a network's tensors as float32 arrays, for `network_from_state`; counters are left out."""
    return {
        key: value.detach().float().cpu().contiguous().numpy()
        for key, value in network.state_dict().items()
        if value.ndim
    }
