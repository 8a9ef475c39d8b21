"""`train`, `evaluate` and `import`: no accuracy is measured on images that a model was trained on."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
from pathlib import Path

import pytest

from senet_cli.datasets.training_record import TrainingRecord, identities
from senet_cli.images.sources import Source
from senet_cli.settings import BUNDLED_MODEL
from senet_cli.store.model_folders import HELD_BACK_FILE
from tests.conftest import Senet
from tests.environment import Environment
from tests.tasks.train.conftest import TINY, make_stripes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`data` in two flat classes, a `run` on nine tenths of it, the `next` run from that one."""
    folder = tmp_path_factory.mktemp("seen")
    make_stripes(folder / "data", {"": 20})
    (folder / "tiny.json").write_text(json.dumps({"schema": 1, "architectures": {"tiny": TINY}}))
    here = Environment(folder, {"SENET_MANIFEST": str(folder / "tiny.json")})
    for options in (("--arch", "tiny", "-o", "run"), ("--from", "run", "--seed", 7, "-o", "next")):
        done = here.run("train", "data", "--epochs", 1, "--batch-size", 16, *options)
        assert done.returncode == 0, done.stderr
        assert "36 images of 2 classes, 4 held back" in done.stderr
    return folder


def evaluated(senet: Senet, *arguments: object) -> dict[str, object]:
    done = senet("evaluate", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def record(run: Path) -> TrainingRecord:
    found = TrainingRecord.read(run)
    assert found
    return found


def test_a_run_from_a_run_trains_on_nothing_that_was_held_back(world: Path) -> None:
    first, second = record(world / "run"), record(world / "next")
    assert (len(first.trained), len(first.held_back)) == (36, 4)
    assert second == first


def test_only_what_was_held_back_is_measured(world: Path, senet: Senet) -> None:
    done = senet("evaluate", world / "data", "-m", world / "next")
    assert "leaving out 36 of 40 images: `next` was trained on them" in done.stderr
    assert done.stdout.startswith("next: 4 images of 2 classes")
    assert "left out: 36 images" in done.stdout
    result = evaluated(senet, world / "data", "-m", world / "run", "--include-training-images")
    assert result["images"] == 40
    assert result["training_images"] == {"found": 36, "left_out": False}


def test_images_are_known_wherever_they_are_and_whatever_is_beside_them(
    world: Path, senet: Senet, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(world / "data", data)
    for path in list(data.rglob("*.png")):
        path.rename(path.with_name(f"other-{path.name}"))
    make_stripes(tmp_path / "more", {"elsewhere": 1, "": 1})
    (tmp_path / "more" / "level" / "000.png").rename(data / "level" / "new.png")
    with tarfile.open(tmp_path / "data.tar", "w") as tar:
        tar.add(data, "data")
    result = evaluated(senet, tmp_path / "data.tar", "-m", world / "run")
    assert (result["images"], result["training_images"]) == (5, {"found": 36, "left_out": True})
    listed = [f"upright/other-{number:03}.png,upright\n" for number in range(20)]
    (tmp_path / "truth.csv").write_text("".join(listed))
    result = evaluated(senet, data, "-m", world / "run", "--ground-truth", tmp_path / "truth.csv")
    assert (result["images"], result["training_images"]) == (2, {"found": 18, "left_out": True})


def test_other_photographs_of_the_same_names_are_all_measured(
    world: Path, senet: Senet, tmp_path: Path
) -> None:
    make_stripes(tmp_path / "others", {"elsewhere": 1, "": 20})
    shutil.rmtree(tmp_path / "others" / "elsewhere")
    result = evaluated(senet, tmp_path / "others", "-m", world / "run")
    assert (result["images"], result["training_images"]) == (40, {"found": 0, "left_out": True})


def test_nothing_but_what_was_trained_on(world: Path, senet: Senet, tmp_path: Path) -> None:
    make_stripes(tmp_path / "held back", {"": 20})
    seen = record(world / "run").trained
    for path in (tmp_path / "held back").rglob("*.png"):
        if identities([Source(str(path))], 1)[0] not in seen:
            path.unlink()
    done = senet("evaluate", tmp_path / "held back", "-m", world / "run")
    assert done.returncode == 3
    assert "was trained on all 36 images" in done.stderr
    assert "--include-training-images" in done.stderr
    asked = ("train", tmp_path / "held back", "--from", world / "run", "--epochs", 1, "-o", tmp_path / "run")
    done = senet(*asked)
    assert done.returncode == 0, done.stderr
    assert "no accuracy can be measured" in done.stderr
    assert done.stdout == f"{tmp_path / 'run'}\t\n"  # no accuracy


@pytest.mark.parametrize("origin", ["run", "run/model.safetensors"])
def test_an_imported_run_keeps_its_record(origin: str, world: Path, senet: Senet, tmp_path: Path) -> None:
    manifest = {"SENET_MANIFEST": str(world / "tiny.json")}
    labels = tmp_path / "labels.txt"
    labels.write_text("level\nupright\n")
    how = () if origin == "run" else ("--arch", "tiny", "--labels", labels)
    done = senet("import", world / origin, "--name", "mine", *how, env=manifest)
    assert done.returncode == 0, done.stderr
    assert record(tmp_path / "models" / "mine") == record(world / "run")
    result = evaluated(senet, world / "data", "-m", "mine")
    assert (result["images"], result["training_images"]) == (4, {"found": 36, "left_out": True})


def test_a_record_of_an_older_version_is_not_used_and_said_so(
    world: Path, senet: Senet, tmp_path: Path
) -> None:
    shutil.copytree(world / "run", tmp_path / "old")
    (tmp_path / "old" / HELD_BACK_FILE).write_text('{"total": 40, "images": ["level/000.png"]}')
    done = senet("evaluate", world / "data", "-m", "old")
    assert done.stdout.startswith("run: 40 images")
    assert "lists images by name only" in done.stderr
    assert "it is not known which images `run` was trained on" in done.stderr
    done = senet("train", world / "data", "--from", "old", "--epochs", 1, "-o", "new")
    assert done.returncode == 0, done.stderr
    assert "it is not known which images `run` was trained on" in done.stderr
    (entry,) = json.loads((tmp_path / "new" / "model.json").read_text())["checkpoints"].values()
    assert entry["metrics"][0]["dataset"].endswith("did not train on; what `run` saw is not known")
    done = senet("evaluate", world / "data", "-m", "new")
    assert done.stdout.startswith("new: 4 images")
    assert "it is not known which images `run` was trained on" in done.stderr


def test_a_folder_lends_its_record_to_no_other_model(world: Path, senet: Senet, tmp_path: Path) -> None:
    shutil.copytree(world / "run", tmp_path / BUNDLED_MODEL)
    make_stripes(tmp_path / "data", {"": 20})
    for old, new in (("level", "cat"), ("upright", "dog")):
        (tmp_path / "data" / old).rename(tmp_path / "data" / new)
    result = evaluated(senet, "data", "-m", BUNDLED_MODEL, "--engine", "torch")
    assert (result["images"], result["training_images"]) == (40, None)


def test_parts_that_are_not_labelled_are_left_out_and_said_so(
    world: Path, senet: Senet, tmp_path: Path
) -> None:
    """`k/train/{cat,dog}` beside a flat `k/test`, as of Kaggle's dogs and cats."""
    shutil.copytree(world / "data", tmp_path / "k" / "train")
    (tmp_path / "k" / "test").mkdir()
    shutil.copy(tmp_path / "k" / "train" / "level" / "000.png", tmp_path / "k" / "test" / "1.png")
    asked = ("--epochs", 1, "-o", "run", "--arch", "tiny")
    manifest = {"SENET_MANIFEST": str(world / "tiny.json")}
    done = senet("train", "k", *asked, env=manifest)
    assert done.returncode == 0, done.stderr
    assert "note: `test` is named like a part" in done.stderr
    assert "--no-parts" in done.stderr
    labels = json.loads((tmp_path / "run" / "model.json").read_text())["label_sets"]["run"]["labels"]
    assert labels == ["level", "upright"]
    done = senet("evaluate", "k", "-m", "run", "-q")
    assert done.stdout.startswith("run: 4 images of 2 classes")
    assert done.stderr == ""
    done = senet("evaluate", "k", "-m", "run", "--no-parts")
    assert done.returncode == 2
    assert "no class `test`" in done.stderr
    (tmp_path / "one" / "train").mkdir(parents=True)
    shutil.copy(world / "data" / "level" / "000.png", tmp_path / "one" / "train" / "1.png")
    for options, reason in (((), "`train` in .* is the name of a part"), (("--no-parts",), "one class only")):
        done = senet("train", "one", *options, "--arch", "tiny", "-o", "another", env=manifest)
        assert done.returncode == 2
        assert re.search(reason, done.stderr)
