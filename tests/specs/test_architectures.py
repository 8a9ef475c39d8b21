"""Counts follow from the specs, agree with what is published, and describe the modules that are built."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.graphs.parameters import expected_shapes
from senet_cli.nets.network import SENetwork, build_network
from senet_cli.specs import (
    ArchSpec,
    BasicBlock,
    Bottleneck,
    ConvStem,
    DeepStem,
    InceptionSpec,
    Shortcut,
    Spec,
    SqueezeExcite,
    StemPool,
)
from tests.sweeps import every

ARCHITECTURES = load_manifest().architectures

PUBLISHED_PARAMETERS = {
    "seresnet18": 11_778_592,
    "seresnet34": 21_958_868,
    "seresnet50": 28_088_024,
    "seresnet101": 49_326_872,
    "seresnet152": 66_821_848,
    "seresnext26_32x4d": 16_790_280,
    "seresnext50_32x4d": 27_559_896,
    "seresnext101_32x4d": 48_955_416,
    "seresnext101_32x8d": 93_569_048,
    "seresnext101_64x4d": 88_232_984,
    "senet154": 115_088_984,
    "seresnet20-cifar": 274_847,
    "seresnet56-cifar": 862_889,
    "seresnet110-cifar": 1_744_952,
    "seresnet10": 5_463_332,
    "seresnet12": 5_537_896,
    "seresnet14": 5_835_504,
    "seresnet16": 7_024_640,
    "seresnet26": 18_093_852,
    "seresnetbc26b": 17_395_976,
    "seresnetbc38b": 24_026_616,
    "seresnet50-pytorchcv": 28_088_024,
    "seresnet101-pytorchcv": 49_326_872,
    "seresnet152-pytorchcv": 66_821_848,
    "sepreresnet10": 5_461_668,
    "sepreresnet12": 5_536_232,
    "sepreresnet16": 7_022_976,
    "sepreresnet18": 11_776_928,
    "sepreresnet26": 18_092_188,
    "sepreresnetbc26b": 17_388_424,
    "sepreresnetbc38b": 24_019_064,
    "sepreresnet50b": 28_080_472,
    "senet16": 31_366_168,
    "senet28": 36_453_768,
    "seresnet164bn-cifar": 1_906_258,
    "seresnet272bn-cifar": 3_153_826,
    "seresnet542bn-cifar": 6_272_746,
    "sepreresnet20-cifar": 274_559,
    "sepreresnet56-cifar": 862_601,
    "sepreresnet110-cifar": 1_744_664,
    "sepreresnet164bn-cifar": 1_904_882,
    "sepreresnet272bn-cifar": 3_152_450,
    "sepreresnet542bn-cifar": 6_271_370,
    "seresnext26d_32x4d": 16_809_512,
    "seresnext26t_32x4d": 16_806_976,
    "seresnet152d": 66_841_080,
    "seresnext101d_32x8d": 93_588_280,
    "seresnextaa101d_32x8d": 93_588_280,
    "seresnet50-moskomule": 28_071_976,
}
"""By key, with the usual number of classes; "-caffe" networks have the same tensors."""
RESNET_RS_MILLIONS = {
    "resnetrs50": 36,
    "resnetrs101": 64,
    "resnetrs152": 87,
    "resnetrs200": 93,
    "resnetrs270": 130,
    "resnetrs350": 164,
    "resnetrs420": 192,
}
"""Of parameters, as the paper rounds them (Bello et al., arXiv 2103.07579)."""
NO_PUBLISHED_COUNT = {
    *("seresnet10-cifar", "seresnet32-cifar", "seresnet44-cifar", "seresnet32-cifar-leeyeonsu"),
    *RESNET_RS_MILLIONS,
    *("seresnet101-ibn-a", "seresnet18-timm", "seresnet34-timm"),
    "seresnextaa201d_32x8d",
    "sebninception",
}
"""To the last digit, or only with 11,821 classes (test_published.py), or in a prototxt (test_caffe.py)."""
TIMM_GMACS = {
    "seresnet18-caffe": 1.82,
    "seresnet34-caffe": 3.67,
    "seresnet50-caffe": 3.88,
    "seresnet101-caffe": 7.61,
    "seresnet152-caffe": 11.33,
    "seresnext26_32x4d-caffe": 2.49,
    "seresnext50_32x4d-caffe": 4.26,
    "seresnext101_32x4d-caffe": 8.02,
    "seresnext101_32x8d": 16.48,
    "seresnext101_64x4d": 15.53,
    "senet154-caffe": 20.77,
}
"""timm's benchmark tables at 224 x 224, which also count batch norms and pools."""


def on_meta(spec: Spec) -> SENetwork:
    """The network without memory. Not kept: what the collector has to look through grows with each."""
    with torch.device("meta"):
        return SENetwork(spec).eval()


