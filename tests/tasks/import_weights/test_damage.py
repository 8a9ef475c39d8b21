"""Imports that are killed, short of room or changed behind our back: never half there, never mistaken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.cli.hints import hint
from senet_cli.errors import DiskError, SenetError, UsageError
from senet_cli.settings import Settings
from senet_cli.store import model_folders as store
from senet_cli.store.files import write_atomically
from senet_cli.tasks.import_weights import remove_model
from senet_cli.weights.publishers.timm import TIMM
from tests.known import known, runnable
from tests.tasks.import_weights.worlds import files_of, imported, weights_file

# --- never half there ---------------------------------------------------------------------------

KILLED = """
import os, sys
from senet_cli.store import model_folders
write, left = model_folders.write_atomically, [int(sys.argv[1])]
def stopping(*arguments, **options):
    if not left[0]:
        os._exit(9)
    left[0] -= 1
    write(*arguments, **options)
model_folders.write_atomically = stopping
from senet_cli.tasks.import_weights import ImportRequest, import_model
from senet_cli.settings import Settings
from senet_cli.events import SILENCE
from pathlib import Path
import_model(ImportRequest(Path(sys.argv[2]), "mine", force=True), Settings.from_environment(), SILENCE)
"""


def test_a_failed_import_over_a_damaged_model_takes_nothing_away(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who wants to mend its manifest by hand still has the weights."""
    imported(weights_file(tmp_path / "a.pth", TIMM))
    (models / "mine" / "model.json").write_text("{")
    before = files_of(models)
    other = weights_file(tmp_path / "b.pth", TIMM, classes=3)
    monkeypatch.setattr(store, "as_json", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        imported(other, force=True)
    assert files_of(models) == before


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("before", [False, True], ids=["new", "replaced"])
def test_a_killed_import_changes_nothing(steps: int, before: bool, tmp_path: Path, models: Path) -> None:
    if before:
        imported(weights_file(tmp_path / "a.pth", TIMM, classes=2))
    other = weights_file(tmp_path / "b.pth", TIMM, classes=3)
    done = subprocess.run([sys.executable, "-c", KILLED, str(steps), str(other)], check=False, timeout=300)
    assert done.returncode == 9
    manifest = load_manifest(None, models)
    assert manifest.knows("mine") is before
    assert not manifest.damaged
    if before:
        assert runnable("mine").architecture.spec.classes == 2
    imported(other, force=True)
    assert len(files_of(models)) == 2, "what the killed one left is cleared away"
    assert runnable("mine").architecture.spec.classes == 3


def test_a_full_disk_leaves_nothing(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = weights_file(tmp_path / "a.pth", TIMM)
    write = write_atomically

    def full(target: Path, data: bytes, **options: Any) -> None:
        if target.name == "model.json":
            raise OSError(28, "No space left on device")
        write(target, data, **options)

    monkeypatch.setattr(store, "write_atomically", full)
    with pytest.raises(DiskError, match="No space left"):
        imported(origin)
    assert list(models.iterdir()) == []


# --- damaged ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"schema": 2}', '{"schema": 1}', '{"schema": 1, "checkpoints": {"other": {}}}', b"\xff"],
)
def test_a_damaged_model_stands_for_itself_only(content: str | bytes, tmp_path: Path, models: Path) -> None:
    origin = weights_file(tmp_path / "a.pth", TIMM)
    imported(origin)
    imported(origin, name="good")
    path = models / "mine" / "model.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert known("seresnet50", None, models).name == "seresnet50.a2"
    assert known("good", None, models).name == "good"
    with pytest.raises(SenetError) as caught:
        known("mine", None, models)
    assert caught.value.exit_code == 4
    assert str(path) in caught.value.message
    assert "senet import --remove mine" in hint(caught.value)
    with pytest.raises(UsageError, match="already"):
        imported(origin)
    imported(origin, force=True)
    assert known("mine", None, models).name == "mine"


def test_a_damaged_model_never_becomes_the_published_one(tmp_path: Path, models: Path) -> None:
    imported(weights_file(tmp_path / "a.pth", TIMM), name="seresnet50", force=True)
    (models / "seresnet50" / "model.json").write_text("{")
    with pytest.raises(SenetError, match="not valid JSON"):
        known("seresnet50", None, models)


def test_changed_weights_are_found_out(tmp_path: Path, models: Path) -> None:
    imported(weights_file(tmp_path / "a.pth", TIMM))
    (path,) = (models / "mine").glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(SenetError) as caught:
        runnable("mine")
    assert caught.value.exit_code == 6


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_planted_pipe_does_not_hang(models: Path) -> None:
    (models / "mine").mkdir(parents=True)
    os.mkfifo(models / "mine" / "model.json")
    assert load_manifest(None, models).checkpoint("seresnet50").name == "seresnet50.a2"
    remove_model("mine", Settings.from_environment(), lambda _: None)
    assert not (models / "mine").exists()


def test_removing_takes_the_damaged_and_leaves_what_is_not_ours(tmp_path: Path, models: Path) -> None:
    settings = Settings.from_environment()
    for content in (None, "{"):
        imported(weights_file(tmp_path / "a.pth", TIMM))
        if content:
            (models / "mine" / "model.json").write_text(content)
        assert remove_model("mine", settings, lambda _: None) > 1_000_000
        assert not (models / "mine").exists()
    imported(weights_file(tmp_path / "a.pth", TIMM))
    (models / "mine" / "notes.txt").write_text("mine")
    remove_model("mine", settings, lambda _: None)
    assert files_of(models) == {"mine/notes.txt"}
    for name in ("mine", "seresnet50", "../mine", ""):
        with pytest.raises(UsageError, match="was imported"):
            remove_model(name, settings, lambda _: None)
