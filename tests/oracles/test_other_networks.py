"""Networks that no published checkpoint uses, and single parts, against other people's code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from senet_cli import SqueezeExcitation
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.errors import CheckpointError
from senet_cli.specs import SqueezeExcite
from senet_cli.weights.load import load_network
from senet_cli.weights.publishers import find_layout
from tests.oracles.nets import (
    Judge,
    assert_same,
    logits_of,
    normalised,
    one_thread,
    random_state,
    two_images,
    with_state,
)

ARCHITECTURES = load_manifest().architectures
TIMM = find_layout("timm")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def inputs_of(size: int) -> Tensor:
    return normalised(two_images(size), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)).double()


def saved(state: dict[str, Tensor], folder: Path) -> Path:
    path = folder / "weights.pth"
    torch.save(state, path)
    return path


# --- whole networks -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["seresnet18", "seresnet34"])
def test_hidden_widths_rounded_to_multiples_of_eight_as_timm_does(name: str, tmp_path: Path) -> None:
    network = Judge("timm", name).build()
    state = random_state(network)
    assert len(state["layer1.0.se.fc1.weight"]) == 8  # 64 / 16 = 4 without the rounding
    path = saved(state, tmp_path)

    plain = ARCHITECTURES[name].spec
    with pytest.raises(CheckpointError, match=r"layer1\.0\.se\.fc1\.weight is 8x64x1x1 instead of 4x64"):
        load_network(path, plain, TIMM)
    ours = load_network(path, ARCHITECTURES[f"{name}-timm"].spec, TIMM).double()
    theirs = with_state(network, state).double()
    for size in (224, 97):
        assert_same(logits_of(ours, inputs_of(size)), logits_of(theirs, inputs_of(size)), 1e-9)


@pytest.mark.parametrize("reduction", [4, 8, 16, 24])
@pytest.mark.parametrize("multiple", [1, 4, 8, 16])
def test_hidden_widths_are_timms(reduction: int, multiple: int) -> None:
    from timm.layers import make_divisible

    spec = SqueezeExcite(reduction=reduction, hidden_multiple=multiple)
    for channels in range(reduction, 2049, reduction):
        theirs = make_divisible(channels / reduction, multiple, round_limit=0.0)
        assert spec.hidden(channels, block=0) == theirs


@pytest.mark.parametrize(
    ("builder", "key"),
    [
        ("resnet18", "seresnet18"),
        ("resnet50", "seresnet50"),
        ("resnext50_32x4d", "seresnext50_32x4d"),
    ],
)
def test_the_plain_twin_is_torchvisions_network(builder: str, key: str, tmp_path: Path) -> None:
    network = Judge("torchvision", builder).build()
    state = random_state(network)
    spec = ARCHITECTURES[key].spec.without_se()
    assert spec.parameters() == sum(weight.numel() for weight in network.parameters())

    ours = load_network(saved(state, tmp_path), spec, TIMM).double()
    theirs = with_state(network, state).double()
    for size in (224, 97):
        assert_same(logits_of(ours, inputs_of(size)), logits_of(theirs, inputs_of(size)), 1e-9)


@pytest.mark.parametrize(
    ("key", "layers", "channels"),
    [("seresnet20-cifar", (3, 3, 3), (16, 32, 64)), ("seresnet10-cifar", (1, 1, 1, 1), (32, 128, 192, 256))],
)
def test_the_cifar_network_is_timms_with_a_small_stem(
    key: str, layers: tuple[int, ...], channels: tuple[int, ...], tmp_path: Path
) -> None:
    """timm has no CIFAR builder, but its parts make one: a narrow stem and nothing that shrinks early."""
    from functools import partial

    from timm.layers import SEModule
    from timm.models.resnet import BasicBlock, ResNet

    with torch.device("meta"):
        network = ResNet(
            BasicBlock,
            layers=layers,
            channels=channels,
            num_classes=10,
            stem_type="deep",  # a plain stem always has 64 channels; the next line replaces either
            stem_width=channels[0] // 2,
            block_args={"attn_layer": partial(SEModule, rd_ratio=1 / 16, rd_divisor=1)},
        )
        network.conv1 = nn.Conv2d(3, channels[0], 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
        if len(layers) == 3:
            network.layer4 = nn.Identity()
    state = random_state(network)

    ours = load_network(saved(state, tmp_path), ARCHITECTURES[key].spec, TIMM).double()
    theirs = with_state(network, state).double()
    for size in (32, 33):
        assert_same(logits_of(ours, inputs_of(size)), logits_of(theirs, inputs_of(size)), 1e-9)


def timm_without_biases(layers: tuple[int, ...]) -> nn.Module:
    """timm's SE-ResNet with SE modules that have no biases, as moskomule's and IBN-Net's have none."""
    from functools import partial

    from timm.layers import SEModule
    from timm.models.resnet import Bottleneck, ResNet

    with torch.device("meta"):
        return ResNet(Bottleneck, layers, block_args={"attn_layer": partial(SEModule, bias=False)})


