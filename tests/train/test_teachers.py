"""`senet train --teacher`: what another network answers is learned, not only the labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import Senet
from tests.train.conftest import FEW, TINY, make_stripes, weights


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
    done = train(striped, "--from", learned, "--freeze", 1, "--epochs", 1, "--resume", "-o", "run")
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
