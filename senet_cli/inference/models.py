"""A model that is ready to be loaded: what an engine starts from, and everything needed to use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from senet_cli.catalogue.activation import Activation
from senet_cli.catalogue.entries import Architecture, Metric, Preprocess
from senet_cli.catalogue.labels import LabelSet
from senet_cli.errors import DiskError, advise
from senet_cli.weights.taken import Taken

if TYPE_CHECKING:
    from senet_cli.nets.network import SENetwork
    from senet_cli.weights.read import NetworkState


@dataclass(frozen=True, slots=True)
class FromFile:
    """Start from a verified file of weights.

    Args:
        path: the file.
        sha256: its digest.
        layout: whose key names it uses; None for weights of your own, where the layout is recognised and the
            head tells the number of classes.
        weights_key: which of several sets of weights in the file is taken; None: the usual choice.
    """

    path: Path
    sha256: str
    layout: str | None
    weights_key: str | None = None


@dataclass(frozen=True, slots=True)
class FromConversion:
    """Start from a network that was converted for OpenVINO; the file of weights need not be there.

    Args:
        folder: the verified conversion.
        sha256: digest of the weights that it was made from.
        classes: outputs of the head.
        taken: which of the file's weights it was made from, where there was a choice.
    """

    folder: Path
    sha256: str
    classes: int
    taken: Taken | None = None


Start = FromFile | FromConversion


@dataclass(frozen=True, slots=True)
class RunnableModel:
    """A model with all that its user sees of it.

    Args:
        name: as records show it.
        start: what an engine starts from.
        architecture: the exact structure.
        preprocess: from image to pixels.
        labels: names of the classes; for weights of your own a guess that the number of classes may refute.
        metric: the accuracy that is published for `preprocess`, if there is one.
        folder: the model's own folder, where it has one; see `KnownModel`.
        activation: what turns the network's outputs into scores.
    """

    name: str
    start: Start
    architecture: Architecture
    preprocess: Preprocess
    labels: LabelSet
    metric: Metric | None = None
    folder: Path | None = None
    activation: Activation = "softmax"


def load_torch_network(model: RunnableModel) -> SENetwork:
    """Load a model's network with PyTorch: in evaluation mode, on the CPU, float32.

    Raises:
        CheckpointError: the file does not fit the structure.
        DiskError: the file cannot be read, or only a conversion of it is here.
    """
    from senet_cli.nets.network import network_from_state

    read = read_state(model)
    return network_from_state(read.spec, read.state)


def read_state(model: RunnableModel) -> NetworkState:
    """Read the tensors of a model's network; PyTorch is needed for its own format only.

    Raises:
        CheckpointError: the file does not fit the structure.
        DiskError: the file cannot be read, or only a conversion of it is here.
    """
    from senet_cli.weights.publishers import find_layout
    from senet_cli.weights.read import read_network, read_own

    start, spec = model.start, model.architecture.spec
    if isinstance(start, FromConversion):
        raise DiskError(f"the file of `{model.name}` is gone", advise("fetch", name=model.name))
    if start.layout is None:
        return read_own(start.path, spec, start.weights_key)
    return read_network(start.path, spec, find_layout(start.layout))
