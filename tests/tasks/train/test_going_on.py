"""A run that was stopped goes on without being told again, can be used meanwhile, and goes to a colleague."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from senet_cli.cli.hints import hint
from senet_cli.errors import CheckpointError, UsageError
from senet_cli.tasks.train.begun import Begun, TrainRequest, numbers_of, with_numbers
from senet_cli.tasks.train.folder import RunFolder
from senet_cli.tasks.train.loop import Epoch
from senet_cli.tasks.train.recipe import TrainingOptions, TrainingRecipe
from senet_cli.tasks.train.run import Run
from senet_cli.tasks.train.service import _as_before
from tests.conftest import Senet
from tests.tasks.train.conftest import FEW, make_stripes, weights

# --- what is said, and what was said before -------------------------------------------------------


def asked(**changes: Any) -> TrainRequest:
    return TrainRequest(**{"output": Path("run"), "data": Path("pets"), "architecture": "tiny"} | changes)


def test_what_is_not_said_is_as_it_was_begun() -> None:
    recipe = TrainingOptions(epochs=9, rate=0.5, seed=3)
    begun = Begun.of(asked(recipe=recipe, jobs=2, parts=False, teachers=("a",)), None, Path("own.json"))
    again = TrainRequest(output=Path("run"), resume=True)
    assert Begun.of(again, begun, None) == begun
    longer = Begun.of(asked(data=None, architecture=None, recipe=TrainingOptions(epochs=20)), begun, None)
    assert (longer.recipe.epochs, longer.recipe.rate, longer.recipe.seed) == (20, 0.5, 3)
    moved = Begun.of(asked(data=Path("elsewhere"), origin="x", architecture=None, jobs=1), begun, None)
    assert moved.data == Path("elsewhere").absolute()
    assert (moved.origin, moved.architecture, moved.jobs, moved.parts) == ("x", None, 1, False)


def test_what_a_run_was_begun_with_is_read_as_it_was_written(tmp_path: Path) -> None:
    begun = Begun.of(asked(recipe=TrainingOptions(epochs=9, augment="scale")), None, None)
    recipe = {"epochs": 9, "augment": "scale", "command": [], "begun_with": begun.as_dict()}
    assert Begun.read(json.loads(json.dumps(recipe))) == begun
    assert Begun.read({"command": [], "epochs": 9}) is None  # an older version's
    assert RunFolder(tmp_path).begun() is None
    (tmp_path / "recipe.json").write_text('{"begun_with": {}}')
    with pytest.raises(CheckpointError, match="damaged"):
        RunFolder(tmp_path).begun()
    (tmp_path / "recipe.json").write_text("[]")
    with pytest.raises(CheckpointError, match="damaged"):
        RunFolder(tmp_path).recipe()


def test_nothing_to_go_on_with() -> None:
    for request in (TrainRequest(output=Path("run")), asked(architecture=None), asked(data=None)):
        with pytest.raises(UsageError, match="`run` holds no run") as caught:
            Begun.of(request, None, None)
        assert "senet train DATA --from NAME" in hint(caught.value)


# --- stopped --------------------------------------------------------------------------------------


@pytest.fixture
def stopped(train: Senet, striped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that Ctrl-C stopped in its third epoch."""
    epoch = Run._epoch

    def until_the_third(run: Run, number: int) -> Any:
        if number == 3:
            raise KeyboardInterrupt
        return epoch(run, number)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_epoch", until_the_third)
        done = train(striped, "--arch", "tiny", *FEW, "-o", "my run")
    assert done.returncode == 130
    assert "Interrupted after 2 of 6 epochs. They are in my run;" in done.stderr
    assert "`senet train --resume -o 'my run'` continues." in done.stderr
    return tmp_path / "my run"


def test_a_stopped_run_can_be_used_and_goes_on_from_any_folder(
    stopped: Path, learned: Path, senet: Senet, striped: Path, tmp_path: Path
) -> None:
    predict = ("predict", striped / "val" / "level" / "000.png", "-m", stopped, "--engine", "torch")
    done = senet(*predict)
    assert done.returncode == 0, done.stderr
    assert "from a run that is not finished, 2 of 6 epochs" in done.stderr
    done = senet("import", stopped, "--name", "half")
    assert "from a run that is not finished" in done.stderr
    weights_file = stopped / "epoch-2-of-6.safetensors"
    assert {path.name for path in stopped.glob("epoch-*")} == {weights_file.name, "epoch-1-of-6.safetensors"}
    steps = [
        ("import", weights_file, "--arch", "tiny", "--name", "file"),
        ("export", stopped, "--to", "zip", "-o", "a.zip"),
        ("import", "a.zip", "--name", "sent"),
        ("export", "sent", "--to", "zip", "-o", "b.zip"),
        ("import", "b.zip", "--name", "again"),
        ("import", "b.zip", "--name", "again", "--force"),
    ]
    tiny = {"SENET_MANIFEST": str(tmp_path / "tiny.json")}
    for step in steps:
        done = senet(*step, env=tiny)
        assert done.returncode == 0, done.stderr
    for name in ("half", "file", "sent", "again"):
        done = senet(*predict[:3], name, "--engine", "torch")
        assert done.returncode == 0, done.stderr
        assert f"`{name}` is from a run that is not finished, 2 of 6 epochs\n" in done.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = senet("train", "--resume", "-o", stopped, cwd=elsewhere)  # without the manifest too
    assert done.returncode == 0, done.stderr
    assert "going on with epoch 3" in done.stderr
    recipe = json.loads((stopped / "recipe.json").read_text())
    assert recipe["command"][1:3] == ["train", str(striped)], "the command that began it is kept"
    assert weights(stopped) == weights(learned)
    assert not list(stopped.glob("epoch-*"))
    assert "not finished" not in senet(*predict).stderr


