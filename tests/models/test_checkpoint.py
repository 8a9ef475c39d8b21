"""Reading weights: every published spelling is read, and everything else is refused in words, unexecuted."""

from __future__ import annotations

import json
import os
import pickle
import random
import re
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from senet_cli.architectures import (
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
from senet_cli.errors import CheckpointError, DiskError, ExitCode, ModelError
from senet_cli.manifest import load_manifest
from senet_cli.models.checkpoint import load_network, load_own_network
from senet_cli.models.layouts import CADENE, LAYOUTS, TIMM, WRITABLE, KeyLayout, find_layout
from senet_cli.models.network import SENetwork

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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


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


# --- what is read -------------------------------------------------------------------------------


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


# --- what does not fit --------------------------------------------------------------------------


def test_missing_and_unexpected_tensors_are_counted_and_five_named(path: Path) -> None:
    state = published(BASIC)
    gone = [key for key in state if "layer1" in key and "num_batches" not in key and ".se." not in key]
    assert len(gone) > 12
    state = {key: value for key, value in state.items() if key not in gone}
    state |= {f"extra.{number}": torch.zeros(1) for number in range(23)}
    message = refused(save(path, state)).message
    assert f"{len(gone)} missing" in message
    assert "23 not known" in message
    assert len(re.findall(r"layer1\.\d", message)) == 5
    assert f"and {len(gone) - 5} more" in message
    assert len(re.findall(r"extra\.\d", message)) == 5
    assert "and 18 more" in message


def test_misshapen_tensors_are_named_with_both_shapes(path: Path) -> None:
    state = published(BASIC)
    wrong = [key for key in state if key.endswith("running_mean")]
    state |= {key: torch.zeros(3) for key in wrong}
    message = refused(save(path, state)).message
    assert f"{len(wrong)} of another shape: bn1.running_mean is 3 instead of 8, " in message
    assert message.count("instead of") == 5
    assert f"and {len(wrong) - 5} more" in message


def test_a_few_offenders_are_all_named_without_more(path: Path) -> None:
    state = published(BASIC)
    del state["fc.bias"], state[CONV]
    message = refused(save(path, state)).message
    assert "2 missing: layer1.0.conv1.weight, fc.bias" in message
    assert "more" not in message


def test_very_long_keys_do_not_fill_the_screen(path: Path) -> None:
    state = published(BASIC) | {f"{number}{'x' * 5000}": torch.zeros(1) for number in range(9)}
    assert "9 not known" in refused(save(path, state)).message


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "infinite or not a number"),
        (float("inf"), "infinite or not a number"),
        (float("-inf"), "infinite or not a number"),
    ],
)
@pytest.mark.parametrize("key", [CONV, "bn1.running_var", "fc.bias", "layer1.0.se.fc2.weight"])
def test_weights_that_are_no_numbers(value: float, reason: str, key: str, path: Path) -> None:
    state = published(BASIC)
    state[key].view(-1)[-1] = value
    assert reason in refused(save(path, state)).message


def test_a_double_that_no_float_can_hold(path: Path) -> None:
    state = published(BASIC)
    state[CONV] = state[CONV].double() * 1e300
    assert "infinite" in refused(save(path, state)).message


@pytest.mark.parametrize(
    "dtype", [torch.int64, torch.int8, torch.uint8, torch.bool, torch.complex64], ids=str
)
def test_weights_that_are_no_floats(dtype: torch.dtype, path: Path) -> None:
    state = published(BASIC)
    state[CONV] = state[CONV].to(dtype)
    message = refused(save(path, state)).message
    assert "not floating point" in message
    assert str(dtype) in message


@pytest.mark.parametrize(
    "strange",
    [
        pytest.param(lambda value: value.to("meta"), id="meta"),
        pytest.param(
            lambda value: value.to_sparse(),
            id="sparse",
            marks=pytest.mark.filterwarnings("ignore:Validating sparse tensor:UserWarning"),
        ),
    ],
)
def test_tensors_without_plain_memory(strange: Callable[[Tensor], Tensor], path: Path) -> None:
    state = published(BASIC)
    state[CONV] = strange(state[CONV])
    refused(save(path, state))


