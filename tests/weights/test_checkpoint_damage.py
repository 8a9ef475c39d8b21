"""Files that are no checkpoint, cut short, damaged, random or lying: refused in words."""

from __future__ import annotations

import json
import random
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from senet_cli.errors import CheckpointError, DiskError
from senet_cli.weights.publishers.timm import TIMM
from senet_cli.weights.read import NetworkState, read_network
from tests.weights.checkpoints import BASIC, published, refused, save


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
            assert all(np.isfinite(value).all() for value in outcome.state.values())


def loaded_or_refused(path: Path) -> NetworkState | CheckpointError:
    try:
        return read_network(path, BASIC, TIMM)
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
            read_network(where, BASIC, TIMM)
