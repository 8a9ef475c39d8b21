"""What is written is what was read: the manifest of a run says everything that an entry says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from senet_cli.catalogue.entries import Checkpoint, CheckpointFile, Digest
from senet_cli.catalogue.fields import Fields
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.lookup import load_manifest, parse_manifest
from senet_cli.catalogue.write import manifest_of
from senet_cli.errors import ManifestError, UnknownModelError
from tests.known import known
from tests.sweeps import every

MANIFEST = load_manifest()
SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs" / "weights_manifest.schema.json").read_text())
)
LABELS = LabelSet("mine", ("a", "b"), (None, "n01440764"))


def beside(folder: Path, checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with a file beside its manifest, as a run has it."""
    file = CheckpointFile((), Digest("0" * 64), 7, "safetensors", "senet", folder / "model.safetensors")
    return replace(checkpoint, files=(file,))


@every("checkpoint", MANIFEST.checkpoints.values(), lambda c: c.name)
def test_every_entry_survives_being_written_and_read(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for written in (checkpoint, beside(tmp_path, checkpoint)):
        text = json.dumps(manifest_of(written, None))
        SCHEMA.validate(json.loads(text))
        read = parse_manifest(Fields(json.loads(text), "here"), folder=tmp_path)
        (again,) = read.checkpoints.values()
        assert replace(again, files=(), architecture=written.architecture) == replace(written, files=())
        assert again.architecture.spec == written.architecture.spec
        if written is not checkpoint:
            assert again.files == written.files


def test_label_sets_survive(tmp_path: Path) -> None:
    checkpoint = replace(beside(tmp_path, MANIFEST.checkpoint("seresnet32-cifar10")), labels="mine")
    text = json.dumps(manifest_of(checkpoint, LABELS))
    SCHEMA.validate(json.loads(text))
    assert parse_manifest(Fields(json.loads(text), "here")).labels("mine") == LABELS


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run, as far as its manifest goes."""
    folder = tmp_path / "run"
    folder.mkdir()
    checkpoint = beside(folder, MANIFEST.checkpoint("seresnet32-cifar10"))
    (folder / "model.json").write_text(json.dumps(manifest_of(checkpoint, None)))
    return folder


def test_a_run_is_found_by_its_folder(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = known(str(run))
    checkpoint, manifest = model.checkpoint, model.manifest
    assert checkpoint.files[0].path == run / "model.safetensors"
    assert manifest.checkpoint("seresnet50").name == "seresnet50.a2"
    monkeypatch.chdir(run.parent)
    assert known("run").checkpoint.files[0].path == run / "model.safetensors"
    assert known("./run/").name == checkpoint.name


def test_a_folder_does_not_hide_a_model_of_its_name(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run.rename(run.parent / "seresnet50")
    monkeypatch.chdir(run.parent)
    assert known("seresnet50").name == "seresnet50.a2"
    assert known("./seresnet50").checkpoint.files[0].path == run.parent / "seresnet50" / "model.safetensors"


def test_what_is_neither_a_name_nor_a_run(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="no model"):
        known(str(tmp_path / "nothing"))
    with pytest.raises(UnknownModelError, match="holds no"):
        known(str(tmp_path))


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/etc/passwd", "a/b", "", "con.txt", ".hidden", "a b"]
)
def test_a_file_beside_a_manifest_is_nowhere_else(name: str, run: Path) -> None:
    manifest = json.loads((run / "model.json").read_text())
    (entry,) = manifest["checkpoints"].values()
    entry["files"][0]["path"] = name
    (run / "model.json").write_text(json.dumps(manifest))
    with pytest.raises(ManifestError) as caught:
        known(str(run))
    assert "`path`" in caught.value.message


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"labels": []}, "must hold names"),
        ({"labels": ["a"], "ids": ["1", "2"]}, "as many"),
        ({"labels": ["a"], "ids": [1]}, "texts"),
        ({"labels": [""]}, "texts"),
        ({"labels": ["a"], "colour": "red"}, "unknown field"),
    ],
)
def test_label_sets_that_are_none(labels: object, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        parse_manifest(Fields({"schema": 1, "label_sets": {"mine": labels}}, "here"))
    manifest = {"schema": 1, "label_sets": {"mine": labels}}
    agreed = not SCHEMA.is_valid(manifest)
    assert agreed or reason == "as many"  # a schema cannot count two arrays against each other
