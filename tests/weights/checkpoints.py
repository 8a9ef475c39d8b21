"""What the tests of checkpoints share: small networks, files of their weights, and what all refusals say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from senet_cli.errors import CheckpointError, ExitCode
from senet_cli.nets.network import SENetwork
from senet_cli.specs import (
    ArchSpec,
    BasicBlock,
    Bottleneck,
    ConvStem,
    DeepStem,
    InstanceBatchBottleneck,
    PooledShortcut,
    PreActivation,
    SENetBottleneck,
    Shortcut,
    SqueezeExcite,
    StemPool,
)
from senet_cli.weights.load import load_network, load_own_network
from senet_cli.weights.publishers import WRITABLE, KeyLayout
from senet_cli.weights.publishers.timm import TIMM

State = dict[str, Tensor]

BASIC = ArchSpec(
    stem=ConvStem(channels=8, kernel=3, stride=1),
    pool=None,
    block=BasicBlock(),
    shortcut=Shortcut(),
    se=SqueezeExcite(reduction=4),
    depths=(2, 1),
    widths=(8, 16),
    classes=5,
)
DEEP = ArchSpec(
    stem=DeepStem((4, 4, 8)),
    pool=StemPool(padding=0, ceil_mode=True),
    block=Bottleneck(),
    shortcut=Shortcut(3),
    se=SqueezeExcite(reduction=4),
    depths=(1, 1),
    widths=(8, 16),
    classes=5,
)
SPECS = {
    "timm-pooled": replace(BASIC, shortcut=PooledShortcut()),
    "ibn-net": replace(BASIC, block=InstanceBatchBottleneck(stages=1)),
    "pytorchcv-senet": replace(DEEP, block=SENetBottleneck(cardinality=2, base_width=32)),
    "pytorchcv-pre": replace(BASIC, block=PreActivation(BasicBlock())),
}
"""By layout; `BASIC` in the others."""
each_layout = pytest.mark.parametrize(
    ("layout", "spec"), [(layout, SPECS.get(name, BASIC)) for name, layout in WRITABLE.items()], ids=WRITABLE
)
"""Of files that PyTorch wrote; for Caffe's see test_caffemodel.py and test_inception.py."""
CONV = "layer1.0.conv1.weight"
"""A tensor of `BASIC` in timm's layout."""


def random_state(spec: ArchSpec) -> State:
    """Our keys; every value different from what a fresh network holds."""
    torch.manual_seed(0)
    return {
        key: torch.rand(value.shape) + 0.5 if value.is_floating_point() else torch.tensor(7)
        for key, value in SENetwork(spec).state_dict().items()
    }


def published(spec: ArchSpec, layout: KeyLayout = TIMM) -> State:
    """The same under a publisher's keys."""
    return {layout.key(key): value for key, value in random_state(spec).items()}


def save(path: Path, content: object, kind: str = "zip") -> Path:
    if kind == "safetensors":
        from safetensors.torch import save_file

        save_file(content, path)
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "zip")
    return path


def assert_loaded(network: SENetwork, spec: ArchSpec) -> None:
    expected = random_state(spec)
    state = network.state_dict()
    assert state.keys() == expected.keys()
    for key, value in state.items():
        assert value.device.type == "cpu"
        if value.is_floating_point():
            assert value.dtype == torch.float32
            assert torch.equal(value, expected[key]), key
    assert not network.training
    assert not any(module.training for module in network.modules())


def refused(path: Path, spec: ArchSpec = BASIC, layout: KeyLayout = TIMM) -> CheckpointError:
    """The error for a file that must not load, after what holds for all of them."""
    for load in (lambda: load_network(path, spec, layout), lambda: load_own_network(path, spec)):
        with pytest.raises(CheckpointError) as caught:
            load()
        assert caught.value.exit_code == ExitCode.MODEL == 4
        assert f"`{path}`" in caught.value.message
        assert len(caught.value.message) < 2000
    with pytest.raises(CheckpointError) as caught:
        load_network(path, spec, layout)
    return caught.value
