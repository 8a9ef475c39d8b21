"""Weights that do not fit a network, or have no SE: refused with the tensors named."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.errors import CheckpointError
from senet_cli.specs import ArchSpec
from senet_cli.weights.load import load_own_network
from senet_cli.weights.publishers import KeyLayout
from tests.weights.checkpoints import BASIC, CONV, DEEP, each_layout, published, random_state, refused, save

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
    assert str(dtype).removeprefix("torch.") in message


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
