"""What training scripts leave beside the weights: read without the classes, and without running anything."""

from __future__ import annotations

import argparse
import collections
import copyreg
import datetime
import decimal
import enum
import pathlib
import pickle
import sys
import threading
import types
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from senet_cli.cli.hints import hint
from senet_cli.errors import CheckpointError
from senet_cli.weights import pickles
from senet_cli.weights.load import load_own_network
from senet_cli.weights.read import read_weights
from tests.weights.checkpoints import BASIC, assert_loaded, published, refused, save

KEPT: dict[str, Any] = {
    "arguments": argparse.Namespace(lr=0.1, output=pathlib.PosixPath("runs"), nested=argparse.Namespace(a=1)),
    "namespace": types.SimpleNamespace(a=1),
    "float64": np.float64(0.9),
    "float32": np.float32(0.9),
    "int64": np.int64(3),
    "bool": np.bool_(True),
    "datetime64": np.datetime64("2024-01-01"),
    "dtype": np.dtype("float32"),
    "array": np.arange(6.0).reshape(2, 3),
    "random state": np.random.RandomState(0).get_state(),
    "defaultdict": collections.defaultdict(list, {"loss": [1.0, 2.0]}),
    "defaultdict of dicts": collections.defaultdict(dict, {"loss": {"a": np.float64(1)}}),
    "ordered": collections.OrderedDict(a=1),
    "counter": collections.Counter("aab"),
    "deque": collections.deque([1.0, 2.0], maxlen=20),
    "path": pathlib.PosixPath("/data/pets"),
    "pure path": pathlib.PureWindowsPath("c:/data"),
    "datetime": datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC),
    "timedelta": datetime.timedelta(hours=2),
    "date": datetime.date(2024, 1, 2),
    "uuid": uuid.UUID(int=3),
    "decimal": decimal.Decimal("0.1"),
    "device": torch.device("cuda:0"),
    "torch dtype": torch.float16,
    "size": torch.Size([1, 2]),
    "version": torch.__version__,
    "frozenset": frozenset([1]),
    "set": {1, 2},
    "slice": slice(1, 2),
    "range": range(3),
    "types": [int, list, str, float, dict, bool, tuple],
    "bytes": b"x",
}


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_what_scripts_keep_beside_the_weights(kind: str, path: Path) -> None:
    state = published(BASIC)
    wrong = {}
    for name, value in KEPT.items():
        save(path, {"before": value, "state_dict": state, "after": [value, {"deep": (value,)}]}, kind)
        try:
            tensors = read_weights(path).tensors
        except CheckpointError as error:
            wrong[name] = error.message
        else:
            assert all(np.array_equal(tensors[key], value.numpy()) for key, value in state.items())
    assert not wrong
    save(path, KEPT | {"model": collections.defaultdict(None, state)}, kind)
    assert_loaded(load_own_network(path, BASIC), BASIC)


