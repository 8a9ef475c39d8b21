"""Files and folders of other programs: named for what they are, with what to do, whatever they are called."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sys
import tarfile
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from torch import nn

from senet_cli.cli.hints import hint
from senet_cli.errors import CheckpointError, DiskError, ExitCode
from senet_cli.weights.read import read_weights
from tests.weights.checkpoints import BASIC, published, refused, save

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(500)


def zipped(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def torchscript() -> bytes:
    """Of a real module, by PyTorch itself."""
    import warnings

    packed = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated; files of it are not gone
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), packed)
    return packed.getvalue()


def exported_program() -> bytes:
    """The members of a real one; making one takes seconds."""
    names = ("data/weights/weight_0", "models/model.json", "archive_format", "archive_version", "byteorder")
    return zipped(**{f"ep/{name}": b"pt2" for name in names})


def numpy_arrays() -> bytes:
    packed = io.BytesIO()
    np.savez(packed, weight=np.zeros(3), bias=np.zeros(1))
    return packed.getvalue()


def tar() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pth"))
    return packed.getvalue()


def of_class(module: str, name: str, *, with_torch: bool) -> bytes:
    """A pickle of an object of a class of this name."""
    package = module.partition(".")[0]
    fakes = {package: types.ModuleType(package), module: types.ModuleType(module)}
    fake = fakes[module]
    fake.__dict__[name] = type(name, (), {"__module__": module})
    with mock.patch.dict(sys.modules, fakes):
        held = {"learner": fake.__dict__[name](), "more": ["x" * 30]}
        if not with_torch:
            return pickle.dumps(held, 4)
        packed = io.BytesIO()
        torch.save(held, packed)
        return packed.getvalue()


PADDLE = {
    "conv1.weight": np.zeros(3, np.float32),
    "StructuredToParameterName@@": {"conv1.weight": "conv2d_0.w_0"},
}
ONNX = bytes.fromhex("0808") + b"\x12\x07pytorch\x1a\x052.0.0" + b"\x3a\x52" + bytes(82)
INDEX = {"metadata": {"total_size": 1}, "weight_map": {"conv1.weight": "model-00001-of-00002.safetensors"}}

FILES: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "keras h5": (HDF5, "an HDF5 file, as Keras writes"),
    "keras": (
        zipped(**{"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": HDF5}),
        "a network of Keras",
    ),
    "onnx": (ONNX, "a network in ONNX"),
    "onnx without a producer": (b"\x08\x0a\x3a\x52\x0a\x0c" + bytes(76), "a network in ONNX"),
    "saved model": (b"\x08\x01\x12\x90\x04\x0a\x20" + bytes(600), "a graph of TensorFlow"),
    "tflite": (b"\x1c\x00\x00\x00TFL3" + bytes(90), "a TensorFlow Lite model"),
    "list of checkpoints": (
        b'model_checkpoint_path: "model.ckpt-7"\n',
        "the list of checkpoints of TensorFlow",
    ),
    "torchscript": (torchscript, "a program of TorchScript"),
    "exported program": (exported_program, "an exported program of PyTorch (.pt2)"),
    "paddle": (pickle.dumps(PADDLE, 4), "a file of parameters of PaddlePaddle"),
    "old paddle": (pickle.dumps(PADDLE, 2), "a file of parameters of PaddlePaddle"),
    "fastai": (lambda: of_class("fastai.learner", "Learner", with_torch=True), "an export of fastai"),
    "fastai pickle": (lambda: of_class("fastai.learner", "Learner", with_torch=False), "an export of fastai"),
    "scikit-learn": (lambda: of_class("sklearn.svm", "SVC", with_torch=False), "a model of scikit-learn"),
    "mxnet": (
        (274).to_bytes(8, "little") + bytes(8) + (2).to_bytes(8, "little") + bytes(90),
        "parameters of MXNet",
    ),
    "npz": (numpy_arrays, "arrays of NumPy (.npz)"),
    "npy": (b"\x93NUMPY\x01\x00v\x00" + bytes(200), "an array of NumPy"),
    "shards": (json.dumps(INDEX).encode(), "the list of a checkpoint's parts"),
    "json": (b'{"_class_name": "x"}', "a text in JSON"),
    "git-lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-lfs pointer"),
    "web page": (b"\xef\xbb\xbf<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
    "openvino": (b'<?xml version="1.0"?>\n<net name="x" version="11">\n</net>', "network of OpenVINO"),
    "gzip": (lambda: gzip.compress(bytes(99)), "compressed with gzip"),
    "tar": (tar, "a tar archive"),
    "gguf": (b"GGUF\x03\x00\x00\x00" + bytes(90), "a GGUF file"),
    "pickle": (pickle.dumps({"weight": np.zeros(3), "note": "x" * 20}, 4), "a pickle of Python's own"),
}


@pytest.fixture(scope="module")
def contents() -> dict[str, bytes]:
    return {name: made if isinstance(made, bytes) else made() for name, (made, _) in FILES.items()}


def test_each_is_named_by_its_content(contents: dict[str, bytes], path: Path) -> None:
    wrong = {}
    for name, content in contents.items():
        path.write_bytes(content)
        error = refused(path)
        right = f"`{path}` is not a checkpoint that senet reads: it is " in error.message
        if not right or FILES[name][1] not in error.message or not hint(error):
            wrong[name] = str(error)
    assert not wrong


def test_their_messages_are_in_one_line(contents: dict[str, bytes], path: Path) -> None:
    for content in contents.values():
        path.write_bytes(content)
        error = refused(path)
        assert error.exit_code == ExitCode.MODEL
        assert "\n" not in error.message
        assert not error.message.endswith(".")


def test_cut_short_they_are_still_no_bug(contents: dict[str, bytes], path: Path) -> None:
    for content in contents.values():
        for cut in (1, 2, 9, 33, len(content) // 2):
            path.write_bytes(content[:cut])
            refused(path)


def test_checkpoints_are_not_taken_for_them(path: Path) -> None:
    """A safetensors file begins with a number, the length of its header, and that may be any magic number."""
    state = published(BASIC)
    for kind in ("zip", "legacy", "safetensors"):
        assert read_weights(save(path, state, kind)).tensors.keys() == state.keys()
    tensor = {"fc.weight": {"dtype": "F32", "shape": [2, 1], "data_offsets": [0, 8]}}
    for start in (
        b"\x12\x01",
        b"\x80\x02",
        b"\x08\x03",
        b"\x1f\x8b",
        b"PK",
        b"BZ",
        b"\x12\x00\x01",
        b"\x0a\x01",
    ):
        length = int.from_bytes(start, "little")
        path.write_bytes(length.to_bytes(8, "little") + json.dumps(tensor).encode().ljust(length) + bytes(8))
        assert path.read_bytes().startswith(start)
        assert read_weights(path).tensors["fc.weight"].tolist() == [[0.0], [0.0]]


# --- folders ------------------------------------------------------------------------------------

FOLDERS = {
    "saved model": (("saved_model.pb", "variables/variables.index"), "a SavedModel of TensorFlow"),
    "checkpoint": (("checkpoint", "model.ckpt-7.index", "model.ckpt-7.meta"), "a checkpoint of TensorFlow"),
    "distributed": ((".metadata", "__0_0.distcp"), "a distributed checkpoint of PyTorch"),
    "unpacked": (("data.pkl", "version", "data/0"), "the unpacked archive of a file of torch.save"),
    "hub": (("config.json", "model.safetensors"), "a folder with `model.safetensors` in it"),
}


def test_folders_are_named(tmp_path: Path) -> None:
    from senet_cli.inference.resolve import OwnWeights, Resolver
    from senet_cli.settings import Settings
    from tests.tasks.import_weights.worlds import KEY, imported

    resolver = Resolver.load(Settings.from_environment())
    for name, (files, said) in FOLDERS.items():
        folder = tmp_path / name
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(b"x")
        for give in (
            lambda folder=folder: read_weights(folder),
            lambda folder=folder: resolver.own_weights(OwnWeights(folder, KEY)),
            lambda folder=folder: imported(folder),
        ):
            with pytest.raises(CheckpointError) as caught:
                give()
            assert said in caught.value.message
            assert hint(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DiskError):
        read_weights(tmp_path / "empty")
