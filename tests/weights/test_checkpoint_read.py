"""Reading weights: every published spelling, wrapper and float format is read."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.errors import CheckpointError, ModelError
from senet_cli.nets.network import SENetwork
from senet_cli.specs import ArchSpec
from senet_cli.weights.load import load_network, load_own_network
from senet_cli.weights.publishers import LAYOUTS, WRITABLE, KeyLayout, find_layout
from senet_cli.weights.publishers.cadene import CADENE
from senet_cli.weights.publishers.timm import TIMM
from tests.weights.checkpoints import (
    BASIC,
    CONV,
    DEEP,
    SPECS,
    State,
    assert_loaded,
    each_layout,
    published,
    random_state,
    refused,
    save,
)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@each_layout
def test_every_layout_makes_the_round_trip(layout: KeyLayout, spec: ArchSpec, kind: str, path: Path) -> None:
    state = published(spec, layout)
    assert len(state) == len(random_state(spec)), "two of our tensors under one key"
    save(path, state, kind)
    assert_loaded(load_network(path, spec, layout), spec)
    assert_loaded(load_own_network(path, spec), spec)


@pytest.mark.parametrize("layout", [CADENE, TIMM], ids=["cadene", "timm"])
def test_deep_stems_make_the_round_trip(layout: KeyLayout, path: Path) -> None:
    state = published(DEEP, layout)
    assert len(state) == len(random_state(DEEP))
    assert_loaded(load_network(save(path, state), DEEP, layout), DEEP)
    assert_loaded(load_own_network(path, DEEP), DEEP)


def test_a_layout_without_deep_stems_says_what_is_missing(path: Path) -> None:
    layout = find_layout("mmpretrain")
    rest = {
        layout.key(key): value for key, value in random_state(DEEP).items() if not key.startswith("stem.")
    }
    with pytest.raises(
        CheckpointError, match=r"tensors 15 missing: stem\.conv1\.weight, stem\.norm1\.weight, "
    ):
        load_network(save(path, rest), DEEP, layout)


def test_the_keys_are_the_publishers() -> None:
    """A few of each, by hand from the published files."""
    samples = {
        "cadene": {
            "layer0.conv1.weight",
            "layer0.bn1.bias",
            "layer2.0.se_module.fc1.weight",
            "last_linear.bias",
        },
        "timm": {"conv1.weight", "bn1.running_var", "layer2.0.se.fc2.bias", "layer2.0.downsample.1.weight"},
        "mmpretrain": {
            "backbone.conv1.weight",
            "backbone.layer1.0.bn1.weight",
            "backbone.layer1.0.se_layer.conv2.conv.bias",
            "backbone.layer2.0.downsample.0.weight",
            "head.fc.weight",
        },
        "leeyeonsu": {
            "conv1.weight",
            "layers1.1.se.fc.0.weight",
            "layers2.0.down_sample.0.weight",
            "fc_out.bias",
        },
        "timm-pooled": {"conv1.weight", "layer2.0.downsample.1.weight", "layer2.0.downsample.2.bias"},
        "moskomule": {"bn1.bias", "layer1.0.se.fc.0.weight", "layer2.0.downsample.0.weight", "fc.weight"},
        "ibn-net": {
            "layer1.0.bn1.IN.weight",
            "layer1.0.bn1.BN.running_var",
            "layer2.0.bn1.bias",
            "layer1.0.se.fc.2.weight",
        },
        "pytorchcv": {
            "features.init_block.conv.conv.weight",
            "features.stage1.unit1.body.conv1.conv.weight",
            "features.stage1.unit2.body.conv2.bn.bias",
            "features.stage1.unit1.se.conv1.bias",
            "features.stage2.unit1.identity_conv.bn.running_mean",
            "output.weight",
        },
        "pytorchcv-senet": {
            "features.init_block.conv3.bn.weight",
            "features.stage1.unit1.body.conv3.conv.weight",
            "output.fc.bias",
        },
        "pytorchcv-cifar": {"features.init_block.conv.weight", "features.init_block.bn.bias"},
        "pytorchcv-pre": {
            "features.stage1.unit1.body.conv1.bn.weight",
            "features.stage2.unit1.identity_conv.weight",
            "features.post_activ.bn.running_var",
        },
    }
    assert samples.keys() == WRITABLE.keys() - {"senet"}, "our own keys are the network's"
    for name, keys in samples.items():
        assert keys <= published(SPECS.get(name, BASIC), LAYOUTS[name]).keys()
    assert {"conv1.0.weight", "conv1.3.weight", "conv1.6.weight", "bn1.weight"} <= published(
        DEEP, TIMM
    ).keys()
    assert {"layer0.conv3.weight", "layer0.bn2.bias"} <= published(DEEP, CADENE).keys()


def test_an_unknown_layout_is_named() -> None:
    with pytest.raises(ModelError, match="`darknet` is not known"):
        find_layout("darknet")


@pytest.mark.parametrize("four_dimensions", [True, False], ids=["1x1 convolutions", "linear maps"])
def test_se_weights_of_both_ranks_are_read(four_dimensions: bool, path: Path) -> None:
    def spelled(key: str, value: Tensor) -> Tensor:
        is_map = ".se." in key and value.ndim == 2
        return value[:, :, None, None] if is_map and four_dimensions else value

    state = {key: spelled(key, value) for key, value in published(BASIC).items()}
    assert state["layer1.0.se.fc1.weight"].ndim == (4 if four_dimensions else 2)
    assert_loaded(load_network(save(path, state), BASIC, TIMM), BASIC)


def test_a_real_3x3_kernel_is_no_linear_map(path: Path) -> None:
    state = published(BASIC) | {"layer1.0.se.fc1.weight": torch.ones(2, 8, 3, 3)}
    error = refused(save(path, state))
    assert "layer1.0.se.fc1.weight is 2x8x3x3 instead of 2x8" in error.message


def test_as_many_numbers_in_another_shape_do_not_fit(path: Path) -> None:
    state = published(BASIC)
    first, second = "layer1.0.se.fc1.weight", "layer1.0.se.fc2.weight"
    state[first], state[second] = state[second], state[first]
    message = refused(save(path, state)).message
    assert f"{first} is 8x2 instead of 2x8, {second} is 2x8 instead of 8x2" in message


def test_batch_counters_are_optional(path: Path) -> None:
    state = {key: value for key, value in published(BASIC).items() if "num_batches" not in key}
    assert len(state) < len(published(BASIC))
    assert_loaded(load_network(save(path, state), BASIC, TIMM), BASIC)


@pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(lambda state: {f"module.{key}": value for key, value in state.items()}, id="module."),
        pytest.param(lambda state: {"state_dict": state, "best_prec1": 93.5, "epoch": 3}, id="state_dict"),
        pytest.param(lambda state: {"meta": {"epoch": 100}, "state_dict": state}, id="mmpretrain"),
        pytest.param(lambda state: {"model_state_dict": state, "optimizer": {}}, id="model_state_dict"),
        pytest.param(lambda state: {"model": state, "args": None}, id="model"),
        pytest.param(lambda state: {"net": state, "acc": 0.9}, id="net"),
        pytest.param(lambda state: {"model": {"state_dict": state}}, id="two deep"),
        pytest.param(
            lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
            id="state_dict and module.",
        ),
        pytest.param(
            lambda state: {
                key: nn.Parameter(value, value.is_floating_point()) for key, value in state.items()
            },
            id="parameters",
        ),
    ],
)
@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_wrappers_are_taken_off(wrap: Callable[[State], object], kind: str, path: Path) -> None:
    save(path, wrap(published(BASIC)), kind)
    assert_loaded(load_network(path, BASIC, TIMM), BASIC)
    assert_loaded(load_own_network(path, BASIC), BASIC)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_other_float_formats_become_float32(dtype: torch.dtype, path: Path) -> None:
    state = {
        key: value.to(dtype) if value.is_floating_point() else value
        for key, value in published(BASIC).items()
    }
    network = load_network(save(path, state), BASIC, TIMM)
    weight = network.get_submodule("stage1.0.conv1").weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, state[CONV].float())


def test_the_number_of_classes_is_read_off_ones_own_file(path: Path) -> None:
    save(path, published(replace(BASIC, classes=3)))
    assert load_own_network(path, BASIC).spec.classes == 3
    with pytest.raises(CheckpointError, match=re.escape("fc.weight is 3x16 instead of 5x16")):
        load_network(path, BASIC, TIMM)


@pytest.mark.parametrize("name", ["seresnet32_cifar10_cutmix.pt", "seresnet32_cifar10_teacher.pt"])
def test_real_files_with_cuda_tensors_load_on_the_cpu(name: str, data: Path) -> None:
    file = data / "checkpoints" / name
    assert b"cuda:0" in zipfile.ZipFile(file).read("archive/data.pkl")
    spec = load_manifest().architecture("seresnet32-cifar-leeyeonsu").spec
    for network in (load_network(file, spec, find_layout("leeyeonsu")), load_own_network(file, spec)):
        assert {value.device.type for value in network.state_dict().values()} == {"cpu"}
        assert not network.training


@pytest.mark.parametrize("kind", ["zip", "safetensors"])
def test_no_time_goes_into_random_weights(kind: str, path: Path) -> None:
    save(path, published(BASIC), kind)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    load_network(path, BASIC, TIMM)
    load_own_network(path, BASIC)
    assert torch.equal(torch.get_rng_state(), before)
    SENetwork(BASIC)
    assert not torch.equal(torch.get_rng_state(), before)
