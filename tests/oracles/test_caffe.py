"""The authors' Caffe networks: structure from their prototxts, logits from OpenCV's reader of the format."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from senet_cli.catalogue.entries import Preprocess
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.nets.network import SENetwork
from senet_cli.specs import ArchSpec, Conv, InceptionSpec, Spec
from senet_cli.weights.load import load_network
from senet_cli.weights.publishers import find_layout
from senet_cli.weights.read import read_tensors
from tests.oracles.caffe import (
    NETWORKS,
    Layer,
    field,
    layers_of,
    opencv_logits,
    parse_prototxt,
    random_weights,
    write_caffemodel,
)
from tests.oracles.nets import assert_same, distance, logits_of, normalised, one_thread, two_images

MANIFEST = load_manifest()
PUBLISHED = [name for name in NETWORKS if name != "SENet-154"]
"""SENet-154's file has no digest anywhere, so the manifest does not have it."""
each_network = pytest.mark.parametrize("name", NETWORKS)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture
def prototxts(data: Path) -> Path:
    return data / "caffe"


def spec_of(name: str) -> Spec:
    return MANIFEST.architecture(f"{NETWORKS[name]}-caffe").spec


def layout_of(name: str) -> str:
    return "caffe-inception" if name == "SE-BN-Inception" else "caffe"


# --- structure ----------------------------------------------------------------------------------


def convs_of(spec: Spec) -> Iterator[tuple[str, Conv]]:
    """Path of each convolution in our network, with its numbers."""
    if isinstance(spec, InceptionSpec):
        paths = ("stem.first.conv", "stem.second.conv1", "stem.second.conv2")
        yield from zip(paths, spec.stem_convs(), strict=True)
        for module in spec.blocks():
            names = ("direct", "single3x3", "double3x3", "projection")
            for name, branch in zip(names, module.branches, strict=True):
                for number, conv in enumerate(branch, start=1):
                    suffix = str(number) if len(branch) > 1 else ""
                    yield f"stage{module.stage}.{module.block}.{name}.conv{suffix}", conv
        return
    stem = spec.stem.convs(3)
    for number, conv in enumerate(stem, start=1):
        yield f"stem.conv{number if len(stem) > 1 else ''}", conv
    for block in spec.blocks():
        for number, conv in enumerate(block.convs, start=1):
            yield f"stage{block.stage}.{block.block}.conv{number}", conv
        if block.shortcut:
            yield f"stage{block.stage}.{block.block}.shortcut.conv", block.shortcut


def numbers_of(layer: Layer) -> tuple[int, ...]:
    """Channels, kernel, stride, padding and groups of a convolution without bias."""
    weight, numbers = layer.shapes[0], layer.numbers
    groups = int(numbers.get("group", 1))
    stride, pad = int(numbers.get("stride", 1)), int(numbers.get("pad", 0))
    return weight[1] * groups, weight[0], weight[2], stride, pad, groups


@each_network
def test_every_convolution_is_that_of_the_prototxt(name: str, prototxts: Path) -> None:
    layers = {
        layer.name: numbers_of(layer)
        for layer in layers_of(prototxts / f"{name}.prototxt")
        if layer.kind == "Convolution" and len(layer.shapes) == 1
    }
    layout = find_layout(layout_of(name))
    ours = {
        layout.module(path): (
            *(conv.in_channels, conv.out_channels, conv.kernel),
            *(conv.stride, conv.padding, conv.groups),
        )
        for path, conv in convs_of(spec_of(name))
    }
    assert ours == layers


@each_network
def test_every_tensor_has_its_layer(name: str, prototxts: Path) -> None:
    """SE modules, batch norms and head by their shapes; nothing left over on either side."""
    layers = list(layers_of(prototxts / f"{name}.prototxt"))
    theirs: dict[str, int] = {}
    for layer in layers:
        path = layer.name.removesuffix("/scale") if layer.kind == "Scale" else layer.name
        names = ("running_mean", "running_var") if layer.kind == "BatchNorm" else ("weight", "bias")
        sizes = map(math.prod, layer.shapes)
        theirs |= {f"{path}.{tensor}": size for tensor, size in zip(names, sizes, strict=False)}
    with torch.device("meta"):
        state = SENetwork(spec_of(name)).state_dict()
    layout = find_layout(layout_of(name))
    ours = {layout.key(key): value.numel() for key, value in state.items() if "num_batches" not in key}
    assert ours == theirs


@each_network
def test_parameters_are_those_of_the_prototxt(name: str, prototxts: Path) -> None:
    layers = layers_of(prototxts / f"{name}.prototxt")
    trained = (layer for layer in layers if layer.kind != "BatchNorm")
    assert spec_of(name).parameters() == sum(math.prod(shape) for layer in trained for shape in layer.shapes)