def test_the_classes_themselves_are_not_made(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {
        "arguments": argparse.Namespace(lr=1),
        "path": pathlib.PurePosixPath("x"),
        "when": KEPT["date"],
    }
    save(path, content)
    monkeypatch.delattr(argparse, "Namespace")
    held = pickles.load(path)
    assert held.keys() == content.keys()
    assert {type(value) for value in held.values()} == {pickles.Inert}


def test_stand_ins_hold_nothing() -> None:
    one = pickles.Inert(1, 2, key="x")
    one.__setstate__({"a": torch.zeros(1)})
    assert not hasattr(one, "__dict__")
    assert not one.__slots__
    with pytest.raises(AttributeError):
        one.a = 1  # type: ignore[attr-defined]


class Settings(dict[str, Any]):
    """As settings of several libraries are pickled: items, and the same as attributes."""

    def __reduce__(self) -> Any:
        attributes = dict.fromkeys(("items", "keys", "values", "get", "__len__"), 3)
        return sys.modules["easydict"].EasyDict, (), attributes, None, iter(dict.items(self))


def test_settings_with_names_of_methods_hide_no_state_dict(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("easydict")
    module.EasyDict = type("EasyDict", (dict,), {"__module__": "easydict"})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "easydict", module)
    state = published(BASIC)
    save(path, Settings(state_dict=Settings(state), epoch=3))
    monkeypatch.delitem(sys.modules, "easydict")
    assert pickles.load(path).items == 3
    tensors = read_weights(path).tensors
    assert tensors.keys() == state.keys()
    assert all(np.array_equal(tensors[key], value.numpy()) for key, value in state.items())


# --- refused, and named -------------------------------------------------------------------------


class Phase(enum.Enum):
    TRAIN = "train"


class Called:
    """Unpickled, it calls something."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


def names_that_run(canary: Path) -> dict[str, Called]:
    import builtins
    import os

    touch = f"touch '{canary}'"
    return {
        "posix.system": Called(os.system, touch),
        "builtins.eval": Called(builtins.eval, f"__import__('os').system({touch!r})"),
        "builtins.getattr": Called(getattr, "text", "upper"),
        "numpy.fromfile": Called(np.fromfile, str(canary)),
        "copyreg._reconstructor": Called(getattr(copyreg, "_reconstructor"), dict, dict, {}),  # noqa: B009 - not in its stubs
        "builtins.open": Called(open, str(canary), "w"),
    }


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_what_runs_is_refused_by_name(kind: str, path: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for name, trap in names_that_run(canary).items():
        for content in (trap, {"args": argparse.Namespace(a=trap), "state_dict": published(BASIC)}):
            message = refused(save(path, content, kind)).message
            assert "holds more than tensors" in message
            assert name.removeprefix("builtins.") in message
            assert not canary.exists()


def test_a_stand_in_calls_nothing_that_it_is_given(path: Path, tmp_path: Path) -> None:
    """The trap is what a class of the list is built from, or its state: refused by its own name."""
    canary = tmp_path / "canary"
    trap = names_that_run(canary)["posix.system"]
    arguments = argparse.Namespace()
    arguments.__dict__["lr"] = trap
    for content in (
        arguments,
        Called(argparse.Namespace, trap),
        collections.defaultdict(list, {trap: 1}),
        collections.deque([trap]),
    ):
        assert "posix.system" in refused(save(path, {"x": content, "state_dict": published(BASIC)})).message
        assert not canary.exists()


def test_no_stand_in_gets_among_the_tensors(path: Path) -> None:
    from torch._tensor import _rebuild_from_type_v2
    from torch._utils import _rebuild_device_tensor_from_numpy, _rebuild_parameter

    a_parameter = (torch.zeros(5), False, collections.OrderedDict())
    for value, said in (
        (np.zeros(5), "not tensors: fc.bias"),
        (Called(argparse.Namespace), "not tensors: fc.bias"),
        (Called(_rebuild_from_type_v2, _rebuild_parameter, argparse.Namespace, a_parameter, {}), "damaged"),
        (Called(_rebuild_device_tensor_from_numpy, np.zeros(5), torch.float32, "cpu", False), "damaged"),
    ):
        assert said in refused(save(path, published(BASIC) | {"fc.bias": value})).message


def test_a_class_that_is_not_on_the_list_is_named(path: Path) -> None:
    error = refused(save(path, {"state_dict": published(BASIC), "phase": Phase.TRAIN}))
    assert f"{Phase.__module__}.Phase" in error.message
    assert "state_dict()" in hint(error)


# --- the list is PyTorch's, for the whole process -----------------------------------------------


def allowed() -> set[str]:
    return {repr(item) for item in torch.serialization.get_safe_globals()}


def test_the_list_of_the_process_is_as_before(path: Path) -> None:
    before = allowed()
    read_weights(save(path, {"args": KEPT["arguments"], "model": published(BASIC)}))
    assert allowed() == before
    refused(save(path, {"phase": Phase.TRAIN}))
    assert allowed() == before
    with pytest.raises(pickle.UnpicklingError, match=r"argparse\.Namespace"):
        torch.load(save(path, {"args": KEPT["arguments"]}), weights_only=True)


def test_threads_read_side_by_side(path: Path, tmp_path: Path) -> None:
    """One that ends takes its names off the process's list; the others still need them."""
    before, failed = allowed(), []
    save(path, {"args": [KEPT["arguments"]] * 50, "model": published(BASIC)})

    def read() -> None:
        try:
            for _ in range(5):
                read_weights(path)
        except CheckpointError as error:
            failed.append(error)

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert allowed() == before


# --- other protocols of pickle ------------------------------------------------------------------


def saved_with(protocol: int, path: Path, content: object) -> Iterator[str]:
    for kind in ("zip", "legacy", "pickle"):
        if kind == "pickle":
            path.write_bytes(pickle.dumps(content, protocol))
        else:
            torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=kind == "zip")
        yield kind


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_other_protocols_are_not_called_damaged(protocol: int, path: Path) -> None:
    content = {"state_dict": published(BASIC), "key": b"some bytes", "epoch": 2**70}
    for kind in saved_with(protocol, path, content):
        if protocol == 2 and kind != "pickle":
            read_weights(path)
            continue
        error = refused(path)
        assert "damaged" not in error.message
        assert f"protocol {protocol}" in error.message
        assert "torch.save" in hint(error)


def test_a_plain_pickle_says_what_it_needs(path: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    trap = names_that_run(canary)["posix.system"]
    for protocol in (2, 3, 4, 5):
        path.write_bytes(pickle.dumps({"a": [1] * 20, "b": trap}, protocol))
        assert "posix.system" in refused(path).message
        assert not canary.exists()


def test_pytorchs_advice_to_trust_the_file_is_never_shown(path: Path, tmp_path: Path) -> None:
    contents: list[object] = [Phase.TRAIN, {"a": Called(print, "x")}, torch.nn.Linear(1, 1), b"", 3 + 4j]
    for protocol in (2, 3, 4, 5):
        for content in contents:
            for kind in saved_with(protocol, path, content):
                check_words(path, kind)
    whole = save(path, {"state_dict": published(BASIC)}).read_bytes()
    place = whole.index(b"state_dict")
    for offset in range(-9, 190, 3):  # damage within the pickle, whose words are PyTorch's
        damaged = bytearray(whole)
        damaged[place + offset] ^= 0x55
        path.write_bytes(damaged)
        check_words(path, f"byte {offset}", may_load=True)


def check_words(path: Path, kind: str, *, may_load: bool = False) -> None:
    try:
        read_weights(path)
    except CheckpointError as error:
        words = str(error).lower()
    else:
        assert may_load, kind
        return
    for advice in ("weights_only", "trusted source", "add_safe_globals", "file an issue", "allowlist"):
        assert advice not in words, (kind, words)


def test_a_dict_that_stands_in_many_places_is_looked_through_once(path: Path) -> None:
    shared: dict[str, Any] = {"a": torch.zeros(2)}
    for _ in range(5):
        shared = {str(number): shared for number in range(30)}  # 30 ** 5 paths
    save(path, {"state_dict": published(BASIC), "more": shared})
    assert read_weights(path).tensors.keys() == published(BASIC).keys()


def test_few_numbers_that_claim_to_be_many_are_refused(path: Path) -> None:
    state = published(BASIC)
    head = next(key for key, value in state.items() if value.shape == (BASIC.classes, BASIC.feature_channels))
    state[head] = torch.zeros(1, 1).expand(10**9, BASIC.feature_channels)
    assert "sparse, quantised or empty" in refused(save(path, state)).message
