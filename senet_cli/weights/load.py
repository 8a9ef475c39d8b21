"""Files of weights as torch modules, in evaluation mode on the CPU, float32; errors as in `weights.read`."""

from __future__ import annotations

from pathlib import Path

from senet_cli.nets.network import SENetwork, network_from_state
from senet_cli.specs import Spec
from senet_cli.weights.publishers import KeyLayout
from senet_cli.weights.read import read_network, read_own


def load_network(path: Path, spec: Spec, layout: KeyLayout) -> SENetwork:
    """Load the network in `path`; see `read_network`."""
    read = read_network(path, spec, layout)
    return network_from_state(read.spec, read.state)


def load_own_network(path: Path, spec: Spec, key: str | None = None) -> SENetwork:
    """Load weights of your own; see `read_own`."""
    read = read_own(path, spec, key)
    return network_from_state(read.spec, read.state)