def test_the_neighbour_with_other_shapes_is_refused(path: Path) -> None:
    save(path, published(BASIC))
    for other in (
        replace(BASIC, widths=(8, 12)),
        replace(BASIC, depths=(2, 2)),
        replace(BASIC, stem=DEEP.stem),
    ):
        assert "does not fit the architecture" in refused(path, other).message


# --- networks without SE ------------------------------------------------------------------------


def test_a_real_plain_network_is_recognised(data: Path) -> None:
    spec = load_manifest().architecture("seresnet20-cifar").spec
    with pytest.raises(CheckpointError, match="has no squeeze-and-excitation weights") as caught:
        load_own_network(data / "checkpoints" / "plain_resnet20_cifar10-12fca82f.th", spec)
    assert caught.value.exit_code == 4
    assert caught.value.hint.count(".se.") == 5


@each_layout
def test_a_plain_network_is_recognised_in_every_layout(layout: KeyLayout, spec: ArchSpec, path: Path) -> None:
    plain = {layout.key(key): value for key, value in random_state(spec.without_se()).items()}
    message = refused(save(path, plain), spec, layout).message
    assert "has no squeeze-and-excitation weights" in message


@each_layout
def test_a_file_that_lacks_one_gate_is_no_plain_network(
    layout: KeyLayout, spec: ArchSpec, path: Path
) -> None:
    lost = layout.key("stage1.0.se.reduce.weight")
    state = published(spec, layout)
    del state[lost]
    assert f"1 missing: {lost}" in refused(save(path, state), spec, layout).message


def test_se_weights_under_strange_names_are_not_called_a_plain_network(path: Path) -> None:
    state = {
        key.replace(".se.fc1.", ".gate.0.").replace(".se.fc2.", ".gate.2."): value
        for key, value in published(BASIC).items()
    }
    assert "no squeeze-and-excitation" not in refused(save(path, state)).message


def test_something_else_altogether_is_not_called_a_plain_network(path: Path) -> None:
    state = {f"encoder.{number}.attention.weight": torch.zeros(4, 4) for number in range(50)}
    message = refused(save(path, state)).message
    assert "no squeeze-and-excitation" not in message


# --- what is no checkpoint ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(
            b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 112621903\n",
            "git-lfs pointer",
            id="git-lfs",
        ),
        pytest.param(b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page", id="html"),
        pytest.param(b"\n\n  <html>\n<head>", "web page", id="html after blanks"),
        pytest.param(b"\x89HDF\r\n\x1a\n" + bytes(500), "HDF5", id="keras"),
        pytest.param(b"just a text\n", "neither a PyTorch nor a safetensors", id="text"),
        pytest.param(b"\xff\xd8\xff\xe0" + bytes(500), "neither a PyTorch nor a safetensors", id="jpeg"),
        pytest.param(bytes(5000), "neither a PyTorch nor a safetensors", id="zeros"),
        pytest.param(b"{}", "neither a PyTorch nor a safetensors", id="two bytes"),
    ],
)
def test_other_files_are_named(content: bytes, reason: str, path: Path) -> None:
    path.write_bytes(content)
    error = refused(path)
    assert "is not a checkpoint" in error.message
    assert reason in error.message


@pytest.mark.parametrize(
    "content",
    [{}, [torch.zeros(1)], torch.zeros(3), "text", 7, None, {"epoch": 3}, {"a": {"b": torch.zeros(1)}}],
    ids=repr,
)
def test_torch_files_without_a_state_dict(content: object, path: Path) -> None:
    assert re.search("holds (no state dict|values that are no tensors)", refused(save(path, content)).message)


