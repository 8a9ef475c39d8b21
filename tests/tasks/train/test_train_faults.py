"""`senet train` where something is wrong: told before it costs hours, or survived."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from senet_cli.settings import BUNDLED_MODEL
from tests.conftest import Senet
from tests.tasks.train.conftest import FEW, make_stripes, weights

# --- what is wrong --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ((), "--arch KEY` and `--from"),
        (("--arch", "tiny", "--from", "seresnet50"), "--arch KEY` and `--from"),
        (("--from", "seresnet50", "--no-se"), "--no-se"),
        (("--arch", "tiny", "--freeze", 1), "--freeze"),
        (("--arch", "tiny", "--device", "abacus"), "abacus"),
        (("--arch", "tiny", "--lr", 1e30, "--batch-size", 8), "smaller `--lr`"),
    ],
)
def test_contradictions_are_told(
    options: tuple[object, ...], reason: str, train: Senet, striped: Path
) -> None:
    done = train(striped, *options, "--epochs", 1)
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: None, 7),
        (lambda path: path.mkdir(), 2),
        (lambda path: path.write_bytes(b"text"), 2),
        (lambda path: (path / "cats").mkdir(parents=True), 2),
    ],
    ids=["nothing there", "empty folder", "no tar", "class without images"],
)
def test_data_that_are_none(make: Any, code: int, train: Senet, tmp_path: Path) -> None:
    make(tmp_path / "data")
    done = train("data", "--arch", "tiny")
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")


def test_unknown_architecture(train: Senet, striped: Path) -> None:
    done = train(striped, "--arch", "tny")
    assert done.returncode == 4
    assert "`tiny`" in done.stderr


# --- what must not go wrong after hours -----------------------------------------------------------


def test_pictures_to_measure_with_that_cannot_be_read(train: Senet, senet: Senet, tmp_path: Path) -> None:
    make_stripes(tmp_path / "data", {"train": 8, "val": 2})
    for path in (tmp_path / "data" / "val").rglob("*.png"):
        path.write_bytes(b"junk")
    done = train(tmp_path / "data", "--arch", "tiny", "--epochs", 1, "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "nan" not in done.stdout + done.stderr
    image = tmp_path / "data" / "train" / "level" / "000.png"
    assert senet("predict", image, "-m", tmp_path / "run").returncode == 0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are Unicode")
def test_a_class_whose_name_cannot_be_written_down(train: Senet, tmp_path: Path) -> None:
    make_stripes(tmp_path / "data", {"": 4})
    (tmp_path / "data" / "level").rename(os.fsdecode(os.fsencode(tmp_path / "data") + b"/d\xffg"))
    done = train(tmp_path / "data", "--arch", "tiny", "-o", tmp_path / "run")
    assert done.returncode == 2
    assert "UTF-8" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["con", "資料", "-"])
def test_any_folder_name_gives_a_usable_model(name: str, train: Senet, senet: Senet, tmp_path: Path) -> None:
    make_stripes(tmp_path / "data", {"train": 4})
    run = tmp_path / name
    done = train(tmp_path / "data", "--arch", "tiny", "--epochs", 1, "-o", run)
    assert done.returncode == 0, done.stderr
    image = tmp_path / "data" / "train" / "level" / "000.png"
    assert senet("predict", image, "-m", run).returncode == 0


@pytest.mark.parametrize("option", [("--lr", "inf"), ("--lr", "nan"), ("--seed", 10**20), ("--freeze", 99)])
def test_numbers_out_of_range(
    option: tuple[str, object], train: Senet, striped: Path, tmp_path: Path
) -> None:
    start = ("--from", BUNDLED_MODEL) if option[0] == "--freeze" else ("--arch", "tiny")
    done = train(striped, *start, *option, "-o", tmp_path / "run")
    assert done.returncode == 2, done.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_does_not_go_into_its_own_data(train: Senet, tmp_path: Path) -> None:
    make_stripes(tmp_path / "data", {"": 4})
    done = train(".", "--arch", "tiny", cwd=tmp_path / "data")
    assert done.returncode == 2
    assert "lies inside" in done.stderr
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["level", "upright"]


def test_data_are_looked_at_before_a_model_is_fetched(train: Senet, tmp_path: Path) -> None:
    done = train(tmp_path / "nowhere", "--from", "seresnet50", "--offline", "-o", tmp_path / "run")
    assert "nowhere" in done.stderr
    assert done.returncode != 5


def test_folders_of_the_same_class(train: Senet, tmp_path: Path) -> None:
    make_stripes(tmp_path / "data", {"": 4})
    (tmp_path / "data" / "level").rename(tmp_path / "data" / "n02123045")
    (tmp_path / "data" / "upright").rename(tmp_path / "data" / "tabby")
    done = train(tmp_path / "data", "--arch", "tiny", "-o", tmp_path / "run")
    assert done.returncode == 2
    assert "same class" in done.stderr


def test_a_log_that_a_kill_prevented_is_written_at_the_end(
    train: Senet, learned: Path, striped: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(learned, run)
    for name in ("log.csv", "model.json", "curves.png"):
        (run / name).unlink()
    done = train(striped, "--arch", "tiny", *FEW, "-o", run, "--resume")
    assert done.returncode == 0, done.stderr
    assert (run / "log.csv").read_text() == (learned / "log.csv").read_text()
    assert weights(run) == weights(learned)


def test_a_run_goes_on_with_the_same_images_only(
    train: Senet, learned: Path, striped: Path, tmp_path: Path
) -> None:
    shutil.copytree(striped, tmp_path / "data")
    shutil.copytree(learned, tmp_path / "run")
    (tmp_path / "data" / "train" / "level" / "000.png").unlink()
    done = train(tmp_path / "data", "--arch", "tiny", *FEW, "-o", tmp_path / "run", "--resume")
    assert done.returncode == 2
    assert "begun with data" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="POSIX locks")
def test_two_processes_do_not_share_a_run(train: Senet, striped: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"):
        done = train(striped, "--arch", "tiny", *FEW, "-o", tmp_path / "run")
    assert done.returncode == 2
    assert "another process" in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_others_may_read_a_run(learned: Path) -> None:
    plain = learned.parent / "plain"
    plain.write_text("")
    for path in learned.iterdir():
        assert path.stat().st_mode == plain.stat().st_mode, path.name


def test_the_recipe_is_kept(learned: Path) -> None:
    recipe = json.loads((learned / "recipe.json").read_text())
    assert recipe["command"][:2] == ["senet", "train"]
    assert (recipe["epochs"], recipe["batch_size"], recipe["seed"]) == (6, 16, 0)


def test_evaluate_leaves_out_what_was_trained_on(train: Senet, senet: Senet, tmp_path: Path) -> None:
    make_stripes(tmp_path / "data", {"": 20})
    done = train(tmp_path / "data", "--arch", "tiny", "--epochs", 1, "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    done = senet("evaluate", tmp_path / "data", "-m", tmp_path / "run")
    assert "leaving out 36 of 40 images" in done.stderr
    assert done.stdout.startswith("run: 4 images of 2 classes")
    assert "after training" in done.stdout
    assert "top-5" not in done.stdout  # of two classes
    done = senet("evaluate", tmp_path / "data" / "level" / "..", "-m", tmp_path / "run", "-o", "/nowhere/x")
    assert done.returncode == 7
