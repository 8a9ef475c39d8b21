"""`senet train` as a process: a model that learned comes out, and a killed run loses nothing."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from safetensors.numpy import load_file

from tests.conftest import Senet
from tests.tasks.train.conftest import FEW, make_stripes, weights

# --- what comes out -------------------------------------------------------------------------------


def test_a_run_leaves_a_model_its_manifest_a_log_and_a_picture(learned: Path) -> None:
    with (learned / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert float(rows[-1]["held_back_accuracy"]) >= 0.9
    with Image.open(learned / "curves.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 400
    manifest = json.loads((learned / "model.json").read_text())
    (entry,) = manifest["checkpoints"].values()
    assert list(manifest["checkpoints"]) == ["my-stripes"]
    assert entry["files"][0]["sha256"] == weights(learned)
    assert manifest["label_sets"]["my-stripes"] == {"labels": ["level", "upright"]}


def test_the_model_needs_nothing_but_its_folder(learned: Path, striped: Path, senet: Senet) -> None:
    """Not the manifest that the run was begun with; also after the folder was moved."""
    done = senet("predict", "-m", learned, striped / "val", "-k", 1, "--format", "jsonl")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert len(records) == 48
    assert all(record["model"] == "my-stripes" for record in records)
    right = sum(Path(r["path"]).parent.name == r["predictions"][0]["label"] for r in records)
    assert right >= 44


def test_every_command_takes_the_folder_of_a_run(
    learned: Path, striped: Path, senet: Senet, tmp_path: Path
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(learned, moved)
    done = senet("evaluate", striped, "-m", "moved", "--format", "json")
    result = json.loads(done.stdout)
    (entry,) = json.loads((moved / "model.json").read_text())["checkpoints"].values()
    assert result["top1"]["percent"] == pytest.approx(entry["metrics"][0]["top1"], abs=1e-3)
    assert result["published"]["top1"] == entry["metrics"][0]["top1"]
    done = senet("info", "moved")
    assert done.returncode == 0
    assert "my-stripes (2 classes)" in done.stdout
    done = senet("verify", "moved")
    assert done.stdout == f"my-stripes\tok\t{weights(moved)}\n"


def test_the_api_takes_the_folder_of_a_run(learned: Path, striped: Path) -> None:
    from senet_cli import Classifier

    best = Classifier(str(learned)).predict(str(striped / "val" / "level" / "000.png"))
    assert {prediction.label for prediction in best} == {"level", "upright"}


def test_weights_that_changed_are_refused(learned: Path, striped: Path, senet: Senet, tmp_path: Path) -> None:
    shutil.copytree(learned, tmp_path / "run")
    file = tmp_path / "run" / "model.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    for command in (("predict", striped, "-m", "run"), ("verify", "run"), ("evaluate", striped, "-m", "run")):
        done = senet(*command)
        assert done.returncode == 6, command
        assert "not the file that its manifest describes" in done.stderr
    file.unlink()
    done = senet("predict", striped, "-m", "run")
    assert done.returncode == 4
    assert "missing" in done.stderr


def test_a_folder_that_is_no_run_is_told_so(senet: Senet, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = senet("predict", "-m", "empty", tmp_path / "tiny.json", cwd=tmp_path)
    assert done.returncode == 4
    assert "holds no `model.json`" in done.stderr


# --- data -----------------------------------------------------------------------------------------


def test_a_tenth_of_each_class_is_held_back_where_the_data_do_not_say(train: Senet, tmp_path: Path) -> None:
    make_stripes(tmp_path / "flat", {"": 20})
    done = train("flat", "--arch", "tiny", "--epochs", 1, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "36 images of 2 classes, 4 held back" in done.stderr


def test_images_that_cannot_be_read_are_left_out_and_named(train: Senet, tmp_path: Path) -> None:
    make_stripes(tmp_path / "flat", {"train": 8, "val": 2})
    (tmp_path / "flat" / "train" / "level" / "000.png").write_bytes(b"not an image")
    done = train("flat", "--arch", "tiny", "--epochs", 1, "--batch-size", 4, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left out 1 image that" in done.stderr
    assert "000.png" in done.stderr


def test_images_of_any_size_are_taken(train: Senet, tmp_path: Path) -> None:
    """Larger than the crop: cropped at random; smaller: enlarged."""
    for size, name in ((120, "large"), (9, "small")):
        data = make_stripes(tmp_path / name, {"train": 8, "val": 4}, size=size)
        for augment in ("standard", "scale", "cutmix", "none"):
            run = f"run-{name}-{augment}"
            done = train(data, "--arch", "tiny", "--epochs", 1, "--augment", augment, "-o", run)
            assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_large_inputs_are_decoded_by_processes(
    train: Senet, senet: Senet, tmp_path: Path, tiny: Path
) -> None:
    """Inputs above 64 pixels are not kept in memory; the result is the same each time."""
    manifest = json.loads(tiny.read_text())
    manifest["architectures"]["tiny"]["preprocess"] |= {"resize": 80, "crop": 72}
    tiny.write_text(json.dumps(manifest))
    data = make_stripes(tmp_path / "large", {"train": 12, "val": 4}, size=96)
    for run in ("one", "two"):
        done = train(data, "--arch", "tiny", "--epochs", 1, "--batch-size", 4, "-j", 2, "-o", run)
        assert done.returncode == 0, done.stderr
    assert weights(tmp_path / "one") == weights(tmp_path / "two")


# --- what decides the weights ---------------------------------------------------------------------


def test_the_seed_decides_the_weights(train: Senet, striped: Path, tmp_path: Path) -> None:
    short = ("--arch", "tiny", "--epochs", 1, "--batch-size", 32)
    for run, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert train(striped, *short, "--seed", seed, "-o", run).returncode == 0
    assert weights(tmp_path / "a") == weights(tmp_path / "b") != weights(tmp_path / "c")


def test_the_plain_twin_has_no_se(train: Senet, senet: Senet, striped: Path, tmp_path: Path) -> None:
    done = train(striped, "--arch", "tiny", "--no-se", "--epochs", 1, "-o", "plain")
    assert done.returncode == 0, done.stderr
    assert not any(".se." in key for key in load_file(tmp_path / "plain" / "model.safetensors"))
    assert "no SE" in senet("info", "plain").stdout
    assert senet("predict", "-m", "plain", striped, "-k", 1).returncode == 0


def test_fine_tuning_starts_from_the_weights_with_a_new_head(
    train: Senet, learned: Path, tmp_path: Path
) -> None:
    """Frozen stages keep weights and statistics to the last bit, the others move."""
    data = make_stripes(tmp_path / "own", {"": 10})
    (data / "level").rename(data / "flat")
    done = train(data, "--from", learned, "--freeze", 1, "--epochs", 1, "--batch-size", 4, "-o", "tuned")
    assert done.returncode == 0, done.stderr
    before = load_file(learned / "model.safetensors")
    after = load_file(tmp_path / "tuned" / "model.safetensors")
    for key, value in after.items():
        same = value.shape == before[key].shape and bool((value == before[key]).all())
        assert same == key.startswith(("stem.", "stage1.")), key
    manifest = json.loads((tmp_path / "tuned" / "model.json").read_text())
    assert manifest["label_sets"]["tuned"]["labels"] == ["flat", "upright"]


def test_going_on_with_the_same_classes_keeps_the_head(
    train: Senet, learned: Path, striped: Path, tmp_path: Path
) -> None:
    done = train(striped, "--from", learned, "--epochs", 1, "--lr", 1e-9, "-o", "more")
    assert done.returncode == 0, done.stderr
    before = load_file(learned / "model.safetensors")["head.weight"]
    after = load_file(tmp_path / "more" / "model.safetensors")["head.weight"]
    assert abs(before - after).max() < 1e-6


# --- killed and resumed ---------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_a_run_ends_at_the_same_weights(
    train: Senet, striped: Path, tmp_path: Path, tiny: Path
) -> None:
    asked = [str(striped), "--arch", "tiny", *map(str, FEW), "--deterministic", "--augment", "cutmix"]
    assert train(*asked, "-o", "whole").returncode == 0
    run = tmp_path / "killed"
    environment = os.environ | {"SENET_MANIFEST": str(tiny), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "senet_cli", "train", *asked, "-o", str(run), "--resume"]
    for epochs in (1, 3):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        assert process.stderr
        for line in process.stderr:
            if line.startswith(f"epoch {epochs}/"):
                time.sleep(0.02)  # somewhere within the next epoch
                break
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        (entry,) = json.loads((run / "model.json").read_text())["checkpoints"].values()
        assert entry["files"][0]["path"].startswith("epoch-"), (
            "it can be used, and tells that it is not finished"
        )
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "going on with epoch" in done.stderr
    assert weights(run) == weights(tmp_path / "whole")
    with (run / "log.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 6


def test_a_run_goes_on_only_as_it_was_begun(train: Senet, striped: Path, learned: Path) -> None:
    again = (striped, "--arch", "tiny", *FEW, "-o", learned)
    done = train(*again)
    assert done.returncode == 2
    assert "holds a run already" in done.stderr
    done = train(*again, "--resume", "--seed", 5)
    assert done.returncode == 2
    assert "seed 0 (now 5)" in done.stderr
    before = weights(learned)
    done = train(*again, "--resume")  # nothing left to do
    assert done.returncode == 0
    assert weights(learned) == before


def test_the_state_of_something_else_is_refused(train: Senet, striped: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "state.pt").write_bytes(b"something else")
    done = train(striped, "--arch", "tiny", "--resume")
    assert done.returncode == 4
    assert "not the state of a run" in done.stderr
