"""Several sets of weights in one file: what `predict` and `import` say, and `--weights-key`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.weights.publishers.timm import TIMM
from tests.conftest import Senet
from tests.tasks.import_weights.worlds import KEY, random_network, theirs

PHOTO = Path(__file__).parents[2] / "examples" / "ship.jpg"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Weights of two networks: `raw` and `ema` alone, `both` in one file as timm writes it."""
    spec = load_manifest().architecture(KEY).spec
    raw, ema = (theirs(random_network(spec, seed), TIMM) for seed in (0, 1))
    contents = {"raw": raw, "ema": ema, "both": {"epoch": 7, "state_dict": raw, "state_dict_ema": ema}}
    for name, content in contents.items():
        torch.save(content, tmp_path / f"{name}.pth")
    return {name: tmp_path / f"{name}.pth" for name in contents}


def test_the_averaged_weights_are_used_and_it_is_said(senet: Senet, files: dict[str, Path]) -> None:
    """Also where a conversion stands for the file, and with `--weights-key` the others are."""

    def predicted(file: str, *options: str) -> tuple[list[Any], str]:
        done = senet("predict", PHOTO, "--weights", files[file], "--arch", KEY, "--format", "jsonl", *options)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["predictions"], done.stderr

    raw, said_of_one = predicted("raw")
    ema, _ = predicted("ema")
    assert raw != ema
    assert "weights" not in said_of_one
    for _ in range(2):  # the second is from the conversion, where there is OpenVINO
        taken, said = predicted("both")
        assert taken == ema
        assert "holds 2 sets of weights: `state_dict_ema` is used, not `state_dict`" in said
        assert "--weights-key takes another" in said
    other, said = predicted("both", "--weights-key", "state_dict")
    assert other == raw
    assert "`state_dict` is used, not `state_dict_ema`" in said
    assert "takes another" not in said


def test_a_set_is_imported(senet: Senet, files: dict[str, Path]) -> None:
    done = senet("import", files["both"], "--name", "mine", "--weights-key", "state_dict", "--arch", KEY)
    assert done.returncode == 0, done.stderr
    assert "`state_dict` is used, not `state_dict_ema`" in done.stderr
    info = senet("info", "mine")
    assert "both.pth` (`state_dict`)" in info.stdout
    wrong = senet("import", files["both"], "--name", "other", "--weights-key", "model", "--arch", KEY)
    assert wrong.returncode == 2
    assert "no set of weights `model`" in wrong.stderr


def test_a_key_without_weights_is_wrong_usage(senet: Senet) -> None:
    done = senet("predict", PHOTO, "--weights-key", "model")
    assert done.returncode == 2
    assert "Give `--weights FILE` too" in done.stderr