def cuts(size: int) -> list[int]:
    """Places to cut a file: all over its beginning, where the structure stands, then here and there."""
    return sorted(
        {*range(1, min(size, 4000), 41), *range(1, size, size // 40), size - 1, size - 8, size - 100}
    )


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_files_cut_short_anywhere(kind: str, path: Path, tmp_path: Path) -> None:
    whole = save(tmp_path / "whole", published(BASIC), kind).read_bytes()
    for cut in cuts(len(whole)):
        path.write_bytes(whole[:cut])
        message = refused(path).message
        # a name cut in the middle is the name of something that is not allowed
        expected = "damaged or cut short|is not a checkpoint|holds more than tensors"
        assert re.search(expected, message), f"{cut} bytes: {message}"


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_files_with_flipped_bytes_load_or_are_refused(kind: str, path: Path, tmp_path: Path) -> None:
    whole = save(tmp_path / "whole", published(BASIC), kind).read_bytes()
    chance = random.Random(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 2, 20))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        outcome = loaded_or_refused(path)
        if isinstance(outcome, CheckpointError):
            assert str(path) in outcome.message
        else:
            assert all(bool(torch.isfinite(value).all()) for value in outcome.state_dict().values())


def loaded_or_refused(path: Path) -> SENetwork | CheckpointError:
    try:
        return load_network(path, BASIC, TIMM)
    except CheckpointError as error:
        return error


@pytest.mark.parametrize(
    "start", [b"", b"\x80", b"\x80\x02", b"PK\x03\x04", struct.pack("<Q", 300) + b"{"], ids=repr
)
@pytest.mark.filterwarnings("ignore:Detected pickle protocol:UserWarning")
def test_random_bytes(start: bytes, path: Path) -> None:
    chance = random.Random(0)
    for length in range(20, 420, 2):
        path.write_bytes(start + chance.randbytes(length))
        refused(path)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 800]}},
        {"a": {"dtype": "F33", "shape": [2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}},
        {"__metadata__": {"format": "pt"}},
    ],
    ids=str,
)
def test_safetensors_headers_that_lie(header: dict[str, object], path: Path) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    refused(path)


def test_a_folder_or_nothing_is_a_matter_of_the_disk(tmp_path: Path) -> None:
    for where in (tmp_path, tmp_path / "nowhere.pth"):
        with pytest.raises(DiskError, match=re.escape(str(where))):
            load_network(where, BASIC, TIMM)


# --- files that would run code ------------------------------------------------------------------


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch '{self.canary}'",)


@pytest.mark.parametrize("kind", ["zip", "legacy"])
@pytest.mark.parametrize("nested", [True, False], ids=["beside tensors", "alone"])
def test_code_in_a_torch_file_does_not_run(kind: str, nested: bool, path: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    trap = Trap(canary)
    save(path, published(BASIC) | {"note": trap} if nested else trap, kind)
    message = refused(path).message
    assert "holds more than tensors" in message
    assert not canary.exists()

    torch.load(path, weights_only=False)
    assert canary.exists(), "the trap does not work, so this test shows nothing"


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_code_in_a_plain_pickle_does_not_run(protocol: int, path: Path, tmp_path: Path) -> None:
    """Also, nothing but the error reaches the user: warnings of a library's are not for them."""
    canary = tmp_path / "canary"
    path.write_bytes(pickle.dumps({"weights": Trap(canary)}, protocol))
    refused(path)
    assert not canary.exists()
    pickle.loads(path.read_bytes())
    assert canary.exists(), "the trap does not work, so this test shows nothing"


def test_code_in_a_zip_with_swapped_pickle_does_not_run(path: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    whole = save(tmp_path / "archive", published(BASIC))
    with zipfile.ZipFile(whole) as origin, zipfile.ZipFile(path, "w") as target:
        for name in origin.namelist():
            trapped = name.endswith("data.pkl")
            target.writestr(name, pickle.dumps(Trap(canary), 2) if trapped else origin.read(name))
    refused(path)
    assert not canary.exists()


@pytest.mark.parametrize("kind", ["zip", "legacy"])
@pytest.mark.filterwarnings("ignore:Couldn't retrieve source code:UserWarning")
def test_a_whole_pickled_module_is_refused_with_a_way_out(kind: str, path: Path) -> None:
    error = refused(save(path, SENetwork(BASIC), kind))
    assert "holds more than tensors" in error.message
    assert "state_dict()" in error.hint


def test_a_torchscript_archive_is_not_called_damaged(path: Path, tmp_path: Path) -> None:
    shutil.copy(save(tmp_path / "archive", published(BASIC)), path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/constants.pkl", pickle.dumps((), 2))
    error = refused(path)
    assert "damaged" not in error.message
