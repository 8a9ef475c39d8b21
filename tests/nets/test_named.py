"""SE-ResNet and SE-ResNeXt by depth are the networks of the architecture keys."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from senet_cli import SEResNet, SEResNeXt, create_model
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.nets.network import SENetwork

ARCHITECTURES = load_manifest().architectures


def parameters_of(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("depth", "parameters"),
    [(18, 11_778_592), (34, 21_958_868), (50, 28_088_024), (101, 49_326_872), (152, 66_821_848)],
)
def test_se_resnet_by_depth(depth: int, parameters: int) -> None:
    with torch.device("meta"):
        network = SEResNet(depth)
    assert parameters_of(network) == parameters
    assert network.spec == ARCHITECTURES[f"seresnet{depth}"].spec


@pytest.mark.parametrize(("depth", "parameters"), [(50, 27_559_896), (101, 48_955_416), (152, 66_580_440)])
# The last is timm's ResNeXt-152 with SE modules, which nobody has published.
def test_se_resnext_by_depth(depth: int, parameters: int) -> None:
    with torch.device("meta"):
        network = SEResNeXt(depth)
    assert parameters_of(network) == parameters
    if depth != 152:
        assert network.spec == ARCHITECTURES[f"seresnext{depth}_32x4d"].spec


@pytest.mark.parametrize("key", ["seresnet18", "seresnet50", "seresnext50_32x4d"])
def test_the_classes_have_the_structure_of_create_model(key: str) -> None:
    named = {
        "seresnet18": lambda: SEResNet(18, out_channels=7),
        "seresnet50": lambda: SEResNet(50, out_channels=7),
        "seresnext50_32x4d": lambda: SEResNeXt(50, out_channels=7),
    }
    with torch.device("meta"):
        ours, theirs = named[key](), create_model(key, num_classes=7)
    assert str(ours).partition("(")[2] == str(theirs).partition("(")[2]
    shapes = [
        {name: value.shape for name, value in network.state_dict().items()} for network in (ours, theirs)
    ]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("build", "depth"), [(SEResNet, 51), (SEResNet, 0), (SEResNeXt, 34), (SEResNeXt, 18)]
)
def test_another_depth_is_refused_in_words(build: type[SENetwork], depth: int) -> None:
    with pytest.raises(ValueError, match=rf"depth is {depth}; choose one of .*50, 101, 152"):
        build(depth)


def test_the_arguments_of_the_classes_have_an_effect() -> None:
    with torch.device("meta"):
        network = SEResNet(18, in_channels=5, out_channels=9, r=4)
        next_ = SEResNeXt(50, in_channels=1, out_channels=2, C=8, r=8)
    assert network.stem.conv.in_channels == 5
    assert network.head.out_features == 9
    assert network.get_submodule("stage1.0.se.reduce").out_features == 16
    assert network(torch.empty(1, 5, 64, 64, device="meta")).shape == (1, 9)
    assert next_.stem.conv.in_channels == 1
    assert next_.head.out_features == 2
    assert next_.get_submodule("stage1.0.conv2").groups == 8
    assert next_.get_submodule("stage1.0.conv2").out_channels == 32
    assert next_.get_submodule("stage4.2.se.reduce").out_features == 256
