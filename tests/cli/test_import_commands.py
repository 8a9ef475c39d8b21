"""`senet import` and `senet export` as processes: afterwards every command knows the model."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from senet_cli.weights.publishers.cadene import CADENE
from senet_cli.weights.publishers.timm import TIMM
from tests.cli.commands import completions, imported
from tests.conftest import Senet
from tests.tasks.import_weights.worlds import KEY, manifest_with, published, tiny_file, weights_file

EXAMPLES = Path(__file__).parents[2] / "examples"
PHOTOS = [EXAMPLES / "airplane.jpg", EXAMPLES / "ship.jpg"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with weights of one's own that were imported as `mine`, and photographs."""
    folder = tmp_path_factory.mktemp("own")
    weights_file(folder / "own.pth", CADENE, classes=2)
    (folder / "labels.txt").write_text("airplane\nship\n")
    for photo in PHOTOS:
        (folder / "photos" / photo.stem).mkdir(parents=True)
        for number in range(2):
            shutil.copy(photo, folder / "photos" / photo.stem / f"{number}.jpg")
    done = subprocess.run(
        [*command("import", "own.pth"), "--name", "mine", "--labels", "labels.txt"],
        env=os.environ | environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"mine\t{folder / 'models' / 'mine'}\n"
    assert f"{KEY}: 3x3 stem, basic blocks" in done.stderr
    assert "2 classes: airplane, ship" in done.stderr
    return folder


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "senet_cli", *arguments]


def environment(world: Path) -> dict[str, str]:
    return {
        "SENET_MODELS": str(world / "models"),
        "SENET_CACHE": str(world / "cache"),
        "SENET_OFFLINE": "1",
    }


def test_it_predicts_as_the_file_does(senet: Senet, world: Path) -> None:
    options = ("predict", *PHOTOS, "--format", "jsonl", "--engine", "torch")
    mine = senet(*options, "-m", "mine", env=environment(world))
    own = senet(*options, "--weights", world / "own.pth", "--arch", KEY)
    assert (mine.returncode, own.returncode) == (0, 0), mine.stderr + own.stderr
    for one, other in zip(mine.stdout.splitlines(), own.stdout.splitlines(), strict=True):
        first, second = (json.loads(line)["predictions"] for line in (one, other))
        assert [row["score"] for row in first] == [row["score"] for row in second]
        assert [row["label"] for row in first] == [("airplane", "ship")[row["index"]] for row in second]
        assert len({row["score"] for row in first}) == 2


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ("list", "\nmine\t"),
        ("list --format json", '"name": "mine"'),
        ("info mine", f"architecture            {KEY}"),
        ("download mine", "mine\t"),
        ("download mine --dry-run", "mine\tpresent"),
        ("verify", "\nmine\tok\t"),
        ("verify mine --deep", "mine\tok\t"),
        ("evaluate photos -m mine", "top-1"),
        ("warm mine", "mine\t"),
        ("train photos --from mine --epochs 1 -o run", "run\t"),
        ("export mine --layout timm -o exported.pth", "exported.pth\t"),
    ],
)
def test_every_command_knows_it(senet: Senet, world: Path, arguments: str, shown: str) -> None:
    if arguments.startswith("warm"):
        pytest.importorskip("openvino", reason="openvino is not installed")
    done = senet(*arguments.split(), env=environment(world), cwd=world)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout, done.stdout


def test_it_is_completed(world: Path) -> None:
    for line in ("info min", "predict -m min", "import --remove min", "export min", "convert min"):
        assert completions(f"senet {line}", **environment(world)) == ["mine"]
    assert "timm" in completions("senet export mine --layout t", **environment(world))


