"""Files that would run code: refused in words, unexecuted."""

from __future__ import annotations

import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from senet_cli.nets.network import SENetwork
from tests.weights.checkpoints import BASIC, published, refused, save


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
