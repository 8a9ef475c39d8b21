"""Files with several sets of weights: which one is taken, what is said, and how to take another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from senet_cli.cli.hints import hint
from senet_cli.errors import CheckpointError, ExitCode, UsageError
from senet_cli.nets.network import network_from_state
from senet_cli.weights.publishers import LAYOUTS, find_layout
from senet_cli.weights.read import read_own, read_weights
from senet_cli.weights.unwrap import INSERTED
from tests.weights.checkpoints import BASIC, State, assert_loaded, published, refused, save

timm_models = pytest.importorskip("timm.models")


def times(state: State, factor: int) -> State:
    return {key: value * factor for key, value in state.items()}


RAW, EMA = published(BASIC), times(published(BASIC), 2)


def under(prefix: str, state: State) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def same(taken: dict[str, Any], expected: State) -> bool:
    arrays = {key: torch.from_numpy(value) for key, value in taken.items()}
    return arrays.keys() == expected.keys() and all(
        torch.equal(arrays[key], expected[key]) for key in expected
    )


TIMM_FILES: dict[str, dict[str, Any]] = {
    "state_dict": {"state_dict": RAW, "epoch": 3},
    "state_dict_ema": {"state_dict": RAW, "state_dict_ema": EMA},
    "state_dict_ema first": {"state_dict_ema": EMA, "state_dict": RAW},
    "model": {"model": RAW},
    "model_ema": {"model": RAW, "model_ema": EMA},
    "model_ema alone": {"model_ema": EMA},
    "both kinds": {"state_dict": RAW, "model": times(RAW, 3)},
    "both kinds of averages": {"model_ema": times(RAW, 3), "state_dict_ema": EMA, "model": RAW},
    "averages of one kind": {"state_dict": RAW, "model_ema": EMA},
    "no averages": {"state_dict": RAW, "state_dict_ema": None},
    "parallel": {"state_dict": under("module.", RAW), "state_dict_ema": under("module.", EMA)},
    "compiled": {"model": under("_orig_mod.", RAW)},
    "compiled parallel": {"model": under("_orig_mod.module.", RAW)},
    "parallel compiled": {"model": under("module._orig_mod.", RAW)},
    "bare": RAW,
}


def test_what_timms_own_loader_takes_is_taken(path: Path) -> None:
    wrong = []
    for name, content in TIMM_FILES.items():
        save(path, content)
        theirs = timm_models.load_state_dict(str(path))
        if not same(read_weights(path).tensors, theirs):
            wrong.append(name)
    assert not wrong


def test_without_averages_it_is_the_set_that_timm_takes_then(path: Path) -> None:
    wrong = []
    for name, content in TIMM_FILES.items():
        if "state_dict" not in content and "model" not in content:
            continue
        save(path, content)
        theirs = timm_models.load_state_dict(str(path), use_ema=False)
        key = "state_dict" if "state_dict" in content else "model"
        if not same(read_weights(path, key).tensors, theirs):
            wrong.append(name)
    assert not wrong


def test_a_file_of_timms_saver(path: Path, tmp_path: Path) -> None:
    """As `train.py --model-ema` writes it, with the arguments, the optimizer and the scaler of a real run."""
    import argparse

    from timm.optim import create_optimizer_v2
    from timm.utils import CheckpointSaver, ModelEmaV3

    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2))
    model(torch.zeros(1, 3, 8, 8))
    ema = ModelEmaV3(model, decay=0.5)
    with torch.no_grad():
        for value in model.parameters():
            value.add_(1)
    ema.update(model)
    optimizer = create_optimizer_v2(model, opt="sgd", lr=0.1, momentum=0.9)
    model(torch.ones(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    arguments = argparse.Namespace(model="seresnet50", output=tmp_path, lr=0.1, mean=None)
    saver = CheckpointSaver(
        model,
        optimizer,
        args=arguments,
        model_ema=ema,
        checkpoint_dir=str(tmp_path),
        recovery_dir=str(tmp_path),
    )
    saver.save_checkpoint(0, metric=1.0)
    file = tmp_path / "last.pth.tar"
    weights = read_weights(file)
    assert same(weights.tensors, ema.module.state_dict())
    assert same(read_weights(file, "state_dict").tensors, model.state_dict())
    assert weights.taken.sets == ("state_dict_ema", "state_dict")
    assert same(weights.tensors, timm_models.load_state_dict(str(file), weights_only=False))


OTHERS: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "averages of others": (
        {"state_dict": RAW, "ema_state_dict": EMA},
        "ema_state_dict",
        ("ema_state_dict", "state_dict"),
    ),
    # mmengine's EMAHook: "The original model parameters are actually saved in ema field after train."
    "mmengine": (
        {
            "meta": {},
            "state_dict": EMA,
            "ema_state_dict": under("module.", RAW) | {"steps": torch.tensor(9)},
        },
        "state_dict",
        ("state_dict", "ema_state_dict"),
    ),
    "mmcv": (
        {"meta": {}, "state_dict": EMA | {f"ema_{key.replace('.', '_')}": RAW[key] for key in RAW}},
        "state_dict",
        ("state_dict", "state_dict/ema_"),
    ),
    "doubles with dots": (EMA | under("ema_", RAW), ".", (".", "ema_")),
    "lightning": (
        {
            "state_dict": under("model.", RAW)
            | under("ema_model.module.", EMA)
            | {"ema_model.n_averaged": torch.tensor(1)}
        },
        "state_dict/ema_model",
        ("state_dict/ema_model", "state_dict/model"),
    ),
    "a wrapper within": (
        {"model": RAW, "model_ema": {"module": EMA, "decay": 0.9}},
        "model_ema/module",
        ("model_ema/module", "model"),
    ),
    "settings under a wrapper's name": (
        {"params": {"lr": 0.1}, "model": {"arch": "x"}, "state_dict": EMA},
        "state_dict",
        ("state_dict",),
    ),
    "an empty average": ({"state_dict_ema": {}, "state_dict": EMA}, "state_dict", ("state_dict",)),
    "a number for an average": ({"ema": 0.99, "state_dict": EMA}, "state_dict", ("state_dict",)),
    "the optimizer's tensors": (
        {"net": EMA, "optimizer": {"exp_avg": RAW}, "rng": torch.zeros(3)},
        "net",
        ("net",),
    ),
    "another's wrapper": ({"generator": EMA, "epoch": 3}, "generator", ("generator",)),
    "beside a classifier of its own": (
        {"model": EMA, "probe": {"weight": torch.ones(2, 2)}},
        "model",
        ("model",),
    ),
}
"""What is in the file, and which of its sets must be taken: always the one that is `EMA` here."""


def test_files_of_other_trainers(path: Path) -> None:
    wrong = []
    for name, (content, key, sets) in OTHERS.items():
        weights = read_weights(save(path, content))
        if not (same(weights.tensors, EMA) and (weights.taken.key, weights.taken.sets) == (key, sets)):
            wrong.append((name, weights.taken))
        wrong += [
            (name, other)
            for other in sets
            if other != key and not same(read_weights(path, other).tensors, RAW)
        ]
    assert not wrong


@pytest.mark.parametrize("name", ["ema", "network", "weights", "params", "net", "model_state_dict", "module"])
def test_every_wrapper_is_taken_off(name: str, path: Path) -> None:
    read = read_own(save(path, {name: RAW, "epoch": 3}), BASIC)
    assert_loaded(network_from_state(read.spec, read.state), BASIC)
    taken = read.taken
    assert taken is not None
    assert (taken.key, taken.sets) == (name, (name,))


def test_safetensors_hold_sets_by_their_prefixes(path: Path) -> None:
    save(path, under("model.", RAW) | under("model_ema.", EMA), "safetensors")
    weights = read_weights(path)
    assert same(weights.tensors, EMA)
    assert (weights.taken.key, weights.taken.sets) == ("model_ema", ("model_ema", "model"))


def test_what_nothing_tells_has_to_be_said(path: Path) -> None:
    save(path, {"state_dict": under("student.", RAW) | under("teacher.", EMA)})
    error = refused(path)
    assert "`state_dict/student`, `state_dict/teacher`" in error.message
    assert "--weights-key" in hint(error)
    for key in ("teacher", "state_dict/teacher"):
        assert same(read_weights(path, key).tensors, EMA)


def test_a_set_that_is_not_there_is_wrong_usage(path: Path) -> None:
    save(path, {"state_dict": RAW, "state_dict_ema": EMA})
    with pytest.raises(UsageError, match="no set of weights `model`") as caught:
        read_weights(path, "model")
    assert caught.value.exit_code == ExitCode.USAGE
    assert "`state_dict_ema`, `state_dict`" in hint(caught.value)


def test_an_average_with_other_things_in_it_leads_to_the_other_set(path: Path) -> None:
    save(path, {"state_dict": RAW, "state_dict_ema": EMA | {"decay": 0.9}})
    error = refused(path)
    assert "not tensors: decay" in error.message
    assert "--weights-key state_dict" in hint(error)
    assert same(read_weights(path, "state_dict").tensors, RAW)


# --- prefixes and counters ----------------------------------------------------------------------


def test_prefixes_come_off_in_any_order(path: Path) -> None:
    wrong = []
    for prefix in ("model.", "module.", "net.", "model.module.", "module.model.", "_orig_mod.model.", "a.b."):
        for state in (under(prefix, RAW), under(prefix, published(BASIC, find_layout("mmpretrain")))):
            weights = read_weights(save(path, state))
            expected = {key.removeprefix(prefix): value for key, value in state.items()}
            if not same(weights.tensors, expected) or not weights.taken.removed:
                wrong.append(prefix)
    assert not wrong


def test_a_part_that_was_compiled_has_its_name_back(path: Path) -> None:
    state = {key.replace("layer1.", "layer1._orig_mod."): value for key, value in RAW.items()}
    assert state.keys() != RAW.keys()
    assert same(read_weights(save(path, state)).tensors, RAW)


def test_an_averaged_model_of_pytorch(path: Path) -> None:
    network = nn.Sequential()
    network.add_module("fc", nn.Linear(3, 2))
    averaged = AveragedModel(network)
    averaged.update_parameters(network)
    weights = read_weights(save(path, averaged.state_dict()))
    assert same(weights.tensors, network.state_dict())
    assert (weights.taken.removed, weights.taken.set_aside) == (("module.",), ("n_averaged",))


def test_counters_of_operations_are_set_aside(path: Path) -> None:
    counters = {
        f"{module}{name}": torch.zeros(1, dtype=torch.float64)
        for module in ("", "conv1.", "layer1.0.", "layer1.0.se.fc1.")
        for name in ("total_ops", "total_params")
    }
    read = read_own(save(path, RAW | counters), BASIC)
    assert_loaded(network_from_state(read.spec, read.state), BASIC)
    assert read.taken is not None
    assert set(read.taken.set_aside) == counters.keys()


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"criterion.weight": torch.ones(3)}, "under `model.`, and beside it criterion.weight"),
        ({"model.layer9.weight": torch.ones(3)}, "not known: layer9.weight"),
        (
            {"model.module.fc.weight": torch.ones(5, 16)},
            "mean the same: model.fc.weight, model.module.fc.weight",
        ),
        ({"model.total_ops": torch.ones(5, 16)}, "not known: total_ops"),
        ({"model.n_averaged": torch.ones(2)}, "not known: n_averaged"),
    ],
)
def test_what_is_not_clear_is_named(extra: State, said: str, path: Path) -> None:
    assert said in refused(save(path, under("model.", RAW) | extra)).message


def test_no_layout_has_the_parts_that_are_taken_out() -> None:
    """Else a tensor would lose a part of its own name."""
    keys = {
        key
        for layout in LAYOUTS.values()
        for key in (*layout.stem.values(), *layout.parts.values(), layout.block, layout.head)
    }
    assert not {part for key in keys for part in key.split(".")} & INSERTED


def test_a_file_without_any_weights_says_what_it_holds(path: Path) -> None:
    for content in ({"epoch": 3, "best": 0.9}, {"optimizer": {"state": {}}, "epoch": 1}):
        with pytest.raises(CheckpointError, match=f"no state dict, but a dict with {next(iter(content))}"):
            read_weights(save(path, content))