def moskomules_keys(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's state as moskomule writes it: SE modules of two linear maps."""
    return {
        key.replace(".se.fc1.", ".se.fc.0.").replace(".se.fc2.", ".se.fc.2."): (
            value.flatten(1) if ".se.fc" in key else value
        )
        for key, value in state.items()
    }


@pytest.mark.slow
def test_moskomules_network_is_timms_without_biases_in_the_se_modules(tmp_path: Path) -> None:
    network = timm_without_biases((3, 4, 6, 3))
    state = random_state(network)
    spec = ARCHITECTURES["seresnet50-moskomule"].spec
    assert spec.parameters() == sum(weight.numel() for weight in network.parameters()) == 28_071_976

    ours = load_network(saved(moskomules_keys(state), tmp_path), spec, find_layout("moskomule")).double()
    theirs = with_state(network, state).double()
    for size in (224, 97):
        assert_same(logits_of(ours, inputs_of(size)), logits_of(theirs, inputs_of(size)), 1e-9)


class HalfInstanceNorm(nn.Module):
    """IBN-a's first norm, written down from the paper for this test: by hand, without `nn.InstanceNorm2d`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.IN = nn.InstanceNorm2d(channels // 2, affine=True)  # holds the weights
        self.BN = nn.BatchNorm2d(channels - channels // 2)

    def forward(self, x: Tensor) -> Tensor:
        half = self.IN.num_features
        mean = x[:, :half].mean((2, 3), keepdim=True)
        variance = x[:, :half].var((2, 3), correction=0, keepdim=True)
        normal = (x[:, :half] - mean) / (variance + 1e-5).sqrt()
        first = normal * self.IN.weight[:, None, None] + self.IN.bias[:, None, None]
        return torch.cat([first, self.BN(x[:, half:])], 1)


@pytest.mark.slow
def test_ibn_nets_network_is_moskomules_with_half_instance_norms(tmp_path: Path) -> None:
    """A short one: its blocks are those of the published 101 layers."""
    network = timm_without_biases((2, 1, 2, 1))
    with torch.device("meta"):
        for path, block in network.named_modules():
            if path.startswith(("layer1.", "layer2.", "layer3.")) and hasattr(block, "bn1"):
                block.bn1 = nn.Sequential(HalfInstanceNorm(block.bn1.num_features), nn.ReLU())
                block.act1 = nn.Identity()
    state = random_state(network)
    published = {key.replace(".bn1.0.", ".bn1."): value for key, value in moskomules_keys(state).items()}
    spec = replace(ARCHITECTURES["seresnet101-ibn-a"].spec, depths=(2, 1, 2, 1))
    assert spec.parameters() == sum(weight.numel() for weight in network.parameters())

    ours = load_network(saved(published, tmp_path), spec, find_layout("ibn-net")).double()
    theirs = with_state(network, state).double()
    for size in (224, 97):
        assert_same(logits_of(ours, inputs_of(size)), logits_of(theirs, inputs_of(size)), 1e-9)


# --- the SE module ------------------------------------------------------------------------------


def timm_module(channels: int, hidden: int, bias: bool) -> nn.Module:
    from timm.layers import SEModule

    return SEModule(channels, rd_channels=hidden, bias=bias)


def torchvision_module(channels: int, hidden: int, bias: bool) -> nn.Module:
    from torchvision.ops import SqueezeExcitation as Theirs

    assert bias
    return Theirs(channels, hidden)


@pytest.mark.parametrize(
    ("build", "bias"),
    [
        pytest.param(timm_module, True, id="timm"),
        pytest.param(timm_module, False, id="timm without bias"),
        pytest.param(torchvision_module, True, id="torchvision"),
    ],
)
@pytest.mark.parametrize("shape", [(2, 64, 7, 7), (3, 256, 5, 9), (1, 16, 1, 1)], ids=str)
def test_squeeze_excitation_is_the_same(
    build: Callable[[int, int, bool], nn.Module], bias: bool, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    channels = shape[1]
    ours = SqueezeExcitation(channels, 16, bias).double()
    theirs = build(channels, channels // 16, bias).double()
    for mine, other in ((ours.reduce, theirs.fc1), (ours.expand, theirs.fc2)):
        nn.init.normal_(other.weight)
        mine.weight.data = other.weight.data.flatten(1)
        if bias:
            nn.init.normal_(other.bias)
            mine.bias.data = other.bias.data
    assert (ours.reduce.bias is None, ours.expand.bias is None) == (not bias, not bias)

    x = torch.randn(shape, dtype=torch.float64) + 0.5
    gates = theirs(x) / x
    assert gates.std() > 0.1
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-12)


def test_squeeze_excitation_by_hand() -> None:
    """Two channels, one hidden unit: the numbers follow from the paper's equations 2 to 4."""
    module = SqueezeExcitation(2, 2)
    module.reduce.weight.data = torch.tensor([[1.0, 2.0]])
    module.reduce.bias.data = torch.tensor([-4.0])
    module.expand.weight.data = torch.tensor([[1.0], [-1.0]])
    module.expand.bias.data = torch.tensor([0.0, 0.5])
    x = torch.tensor([[[[0.0, 2.0]], [[3.0, 1.0]]]])  # means 1 and 2; hidden 1 + 4 - 4 = 1
    gates = torch.sigmoid(torch.tensor([1.0, -0.5])).reshape(1, 2, 1, 1)
    torch.testing.assert_close(module(x), x * gates)
    torch.testing.assert_close(module(-x), -x * torch.sigmoid(torch.tensor([0.0, 0.5])).reshape(1, 2, 1, 1))
