"""Which model is meant: every spelling of it, and what belongs to it and to no other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from senet_cli.catalogue.lookup import MODEL_FILE, load_manifest
from senet_cli.catalogue.resolve import Catalogue, ModelRef
from senet_cli.catalogue.write import manifest_of
from senet_cli.cli.hints import hint
from senet_cli.errors import UnknownModelError, UsageError
from senet_cli.settings import BUNDLED_MODEL, Settings
from senet_cli.store.model_folders import HELD_BACK_FILE
from tests.conftest import Senet

MANIFEST = load_manifest()


def model_folder(folder: Path, name: str = "mine") -> Path:
    """The folder of a model, but for its weights."""
    folder.mkdir(parents=True)
    entry = MANIFEST.checkpoint("seresnet50")
    about = manifest_of(entry, None)
    about["checkpoints"] = {name: next(iter(about["checkpoints"].values()))}
    (folder / MODEL_FILE).write_text(json.dumps(about))
    return folder


@pytest.mark.parametrize(
    ("text", "folder_only"),
    [
        ("seresnet50", False),
        ("timm/seresnet50.a2_in1k", False),
        ("runs/pets", False),
        ("./pets", True),
        ("../pets", True),
        ("/runs/pets", True),
        ("pets/", True),
        ("~/pets", True),
    ],
)
def test_a_path_is_told_from_a_name_by_its_ends(text: str, folder_only: bool) -> None:
    assert ModelRef.parse(text) == ModelRef(text, folder_only)


@pytest.mark.parametrize("text", ["", " ", "\t"])
def test_nothing_is_no_model(text: str) -> None:
    with pytest.raises(UsageError, match="is empty"):
        ModelRef.parse(text)


@pytest.mark.parametrize("name", ["seresnet50", "SEResNet50", " seresnet50.a2 ", "timm/seresnet50.a2_in1k"])
def test_every_spelling_of_a_published_name_is_one_model(name: str) -> None:
    model = Catalogue(MANIFEST).resolve(name)
    assert (model.name, model.folder) == ("seresnet50.a2", None)


def test_a_name_comes_before_a_folder_and_a_path_never_means_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model_folder(tmp_path / BUNDLED_MODEL)
    catalogue = Catalogue(MANIFEST)
    bundled = catalogue.resolve(BUNDLED_MODEL)
    assert bundled.name == BUNDLED_MODEL
    assert bundled.folder is not None
    assert tmp_path not in bundled.folder.parents, "a folder of this name lends it nothing"
    for text in (f"./{BUNDLED_MODEL}", f"{BUNDLED_MODEL}/", str(tmp_path / BUNDLED_MODEL)):
        mine = catalogue.resolve(text)
        assert (mine.name, mine.folder) == ("mine", Path(text))
    with pytest.raises(UnknownModelError, match="does not exist"):
        catalogue.resolve("./seresnet50")


def test_what_lies_beside_a_model_belongs_to_that_model(tmp_path: Path) -> None:
    models = tmp_path / "models"
    model_folder(models / "mine")
    (models / "mine" / HELD_BACK_FILE).write_text("{}")
    catalogue = Catalogue(load_manifest(None, models))
    assert catalogue.resolve("MINE").folder == models / "mine"
    assert {model.name: model.folder for model in catalogue.all() if model.folder} == {
        "mine": models / "mine",
        BUNDLED_MODEL: catalogue.resolve(BUNDLED_MODEL).folder,
    }


@pytest.mark.parametrize(
    ("folder", "spelled"),
    [
        ("runs/pets", "runs/pets"),
        ("pets", "pets"),
        ("se_resnet50", "./se_resnet50"),  # Cadene's name for a published model
        ("seresnet50", "./seresnet50"),
        ("SEResNet50", "./SEResNet50"),
        ("./seresnet50", "./seresnet50"),
        ("/seresnet50", "/seresnet50"),
    ],
)
def test_a_folder_is_spelled_so_that_no_name_is_taken_for_it(folder: str, spelled: str) -> None:
    assert Catalogue(MANIFEST).spelling_of(Path(folder)) == spelled


def test_an_imported_model_is_removed_by_any_spelling_of_its_name(senet: Senet, tmp_path: Path) -> None:
    model_folder(tmp_path / "models" / "mine")
    done = senet("import", "--remove", " MINE ", env={"SENET_MODELS": str(tmp_path / "models")})
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "models" / "mine").exists()


def test_a_file_is_not_a_model_and_it_is_said_what_takes_it(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(UnknownModelError, match="is a file, not a model") as caught:
        Catalogue.load(Settings(tmp_path / "cache")).resolve(str(tmp_path / "model.safetensors"))
    assert "--weights FILE" in hint(caught.value)