def shallow() -> dict[str, Spec]:
    """Architectures of which no two are alike but for how often a block is repeated, by one of their keys.

    Whatever is said of a block holds for its repetitions, which take nearly all of the time on the meta
    device: each operation runs as Python there. That they are there is what counting parameters sees.
    """
    different: dict[Spec, str] = {}
    for key, architecture in ARCHITECTURES.items():
        spec = architecture.spec
        different.setdefault(spec.shallow() if isinstance(spec, ArchSpec) else spec, key)
    return {key: spec for spec, key in different.items()}


SHALLOW = shallow()


# --- parameters ---------------------------------------------------------------------------------


@every("key", [key for key in ARCHITECTURES if key.removesuffix("-caffe") in PUBLISHED_PARAMETERS])
def test_parameters_as_published(key: str) -> None:
    assert ARCHITECTURES[key].spec.parameters() == PUBLISHED_PARAMETERS[key.removesuffix("-caffe")]


@pytest.mark.parametrize(("key", "millions"), RESNET_RS_MILLIONS.items())
def test_parameters_of_resnet_rs_round_to_the_papers(key: str, millions: int) -> None:
    assert round(ARCHITECTURES[key].spec.parameters() / 1e6) == millions


def test_every_published_number_is_checked() -> None:
    keys = {key.removesuffix("-caffe") for key in ARCHITECTURES}
    assert keys - NO_PUBLISHED_COUNT == set(PUBLISHED_PARAMETERS)
    assert keys >= NO_PUBLISHED_COUNT


@every("key", ARCHITECTURES)
def test_the_count_is_that_of_the_tensors(key: str) -> None:
    """The tensors are those of the module: tests/graphs/test_wiring.py."""
    spec = ARCHITECTURES[key].spec
    for network in (spec, spec.without_se()):
        trained = {
            name: shape
            for name, shape in expected_shapes(network).items()
            if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        }
        assert network.parameters() == sum(map(math.prod, trained.values()))


def test_the_real_cifar_network_has_the_parameters_of_its_description() -> None:
    """By hand: stem 3*16*9; blocks; SE without bias at C/16 and C/8; 3x3 shortcuts; head; batch norms."""
    stem = 3 * 16 * 9 + 2 * 16
    stages = 0
    for width, before in ((16, 16), (32, 16), (64, 32)):
        stages += before * width * 9 + 9 * width * width * 9 + 10 * 2 * width
        stages += 2 * width * (width // 16) + 4 * 2 * width * (width // 8)
        if before != width:
            stages += before * width * 9 + 2 * width
    spec = ARCHITECTURES["seresnet32-cifar-leeyeonsu"].spec
    assert spec.parameters() == stem + stages + 64 * 10 + 10


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_cifar_networks_have_6n_plus_2_layers(depth: int) -> None:
    spec = ARCHITECTURES[f"seresnet{depth}-cifar"].spec
    assert 6 * spec.depths[0] + 2 == depth
    assert sum(spec.depths) * 2 + 2 == depth
    assert sum(len(block.convs) for block in spec.blocks()) + len(spec.stem.convs(3)) + 1 == depth


# --- multiply-adds ------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "published"), [("seresnet50-caffe", 3.86e9), ("seresnet50", 4.09e9)])
def test_multiply_adds_of_the_two_se_resnet_50(key: str, published: float) -> None:
    assert round(ARCHITECTURES[key].spec.multiply_adds(224), -7) == published


@pytest.mark.parametrize(("key", "gmacs"), TIMM_GMACS.items())
def test_multiply_adds_as_timm_measured_them(key: str, gmacs: float) -> None:
    assert ARCHITECTURES[key].spec.multiply_adds(224) == pytest.approx(gmacs * 1e9, rel=0.01)


def measured_multiply_adds(network: SENetwork, size: int) -> int:
    """What the module really multiplies, from the shapes that pass through its layers."""
    total = 0
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):  # nothing that is counted; half of the time
                setattr(module, name, nn.Identity())

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        places = output.shape[2] * output.shape[3] if output.ndim == 4 else 1
        total += layer.weight.numel() * places

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    network(torch.empty(1, network.spec.in_channels, size, size, device="meta"))
    for hook in hooks:
        hook.remove()
    return total


@every("key", SHALLOW)
def test_multiply_adds_as_counted_in_the_module(key: str) -> None:
    spec = SHALLOW[key]
    network = on_meta(spec)
    for odd in (33, 97):
        size = odd - odd % 32 if spec.size_problem(odd) else odd  # odd maps may not fit each other
        assert spec.multiply_adds(size) == measured_multiply_adds(network, size), size


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("ceil_mode", [True, False])
def test_the_pools_sizes_are_torchs(padding: int, ceil_mode: bool) -> None:
    pool = nn.MaxPool2d(3, stride=2, padding=padding, ceil_mode=ceil_mode)
    for size in range(3, 60):
        assert StemPool(padding, ceil_mode).out_size(size) == pool(torch.zeros(1, size, size)).shape[1]