def test_the_python_api_knows_it(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from senet_cli import Classifier, list_models

    for name, value in environment(world).items():
        monkeypatch.setenv(name, value)
    assert "mine" in list_models()
    assert Classifier("mine", engine="torch").predict(PHOTOS[0])[0].label in {"airplane", "ship"}


def test_the_cache_does_not_touch_it(senet: Senet, world: Path) -> None:
    done = senet("cache", "rm", "mine", env=environment(world))
    assert (done.returncode, done.stdout) == (0, "")
    assert "`senet import --remove mine` deletes it" in done.stderr
    assert senet("cache", "rm", "--all", env=environment(world)).returncode == 0
    assert senet("verify", "mine", env=environment(world)).returncode == 0


@pytest.mark.parametrize("arguments", ["list", "info mine", "verify", "import --remove nothing", "import -h"])
def test_light_commands_stay_light(world: Path, arguments: str) -> None:
    if arguments.endswith("nothing"):
        program = (
            f"import sys; sys.argv[1:] = {arguments.split()}; from senet_cli.__main__ import run, _app; "
        )
        program += "run(_app); print('torch' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | environment(world),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout == "False\n"
        return
    heavy = {"torch", "torchvision", "numpy", "PIL", "requests", "safetensors", "rich"}
    assert imported(*arguments.split(), **environment(world)) & heavy == set()


def test_one_damaged_model_is_named_by_those_who_meet_it(senet: Senet, world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "models", tmp_path / "models", symlinks=True)
    (tmp_path / "models" / "bad").mkdir()
    path = tmp_path / "models" / "bad" / "model.json"
    path.write_text("{")
    listed, verified, asked = senet("list"), senet("verify"), senet("info", "bad")
    assert (listed.returncode, verified.returncode, asked.returncode) == (0, 4, 4)
    for done in (listed, verified, asked):
        assert f"`{path}` is not valid JSON" in done.stderr
        assert "`senet import --remove bad`" in done.stderr
    assert "\nmine\tok\t" in verified.stdout
    assert senet("info", "mine").returncode == 0
    assert senet("info", "seresnet50").stderr == ""
    assert senet("import", "--remove", "bad").returncode == 0
    assert senet("verify").returncode == 0


def test_weights_that_are_gone_are_missing(senet: Senet, world: Path, tmp_path: Path) -> None:
    shutil.copytree(world / "models", tmp_path / "models")
    next((tmp_path / "models" / "mine").glob("*.safetensors")).unlink()
    done = senet("verify")
    assert done.returncode == 4
    assert "mine\tmissing\t\n" in done.stdout
    assert "is missing" in done.stderr


# --- refusals -----------------------------------------------------------------------------------


def test_the_file_of_another_entry(senet: Senet, tmp_path: Path) -> None:
    """It is refused by import, by predict as another architecture, and by download as another model."""
    path = manifest_with(tmp_path / "tiny.json")
    origin = tiny_file(tmp_path / "own.pth", path, CADENE)
    sha256 = hashlib.sha256(origin.read_bytes()).hexdigest()
    legacy = published("https://example.invalid/a.pth", sha256)
    other = published("https://example.invalid/b.pth", "0" * 64, "tiny")
    manifest_with(path, **{"tiny.legacy": legacy, "tiny.other": other})
    option = ("--manifest", path)
    for code, arguments in (
        (2, ("import", origin, "--name", "mine", "--arch", "tiny-caffe")),
        (4, ("predict", PHOTOS[0], "--weights", origin, "--arch", "tiny")),
        (6, ("download", "tiny.other", "--from", origin)),
    ):
        done = senet(*arguments, *option)
        assert (done.returncode, done.stdout) == (code, ""), done.stderr
        assert "is `tiny.legacy`, by its SHA-256" in done.stderr
        assert f"`senet download tiny.legacy --from {origin}`" in done.stderr
    assert senet("download", "tiny.legacy", "--from", origin, *option).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "say what to import"),
        (("own.pth",), 2, "does not say what the model is called"),
        (("--name", "x"), 2, "say what to import"),
        (("nothing.pth", "--name", "x"), 7, "No such file"),
        (("own.pth", "--name", "Ä"), 2, "cannot be a model's name"),
        (("own.pth", "--name", "mine"), 2, "there is a model `mine` already"),
        (("own.pth", "--name", "x", "--arch", "nothing"), 4, "no architecture"),
        (("own.pth", "--name", "x", "--labels", "nothing.txt"), 2, "neither a file nor a label set"),
        (("labels.txt", "--name", "x"), 4, "is not a checkpoint"),
        (("--remove", "x"), 2, "no model `x` was imported"),
        (("--remove", "mine", "--force"), 2, "only removes"),
    ],
)
def test_import_refuses(senet: Senet, world: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = senet("import", *arguments, env=environment(world), cwd=world)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert [path.name for path in (world / "models").glob("*/model.json")] == ["model.json"]


@pytest.mark.slow
def test_two_at_once_make_one_model(tmp_path: Path) -> None:
    weights_file(tmp_path / "own.pth", TIMM)
    started = [
        subprocess.Popen(
            command("import", "own.pth", "--name", "mine", "-q"), cwd=tmp_path, stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=300) for process in started]
    assert sorted(process.returncode for process in started) == [0, 2], ended
    assert len(list((tmp_path / "models" / "mine").iterdir())) == 2


@pytest.mark.skipif(os.name == "nt" or not hasattr(os, "geteuid"), reason="permissions of POSIX")
def test_a_folder_that_cannot_be_written(senet: Senet, world: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    odd = environment(world) | {"SENET_MODELS": str(tmp_path / "file" / "models")}
    done = senet("import", "own.pth", "--name", "x", env=odd, cwd=world)
    assert done.returncode == 7, done.stderr
    assert "SENET_MODELS" in done.stderr