@each_network
def test_pools_are_those_of_the_prototxt(name: str, prototxts: Path) -> None:
    """Max pools 3x3 stride 2 without padding, which Caffe rounds up; what else pools is said in the spec."""
    layers = parse_prototxt((prototxts / f"{name}.prototxt").read_text())["layer"]
    pools = {layer["name"][0]: layer["pooling_param"][0] for layer in layers if "pooling_param" in layer}
    local = {path: pool for path, pool in pools.items() if "global_pooling" not in pool}
    assert local.pop("pool5/7x7_s1") == {"pool": ["AVE"], "kernel_size": ["7"], "stride": ["1"]}
    halving = [path for path, pool in local.items() if pool["stride"] == ["2"]]
    for path in halving:
        assert local.pop(path) == {"pool": ["MAX"], "kernel_size": ["3"], "stride": ["2"]}
    spec = spec_of(name)
    assert spec.pool is not None
    assert (spec.pool.padding, spec.pool.ceil_mode) == (0, True)
    if isinstance(spec, ArchSpec):
        assert halving == ["pool1/3x3_s2"]
        assert not local
        return
    assert halving[:2] == ["pool1/3x3_s2", "pool2/3x3_s2"]
    blocks = {f"inception_{b.stage + 2}{'abcde'[b.block]}/pool": b for b in spec.blocks()}
    assert {path.removesuffix("/3x3_s2") for path in halving[2:]} == {
        path for path, block in blocks.items() if block.stride == 2
    }
    kinds = {"average": "AVE", "max": "MAX"}
    assert local == {
        path: {"pool": [kinds[block.pool]], "kernel_size": ["3"], "stride": ["1"], "pad": ["1"]}
        for path, block in blocks.items()
        if block.stride == 1
    }


# --- the published bytes ------------------------------------------------------------------------


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_numbers_explain_the_published_bytes(
    name: str, prototxts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four bytes for each number; the rest frames layers and blobs and repeats the layers' parameters."""
    path = prototxts / f"{name}.prototxt"
    weighted = list(layers_of(path))
    numbers = sum(math.prod(shape) for layer in weighted for shape in layer.shapes)
    size = MANIFEST.checkpoint(f"{NETWORKS[name]}.caffe").files[0].size
    assert size is not None
    layers = parse_prototxt(path.read_text())["layer"]
    links = {"name": 1, "type": 2, "bottom": 3, "top": 4}
    names = b"".join(
        field(number, text.encode())
        for layer in layers
        for key, number in links.items()
        for text in layer.get(key, [])
    )
    rest = size - 4 * numbers
    unexplained = rest - len(names)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{name}: {size:,} bytes, {4 * numbers:,} of numbers, {len(names):,} of names, "
            f"{unexplained:,} other: {unexplained / len(layers):.0f} a layer\n"
        )
    assert 0 < unexplained < 100 * len(layers)


# --- logits -------------------------------------------------------------------------------------


def standard_order(data: Path) -> list[int]:
    """For each class in the order of sorted identifiers, its number in the authors' order."""
    names = json.loads((data / "metadata" / "official_caffe_senet_label_order.json").read_text())
    return sorted(range(len(names)), key=names.__getitem__)


def inputs(numbers: Preprocess, size: int) -> Tensor:
    return normalised(two_images(size), numbers.mean, numbers.std)


SIZES = {"SE-BN-Inception": (224, 225), "SE-ResNet-50": (97,), "SE-ResNeXt-50": (97,)}
"""Of the comparisons by default, which touch every kind of block."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in SIZES else [pytest.mark.whole]) for name in NETWORKS],
)
def test_logits_are_those_of_opencv(name: str, data: Path, tmp_path: Path) -> None:
    prototxt = data / "caffe" / f"{name}.prototxt"
    file = write_caffemodel(tmp_path / "a.caffemodel", name, random_weights(list(layers_of(prototxt))))
    published = name if name in PUBLISHED else PUBLISHED[0]
    numbers = MANIFEST.checkpoint(f"{NETWORKS[published]}.caffe").preprocess
    network = load_network(file, spec_of(name), find_layout(layout_of(name)))
    order = standard_order(data)
    for size in SIZES.get(name, (97,)):
        theirs = torch.from_numpy(opencv_logits(prototxt, file, two_images(size).numpy())).double()
        ours = logits_of(network, inputs(numbers, size))
        assert_same(ours, theirs[:, order], 1e-4)
        assert distance(ours, theirs) > 0.1, "the order of the classes would not be seen"
    bgr = logits_of(network, inputs(numbers, size).flip(1))
    assert distance(bgr, theirs[:, order]) > 1e-2, "the order of the colours would not be seen"


def test_other_pools_would_be_seen(data: Path, tmp_path: Path) -> None:
    """The last module has a max pool, the others average pools that count the zeros around the map."""
    name = "SE-BN-Inception"
    prototxt = data / "caffe" / f"{name}.prototxt"
    file = write_caffemodel(tmp_path / "a.caffemodel", name, random_weights(list(layers_of(prototxt))))
    checkpoint = MANIFEST.checkpoint("sebninception.caffe")
    spec, layout = checkpoint.architecture.spec, find_layout("caffe-inception")
    assert isinstance(spec, InceptionSpec)
    images = inputs(checkpoint.preprocess, 64)
    right = logits_of(load_network(file, spec, layout), images)
    *stages, last = spec.stages
    first, second = last.blocks
    changed = replace(last, blocks=(first, replace(second, pool="average")))
    averaged = replace(spec, stages=(*stages, changed))
    assert distance(logits_of(load_network(file, averaged, layout), images), right) > 1e-2
    network = load_network(file, spec, layout)
    for module in network.modules():
        if isinstance(module, nn.AvgPool2d):
            module.count_include_pad = False
    assert distance(logits_of(network, images), right) > 1e-2


def test_the_scale_factor_divides_the_statistics(data: Path, tmp_path: Path) -> None:
    layers = [layer for layer in layers_of(data / "caffe/SE-BN-Inception.prototxt") if "conv1/" in layer.name]
    weights = random_weights(layers)
    read = read_tensors(write_caffemodel(tmp_path / "a.caffemodel", "a", weights))
    mean, variance, factor = weights[1][1]
    np.testing.assert_allclose(read["conv1/7x7_s2/bn.running_mean"], mean / factor, 1e-6)
    np.testing.assert_allclose(read["conv1/7x7_s2/bn.running_var"], variance / factor, 1e-6)
