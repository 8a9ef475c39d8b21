"""SE-BN-Inception as every other network: counted, folded, converted, frozen, read and written."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from senet_cli import create_model
from senet_cli.catalogue.entries import Preprocess
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.catalogue.traits import structure_in_words
from senet_cli.inference.engines.torch import TorchEngine
from senet_cli.nets.folding import fold_batch_norms
from senet_cli.nets.network import SENetwork, build_network, state_of
from senet_cli.specs import InceptionBlock, InceptionSpec, InceptionStage, SqueezeExcite, StemPool
from senet_cli.tasks.train.loop import frozen_parts
from senet_cli.weights.load import load_network, load_own_network
from senet_cli.weights.publishers.caffe import CAFFE_INCEPTION
from senet_cli.weights.publishers.senet import SENET
from tests.oracles.nets import distance, logits_of, random_state, two_images, with_state

SMALL = InceptionSpec(
    stem=(8, 8, 12),
    pool=StemPool(padding=0, ceil_mode=True),
    stages=(
        InceptionStage(
            (
                InceptionBlock(8, (4, 8), (4, 6), "average", 4),
                InceptionBlock(None, (8, 10), (4, 6), "max", None),
            )
        ),
        InceptionStage((InceptionBlock(8, (4, 8), (4, 6), "max", 4),)),
    ),
    se=SqueezeExcite(reduction=4),
    classes=10,
)
PREPROCESS = Preprocess(64, 64, "bilinear", (0.5, 0.4, 0.3), (1 / 255,) * 3)


def small() -> SENetwork:
    network = SENetwork(SMALL)
    with_state(network, random_state(network))
    return network


def inputs(size: int) -> torch.Tensor:
    return two_images(size).double() / 100 - 1


def test_the_numbers_are_those_of_the_paper() -> None:
    """Table 1 of the batch norm paper, but for what the authors changed: outputs after each module."""
    spec = load_manifest().architecture("sebninception-caffe").spec
    assert isinstance(spec, InceptionSpec)
    assert [block.out_channels for block in spec.blocks()] == [
        *(256, 320, 576),
        *(576, 576, 608, 608, 1056),
        *(1024, 1024),
    ]
    assert spec.depths == (3, 5, 2)
    assert spec.feature_channels == 1024
    assert round(spec.multiply_adds(224) / 1e9, 2) == 2.03
    assert structure_in_words(spec) == (
        "7x7, 1x1, 3x3 stem, pools ceil mode, inception modules, depths 3-5-2, SE reduction 16"
    )


@pytest.mark.parametrize("se", [True, False])
def test_counts_are_those_of_the_modules(se: bool) -> None:
    spec = SMALL if se else SMALL.without_se()
    network = SENetwork(spec).eval()
    assert spec.parameters() == sum(parameter.numel() for parameter in network.parameters())
    total = 0

    def count(layer: nn.Module, _: object, output: torch.Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        total += layer.weight.numel() * (output[0, 0].numel() if output.ndim == 4 else 1)

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    network(torch.zeros(1, 3, 64, 64))
    assert spec.multiply_adds(64) == total


def test_sizes_that_do_not_fit_are_told() -> None:
    spec = load_manifest().architecture("sebninception-caffe").spec
    assert isinstance(spec, InceptionSpec)
    network = SENetwork(spec.with_classes(2)).eval()
    for size in (32, 64, 65, 95, 96, 100, 128, 223, 224, 225, 231):
        fits = spec.size_problem(size) is None
        try:
            network(torch.zeros(1, 3, size, size))
        except RuntimeError:
            assert not fits
        else:
            assert fits
    assert all(spec.size_problem(32 * factor) is None for factor in range(1, 20))
    assert spec.size_problem(1)


def test_folding_changes_nothing() -> None:
    network = small().double()
    folded = copy.deepcopy(network)
    fold_batch_norms(folded)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert distance(logits_of(folded, inputs(64)), logits_of(network, inputs(64))) < 1e-9


def test_engines_agree(tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed")
    del openvino
    from senet_cli.graphs import openvino as graphs
    from senet_cli.inference.engines.openvino import NETWORK_FILE, WEIGHTS_FILE, OpenVINOEngine

    network = small()
    with torch.no_grad():
        network.stem.first.conv.weight.mul_(1 / 255)
    pixels = two_images(64).permute(0, 2, 3, 1).contiguous().numpy()
    graphs.save(graphs.build(network.spec, state_of(network), PREPROCESS), tmp_path / NETWORK_FILE)
    converted = OpenVINOEngine(tmp_path / NETWORK_FILE, tmp_path / WEIGHTS_FILE, "fp32", streams=1, threads=1)
    ours = TorchEngine(network, PREPROCESS, "cpu", "fp32")
    for theirs, expected in (
        (converted.logits(pixels), ours.logits(pixels)),
        (converted.features(pixels), ours.features(pixels)),
    ):
        assert distance(torch.from_numpy(theirs), torch.from_numpy(expected)) < 2e-5
    assert ours.features(pixels).shape == (2, SMALL.feature_channels)


def test_it_learns_and_freezes() -> None:
    network = build_network(SMALL)
    assert network.stages == ("stage1", "stage2")
    frozen = frozen_parts(network, 1)
    assert frozen == [network.stem, network.get_submodule("stage1")]
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    images, targets = two_images(64).float() / 255, torch.tensor([0, 1])
    losses = []
    for _ in range(25):
        loss = nn.functional.cross_entropy(network(images), targets)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] / 2


def test_own_layout_and_caffes_make_the_round_trip(tmp_path: Path) -> None:
    state = small().state_dict()
    for layout in (SENET, CAFFE_INCEPTION):
        path = tmp_path / f"{layout.name}.safetensors"
        save_file({layout.key(key): value for key, value in state.items()}, path)
        for network in (load_network(path, SMALL, layout), load_own_network(path, SMALL)):
            read = network.state_dict()
            first = "stem.first.conv.weight"
            if layout is CAFFE_INCEPTION:
                read[first] = read[first].flip(1)
            for key, value in state.items():
                assert torch.equal(read[key], value) or "num_batches" in key


def test_a_plain_twin_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "plain.safetensors"
    plain = SENetwork(replace(SMALL, se=None)).state_dict()
    save_file({CAFFE_INCEPTION.key(key): value for key, value in plain.items()}, path)
    with pytest.raises(Exception, match="no squeeze-and-excitation weights"):
        load_network(path, SMALL, CAFFE_INCEPTION)


def test_the_api_builds_it() -> None:
    network = create_model("sebninception-caffe", num_classes=3, in_channels=1, se=False)
    assert network(torch.zeros(2, 1, 64, 64)).shape == (2, 3)