def test_a_manifest_that_was_just_read_names_weights_that_are_there(
    train: Senet, striped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader may have the manifest of one epoch in hand when the next one has just been written."""
    save, run, seen = RunFolder.save_model, tmp_path / "run", 0

    def watched(folder: RunFolder, *arguments: Any) -> Any:
        nonlocal seen
        file, done = run / "model.json", arguments[3:]
        about = json.loads(file.read_bytes()) if file.exists() else {"checkpoints": {}}
        saved = save(folder, *arguments)
        for entry in about["checkpoints"].values() if done else ():
            assert (run / entry["files"][0]["path"]).is_file()
            assert len(list(run.glob("epoch-*"))) == 2
            seen += 1
        return saved

    monkeypatch.setattr(RunFolder, "save_model", watched)
    done = train(striped, "--arch", "tiny", "--epochs", 4, "--batch-size", 64, "-o", run)
    assert done.returncode == 0, done.stderr
    assert seen == 3
    assert not list(run.glob("epoch-*"))


def test_stopped_before_the_first_epoch(
    train: Senet, senet: Senet, striped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(run: Run, number: int) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_epoch", stop)
        done = train(striped, "--arch", "tiny", "--epochs", 1, "-o", "run")
    assert done.returncode == 130
    assert "before an epoch was finished: `senet train --resume -o run` begins again" in done.stderr
    done = senet("train", "--resume", "-o", "run")
    assert done.returncode == 0, done.stderr


def test_images_to_train_on_that_cannot_be_read_do_not_count_as_held_back(
    train: Senet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_stripes(tmp_path / "data", {"train": 5, "val": 2})
    (data / "train" / "level" / "000.png").write_bytes(b"junk")
    (data / "val" / "level" / "000.png").write_bytes(b"junk")
    monkeypatch.setattr(RunFolder, "save_log", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    assert train(data, "--arch", "tiny", "--epochs", 2, "-o", "run").returncode == 130
    (entry,) = json.loads((tmp_path / "run" / "model.json").read_text())["checkpoints"].values()
    assert entry["metrics"][0]["dataset"] == "3 images held back"
    monkeypatch.undo()
    assert "Held-out accuracy" in train("--resume", "-o", "run").stderr
    (entry,) = json.loads((tmp_path / "run" / "model.json").read_text())["checkpoints"].values()
    assert entry["metrics"][0]["dataset"] == "3 images held back"


def test_a_finished_run_is_extended(learned: Path, train: Senet, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(learned, run)
    done = train("--resume", "--epochs", 5, "-o", run)
    assert done.returncode == 2
    assert "has done 6 epochs already" in done.stderr
    assert "`--epochs 7` or more" in done.stderr
    done = train("--resume", "--epochs", 7, "-o", run)
    assert done.returncode == 0, done.stderr
    with (run / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    assert weights(run) != weights(learned)
    assert json.loads((run / "recipe.json").read_text())["epochs"] == 7


def test_patience_that_comes_later_ends_with_weights_that_are_kept(
    train: Senet, striped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, torch.Tensor] = {}
    epoch = Run._epoch

    def ever_worse(run: Run, number: int) -> Epoch:
        done = epoch(run, number)
        seen[number] = run._trainer.network.head.weight.detach().clone()
        return replace(done, held_back_loss=float(number))

    monkeypatch.setattr(Run, "_epoch", ever_worse)
    assert train(striped, "--arch", "tiny", "--epochs", 2, "-o", "begun").returncode == 0
    as_now = torch.load(tmp_path / "begun" / "state.pt", weights_only=True)
    stale = as_now["best"] | {"head.weight": torch.zeros_like(seen[1])}
    older = {name: value for name, value in as_now.items() if name != "best_epoch"}
    patient = older | {"asked": as_now["asked"] | {"patience": 2}}
    cases = [  # state, last epoch, epoch that is kept
        ("this version's", as_now, 3, 1),
        ("an older one's", older | {"best": None}, 5, 3),
        ("patience was taken away", older | {"best": stale}, 5, 3),
        ("patience was there", patient, 3, 1),
        ("ended without weights", patient | {"best": None, "stopped": True}, 5, 3),
    ]
    for name, state, last, best in cases:
        run = tmp_path / name
        shutil.copytree(tmp_path / "begun", run)
        torch.save(state, run / "state.pt")
        done = train("--resume", "--epochs", 8, "--patience", 2, "-o", run)
        assert done.returncode == 0, done.stderr
        assert f"for {last - best} epochs: stopped, epoch {best} is kept" in done.stderr, name
        assert torch.equal(load_file(run / "model.safetensors")["head.weight"], seen[best]), name


def test_a_run_of_an_older_version_goes_on_with_its_own_command(
    train: Senet, striped: Path, learned: Path, tmp_path: Path
) -> None:
    """Of what older versions chose, nothing is what this one chooses, which fine-tunes with Adam."""
    run = tmp_path / "run"
    own = (striped, "--from", learned, "--epochs", 1)
    older = ("--optimizer", "sgd", "--no-probe", "--batch-size", 64, "--augment", "standard")
    assert train(*own, *older, "-o", run).returncode == 0
    state = torch.load(run / "state.pt", weights_only=True)
    recipe = json.loads((run / "recipe.json").read_text())
    unknown = {"balance", "probe", "choose", "patience", "optimiser", "early", "begun_with"}
    assert unknown & recipe.keys() == unknown
    state["asked"] = {name: value for name, value in state["asked"].items() if name not in unknown}
    del state["best"], state["best_epoch"], state["stopped"], state["probe"]
    torch.save(state, run / "state.pt")
    (run / "recipe.json").write_text(
        json.dumps({name: value for name, value in recipe.items() if name not in unknown})
    )
    done = train(striped, "--from", learned, "--epochs", 2, "--resume", "-o", run)
    assert done.returncode == 0, done.stderr
    assert "going on with epoch 2" in done.stderr
    again = json.loads((run / "recipe.json").read_text())
    same = recipe.keys() - {"epochs", "begun_with", "command"}
    assert {name: again[name] for name in same} == {name: recipe[name] for name in same}
    done = train("--resume", "--epochs", 3, "-o", run)
    assert done.returncode == 0, done.stderr


def test_numbers_of_any_record() -> None:
    """A later version chooses other numbers; a run keeps those that it was begun with."""
    recipe = {"epochs": 9, "batch_size": 8, "rate": 0.5, "optimiser": "adam", "early": 0.7, "workers": 3}
    numbers = numbers_of(recipe)
    assert (numbers["early"], numbers["weight_decay"], numbers["patience"]) == (0.7, 5e-4, 0)
    request = with_numbers(asked(recipe=TrainingOptions(rate=0.1)), recipe)
    assert (request.recipe.rate, request.recipe.batch_size, request.jobs) == (0.1, 8, 3)
    planned = TrainingRecipe(epochs=9, batch_size=8, rate=0.5, optimiser="adam", early=0.1, warmup=0.3)
    assert (_as_before(planned, numbers).early, _as_before(planned, numbers).warmup) == (0.7, 0.1)
    assert _as_before(planned, {}) == planned
    assert with_numbers(asked(), {}) == asked()


def test_there_is_nothing_to_go_on_with(senet: Senet, tmp_path: Path) -> None:
    done = senet("train", "--resume", "-o", "nowhere")
    assert done.returncode == 2
    assert "`nowhere` holds no run to go on with" in done.stderr
    assert not (tmp_path / "nowhere").exists()


# --- what comes next ------------------------------------------------------------------------------


def test_the_end_of_a_run_says_how_good_it_is_and_what_a_colleague_needs(
    train: Senet, senet: Senet, tmp_path: Path
) -> None:
    data = make_stripes(tmp_path / "data", {"train": 16, "val": 5})
    done = train(data, "--arch", "tiny", "--epochs", 3, "--batch-size", 8, "-o", "runs/pets")
    assert done.returncode == 0, done.stderr
    right = round(float(done.stdout.split("\t")[1]) / 10)
    assert f"Held-out accuracy {10 * right} % ({right} of 10; 95 % interval " in done.stderr
    assert "runs/pets/curves.png" in done.stderr
    assert "senet export runs/pets --to zip -o pets.zip; there: senet import pets.zip" in done.stderr
    done = senet("export", "runs/pets", "--to", "zip", "-o", "own.zip")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\tsenet import own.zip\n")
    for wrong in (("--to", "zip", "--layout", "timm"), ()):
        done = senet("export", "runs/pets", *wrong, "-o", "x")
        assert done.returncode == 2, done.stderr
        assert "layout" in done.stderr
    (tmp_path / "there").mkdir()
    shutil.move(tmp_path / "own.zip", tmp_path / "there")
    there = {"SENET_MODELS": str(tmp_path / "there" / "models")}
    done = senet("import", "own.zip", env=there, cwd=tmp_path / "there")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"pets\t{tmp_path / 'there' / 'models' / 'pets'}\n"
    done = senet("evaluate", data, "-m", "pets", "--engine", "torch", "--format", "json", env=there)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["top1"]["right"] == right
    done = senet("evaluate", data / "train", "-m", "pets", env=there)  # it knows what it was trained on
    assert done.returncode == 3
