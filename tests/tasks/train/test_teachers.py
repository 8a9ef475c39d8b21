"""`senet train --teacher`: what another network answers is learned, not only the labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from senet_cli.tasks.train.teachers import Teachers
from tests.conftest import Senet
from tests.tasks.train.conftest import FEW, TINY, make_stripes, weights


@pytest.fixture
def swapped(tmp_path: Path) -> Path:
    """Stripes to train on, each in the other class's folder, and others to measure with, in their own."""
    folder = make_stripes(tmp_path / "swapped", {"train": 64, "val": 24})
    level, upright = folder / "train" / "level", folder / "train" / "upright"
    level.rename(folder / "aside")
    upright.rename(level)
    (folder / "aside").rename(upright)
    return folder


def held_back_accuracy(run: Path) -> float:
    with (run / "log.csv").open(newline="") as file:
        *_, last = csv.DictReader(file)
    return float(last["held_back_accuracy"])


def test_a_teacher_is_believed_more_than_labels(
    train: Senet, learned: Path, swapped: Path, tmp_path: Path
) -> None:
    asked = (swapped, "--arch", "tiny", *FEW)
    for name, more in {"alone": (), "taught": ("--teacher", learned)}.items():
        done = train(*asked, *more, "-o", name)
        assert done.returncode == 0, done.stderr
    assert held_back_accuracy(tmp_path / "taught") >= 0.9
    assert held_back_accuracy(tmp_path / "alone") <= 0.1


def test_teachers_go_with_every_other_option_and_are_kept_as_they_are(
    train: Senet, learned: Path, striped: Path, tmp_path: Path
) -> None:
    before = weights(learned)
    teachers = ("--teacher", learned, "--teacher", learned)
    asked = (striped, *teachers, "--epochs", 1, "--augment", "scale", "--deterministic")
    done = train(*asked, "--from", learned, "--freeze", 1, "--lr", 0.01, "-o", "run")
    assert done.returncode == 0, done.stderr
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert recipe["teachers"] == 2 * [f"my-stripes {before}"]
    done = train("--teacher", learned, "--resume", "-o", "run")
    assert done.returncode == 2
    assert "teachers" in done.stderr
    assert weights(learned) == before


def test_a_teacher_of_other_classes_is_refused(train: Senet, learned: Path, tmp_path: Path) -> None:
    data = make_stripes(tmp_path / "own", {"": 10})
    (data / "level").rename(data / "flat")
    done = train(data, "--arch", "tiny", "--teacher", learned, *FEW)
    assert done.returncode == 2
    assert "classes" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_another_input_size_is_refused(
    train: Senet, learned: Path, striped: Path, tmp_path: Path
) -> None:
    larger = TINY | {"preprocess": {**TINY["preprocess"], "crop": 24, "resize": 24}}  # type: ignore[dict-item]
    manifest = tmp_path / "larger.json"
    manifest.write_text(json.dumps({"schema": 1, "architectures": {"larger": larger}}))
    done = train(striped, "--arch", "larger", "--teacher", learned, env={"SENET_MANIFEST": str(manifest)})
    assert done.returncode == 2
    assert "16x16" in done.stderr
    assert "24x24" in done.stderr


class LeftEdge:
    """An engine whose answer is the light of the leftmost pixels."""

    name, device, streams, largest_batch = "torch", "cpu", 1, 8

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        edge = pixels[:, :, 0].mean(axis=(1, 2), dtype=np.float32) / 64
        return np.stack([edge, -edge], axis=1)

    def features(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.logits(pixels)


@pytest.mark.parametrize("mirror", [True, False])
def test_a_mirrored_image_is_taught_alike_where_training_mirrors(mirror: bool) -> None:
    teachers = Teachers([LeftEdge()], ["left edge"], mirror=mirror)
    image = torch.arange(0, 240, 5, dtype=torch.uint8).reshape(1, 3, 4, 4)
    learned, labels = torch.tensor([[1.0, -1.0]]), torch.tensor(0.5)
    loss, mirrored = (teachers.loss(learned, pixels, labels) for pixels in (image, image.flip(3)))
    assert bool(torch.isclose(loss, mirrored, rtol=1e-6)) == mirror