# --- structure ----------------------------------------------------------------------------------


def test_the_stride_stands_where_the_spec_says() -> None:
    strides = {
        key: [conv.stride for conv in [*ARCHITECTURES[key].spec.blocks()][3].convs]
        for key in ("seresnet50", "seresnet50-caffe", "seresnext50_32x4d-caffe", "senet154")
    }
    assert strides == {
        "seresnet50": [1, 2, 1],
        "seresnet50-caffe": [2, 1, 1],
        "seresnext50_32x4d-caffe": [1, 2, 1],
        "senet154": [1, 2, 1],
    }


def test_senet_154() -> None:
    """Section 6.2 of the paper: three 3x3 convolutions at the entry, 3x3 shortcuts, halved 1x1 channels."""
    network = on_meta(ARCHITECTURES["senet154"].spec)
    assert [conv.out_channels for conv in network.stem if isinstance(conv, nn.Conv2d)] == [64, 64, 128]
    block = network.get_submodule("stage2.0")
    widths = [block.get_submodule(f"conv{n}").out_channels for n in (1, 2, 3)]
    assert widths == [256, 512, 512]
    assert block.conv2.groups == 64
    assert block.shortcut.conv.kernel_size == (3, 3)
    assert network.get_submodule("stage1.0").shortcut.conv.kernel_size == (1, 1)
    assert network.dropout.p == 0.2


@every("key", SHALLOW)
def test_every_network_runs_at_odd_sizes(key: str) -> None:
    spec = SHALLOW[key]
    network = on_meta(spec)
    height, width = 71, 45
    if spec.size_problem(height):  # not any size fits
        height, width = (65, 97) if isinstance(spec, InceptionSpec) else (96, 64)
    images = torch.empty(2, 3, height, width, device="meta")
    features = network.features(images)
    assert features.shape == (2, spec.feature_channels)
    assert network.head(features).shape == (2, spec.classes)


def test_fresh_weights_are_he_normal_with_unit_batch_norms() -> None:
    torch.manual_seed(0)
    network = build_network(ARCHITECTURES["seresnet20-cifar"].spec)
    conv = network.get_submodule("stage3.1.conv1")
    assert conv.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)
    assert all(
        bool((norm.weight == 1).all() and (norm.bias == 0).all())
        for norm in network.modules()
        if isinstance(norm, nn.BatchNorm2d)
    )
    assert network.training


# --- specs as values ----------------------------------------------------------------------------


def test_specs_are_values() -> None:
    spec = ARCHITECTURES["seresnet50"].spec
    assert spec == replace(spec)
    assert hash(spec) == hash(replace(spec))
    assert spec != ARCHITECTURES["seresnet50-caffe"].spec
    assert spec.with_classes(10).classes == 10
    assert spec.with_classes(10).with_classes(1000) == spec
    assert spec.without_se().se is None


def test_no_two_architecture_keys_mean_the_same() -> None:
    specs = [architecture.spec for architecture in ARCHITECTURES.values()]
    assert len(set(specs)) == len(specs)


def test_parts_by_hand() -> None:
    assert [conv.weights for conv in DeepStem((64, 64, 128)).convs(3)] == [1728, 36_864, 73_728]
    assert [conv.weights for conv in ConvStem(64, 7, 2).convs(3)] == [9408]
    assert [conv.weights for conv in BasicBlock().convs(64, 128, 2)] == [73_728, 147_456]
    inner = [conv.out_channels for conv in Bottleneck(32, 8).convs(256, 128, 2)]
    assert inner == [512, 512, 512]
    assert Shortcut().conv(64, 64, 1) is None
    assert Shortcut(3).conv(64, 256, 1).kernel == 1
    assert Shortcut(3).conv(256, 512, 2).kernel == 3
    assert SqueezeExcite(16).hidden(8, block=1) == 1
    assert SqueezeExcite(8, first_reduction=16).hidden(64, block=0) == 4
    assert SqueezeExcite(8, first_reduction=16).hidden(64, block=1) == 8
    assert SqueezeExcite(16, bias=False).parameters(64, block=0) == 2 * 64 * 4
    assert SqueezeExcite(16).parameters(64, block=0) == 2 * 64 * 4 + 64 + 4


@pytest.mark.parametrize("module", ["senet_cli.specs", "senet_cli.catalogue", "senet_cli.weights.publishers"])
def test_specs_need_no_torch(module: str) -> None:
    code = (
        f"import sys, {module}; from senet_cli.catalogue.lookup import load_manifest; "
        "load_manifest().architecture('senet154').spec.parameters(); "
        "print([name for name in ('torch', 'numpy', 'PIL', 'requests') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
