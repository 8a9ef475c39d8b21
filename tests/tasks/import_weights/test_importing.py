"""Weights of one's own become models: recognised or asked about, checked, never half there."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from senet_cli import load_network
from senet_cli.catalogue.entries import Checkpoint, EntryName, Licence
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.cli.hints import hint
from senet_cli.errors import CheckpointError, DiskError, SenetError, UnknownModelError, UsageError
from senet_cli.events import SILENCE
from senet_cli.graphs.parameters import expected_shapes
from senet_cli.inference.models import FromFile
from senet_cli.inference.resolve import OwnWeights, Resolver
from senet_cli.settings import Settings
from senet_cli.specs import Spec
from senet_cli.tasks.import_weights import remove_model
from senet_cli.tasks.train.folder import RunFolder
from senet_cli.weights.arrays import State
from senet_cli.weights.publishers import LAYOUTS
from senet_cli.weights.publishers.cadene import CADENE
from senet_cli.weights.publishers.leeyeonsu import LEEYEONSU
from senet_cli.weights.publishers.mmpretrain import MMPRETRAIN
from senet_cli.weights.publishers.senet import SENET
from senet_cli.weights.publishers.timm import TIMM
from tests.known import known, network_of
from tests.tasks.import_weights.worlds import (
    KEY,
    files_of,
    imported,
    manifest_with,
    published,
    random_network,
    theirs,
    tiny_file,
    weights_file,
)

BUNDLED = load_manifest()


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return manifest_with(tmp_path / "tiny.json")


# --- recognised ---------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", [SENET, CADENE, TIMM, LEEYEONSU, MMPRETRAIN], ids=lambda each: each.name)
def test_a_file_that_fits_one_architecture_needs_no_more(layout: Any, tmp_path: Path, models: Path) -> None:
    origin = weights_file(tmp_path / "a.pth", layout)
    done = imported(origin)
    assert (done.checkpoint.architecture.key, done.layout) == (KEY, layout.name)
    assert done.folder == models / "mine"
    model = known("mine", None, models)
    checkpoint = model.checkpoint
    assert checkpoint.preprocess == BUNDLED.architecture(KEY).preprocess
    assert model.labels == BUNDLED.labels("cifar-10")
    network = network_of("mine")
    own = load_network(origin, KEY)
    for key, value in own.state_dict().items():
        assert torch.equal(network.state_dict()[key], value), key


def test_all_architectures_are_told_apart_or_asked_about() -> None:
    """Those that share all shapes differ in words; the others have other tensors."""
    from senet_cli.catalogue.traits import differences
    from senet_cli.weights.identify import fitting

    for key, architecture in BUNDLED.architectures.items():
        if architecture.spec.parameters() > 13_000_000 or not hasattr(architecture.spec, "stem"):
            continue
        tensors = empty_tensors(architecture.spec)
        fits = [fit.architecture for fit in fitting(tensors, BUNDLED.architectures.values(), Path("x"))]
        assert key in {fit.key for fit in fits}
        told = differences({fit.key: fit.spec for fit in fits})
        assert len(set(told.values())) == len(fits), told


def empty_tensors(spec: Spec) -> State:
    zero = np.float32(0)
    return {key: np.broadcast_to(zero, shape) for key, shape in expected_shapes(spec).items()}


def test_what_shapes_do_not_tell_is_asked(tmp_path: Path, tiny: Path, models: Path) -> None:
    origin = tiny_file(tmp_path / "a.pth", tiny, TIMM)
    with pytest.raises(UsageError) as caught:
        imported(origin, manifest=tiny)
    assert "fits 2 architectures" in caught.value.message
    assert "\n  tiny: stem pool padded, stride in the 3x3" in caught.value.message
    assert "\n  tiny-caffe: stem pool ceil mode, stride in the 1x1" in caught.value.message
    assert "--arch" in hint(caught.value)
    assert not models.exists()
    for key in ("tiny", "tiny-caffe"):
        done = imported(origin, name=key + ".a", manifest=tiny, architecture=key)
        assert done.checkpoint.architecture.key == key
        assert known(key + ".a", tiny, models).checkpoint.architecture.key == key


def test_the_layout_is_a_hint_not_an_answer(tmp_path: Path) -> None:
    path = tmp_path / "tiny.json"
    manifest_with(path, **{"tiny.cadene": published("https://example.invalid/x.pth", "0" * 64)})
    with pytest.raises(UsageError) as caught:
        imported(tiny_file(tmp_path / "a.pth", path, CADENE), manifest=path)
    line = next(line for line in caught.value.message.splitlines() if "tiny-caffe" in line)
    assert "so `tiny.cadene`, with key names as these" in line
    with pytest.raises(UsageError) as caught:
        imported(tiny_file(tmp_path / "b.pth", path, TIMM), manifest=path)
    assert "tiny.cadene" not in caught.value.message


def test_an_imported_model_does_not_change_what_arch_means(tmp_path: Path, models: Path) -> None:
    imported(weights_file(tmp_path / "a.pth", TIMM, classes=7))
    assert load_manifest(None, models).architecture(KEY) == BUNDLED.architecture(KEY)


# --- refused ------------------------------------------------------------------------------------


def change(path: Path, **changes: Any) -> Path:
    state = torch.load(path, weights_only=True)
    for key, value in changes.items():
        state.pop(key) if value is None else state.update({key: value})
    torch.save(state, path)
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"conv1.weight": torch.ones(16, 1, 3, 3)}, "conv1.weight is 16x1x3x3 instead of 16x3x3x3"),
        ({"layer1.0.conv2.weight": None}, "1 missing: layer1.0.conv2.weight"),
        ({"extra.weight": torch.ones(3)}, "1 not known: extra.weight"),
        ({"fc.weight": None}, "has no classifier"),
        ({"fc.bias": torch.full((10,), torch.nan)}, "infinite or not a number"),
    ],
)
def test_a_file_that_fits_nothing(changes: dict[str, Any], said: str, tmp_path: Path, models: Path) -> None:
    path = change(weights_file(tmp_path / "a.pth", TIMM), **changes)
    with pytest.raises(CheckpointError) as caught:
        imported(path)
    assert said in caught.value.message
    assert f"`{path}`" in caught.value.message
    if said.startswith(("conv1", "1 ")):
        assert f"`{KEY}` is the nearest" in caught.value.message
    assert not models.exists()


def test_a_plain_network_is_named_as_such(tmp_path: Path) -> None:
    spec = BUNDLED.architecture(KEY).spec.without_se()
    torch.save(theirs(random_network(spec), TIMM), tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match="no squeeze-and-excitation weights"):
        imported(tmp_path / "a.pth")


def test_the_architecture_that_is_named_must_fit(tmp_path: Path) -> None:
    path = weights_file(tmp_path / "a.pth", TIMM)
    with pytest.raises(CheckpointError, match="does not fit the architecture"):
        imported(path, architecture="seresnet32-cifar")
    with pytest.raises(UnknownModelError):
        imported(path, architecture="seresnet20")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="No such file"):
        imported(tmp_path / "nothing.pth")
    with pytest.raises(UsageError, match=r"model\.json"):
        imported(tmp_path)


@pytest.mark.parametrize("name", ["", "Mine", "../mine", "a/b", "a.b.c", "con", "x" * 65, "ä"])
def test_names_that_none_can_be(name: str, tmp_path: Path, models: Path) -> None:
    with pytest.raises(UsageError, match="cannot be a model's name"):
        imported(weights_file(tmp_path / "a.pth", TIMM), name=name)
    assert not models.exists()


@pytest.mark.parametrize("name", ["seresnet50", "seresnet50.a2", "se_resnet50"])
def test_names_that_are_taken(name: str, tmp_path: Path, models: Path) -> None:
    path = weights_file(tmp_path / "a.pth", TIMM)
    with pytest.raises(UsageError, match="already"):
        imported(path, name=name)
    imported(path, name=name, force=True)
    assert known(name, None, models).checkpoint.publisher == "imported"
    remove_model(name, Settings.from_environment(), SILENCE)
    assert known(name, None, models).checkpoint.publisher != "imported"


def test_the_name_of_a_label_set_is_taken(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="label set"):
        imported(weights_file(tmp_path / "a.pth", TIMM), name="imagenet-1k")


def test_replacing_leaves_one_model(tmp_path: Path, models: Path) -> None:
    imported(weights_file(tmp_path / "a.pth", TIMM))
    first = files_of(models)
    other = weights_file(tmp_path / "b.pth", TIMM, classes=3)
    with pytest.raises(UsageError, match="already"):
        imported(other)
    assert files_of(models) == first
    imported(other, force=True)
    assert len(files_of(models)) == 2
    assert files_of(models) != first
    assert known("mine", None, models).checkpoint.architecture.spec.classes == 3


# --- published files ----------------------------------------------------------------------------


def test_a_published_file_is_recognised_by_its_digest(tmp_path: Path, models: Path) -> None:
    path = manifest_with(tmp_path / "tiny.json")
    origin = tiny_file(tmp_path / "a.pth", path, CADENE)
    sha256 = hashlib.sha256(origin.read_bytes()).hexdigest()
    manifest_with(path, **{"tiny.cadene": published("https://example.invalid/x.pth", sha256)})
    with pytest.raises(UsageError) as caught:
        imported(origin, manifest=path, architecture="tiny-caffe")
    assert "is `tiny.cadene`, by its SHA-256" in caught.value.message
    assert f"`senet download tiny.cadene --from {origin}`" in hint(caught.value)
    assert not models.exists()
    resolver = Resolver.load(Settings.from_environment(manifest=path))
    with pytest.raises(
        CheckpointError, match=r"is `tiny\.cadene`, by its SHA-256: a `tiny-caffe`, not a `tiny`"
    ):
        resolver.own_weights(OwnWeights(origin, "tiny"))
    assert resolver.own_weights(OwnWeights(origin, "tiny-caffe")).start == FromFile(origin, sha256, None)


# --- preprocessing -----------------------------------------------------------------------------


def test_preprocessing_of_another_model_and_another_size(tmp_path: Path, models: Path) -> None:
    origin = weights_file(tmp_path / "a.pth", TIMM)
    done = imported(origin, preprocess_from="timm/seresnet50.a2_in1k").checkpoint
    assert done.preprocess == BUNDLED.checkpoint("seresnet50.a2").preprocess
    done = imported(origin, name="larger", preprocess_from="se_resnet50", image_size=448).checkpoint
    assert (done.preprocess.resize, done.preprocess.crop) == (512, 448)
    assert known("larger", None, models).checkpoint.preprocess == done.preprocess
    with pytest.raises(UnknownModelError):
        imported(origin, name="other", preprocess_from="nothing")
    with pytest.raises(UsageError, match="image size 5000 is out of range"):
        imported(origin, name="other", image_size=5000)


# --- runs ---------------------------------------------------------------------------------------


def run_of(path: Path, classes: int = 2) -> Path:
    architecture = BUNDLED.architecture(KEY)
    architecture = replace(architecture, spec=architecture.spec.with_classes(classes), labels="run")
    checkpoint = Checkpoint(
        name=EntryName("run"),
        publisher="trained with senet",
        architecture=architecture,
        labels="run",
        preprocess=replace(architecture.preprocess, resize=40),
        files=(),
        metrics=(),
        licence=Licence("your own"),
        sources=("`senet train`",),
    )
    labels = replace(BUNDLED.labels("cifar-10"), name="run", labels=("cat", "dog"), ids=(None, None))
    folder = RunFolder(path)
    folder.prepare()
    folder.save_model(random_network(architecture.spec), checkpoint, labels)
    return path


def test_a_run_keeps_all_that_it_knows(tmp_path: Path, models: Path) -> None:
    run = run_of(tmp_path / "run")
    imported(run)
    model = known("mine", None, models)
    checkpoint = model.checkpoint
    original = known(str(run))
    before = original.checkpoint
    assert checkpoint.preprocess == before.preprocess
    assert checkpoint.architecture.spec == before.architecture.spec
    assert model.labels.labels == original.labels.labels == ("cat", "dog")
    one, other = (network_of(name) for name in (str(run), "mine"))
    assert all(torch.equal(value, other.state_dict()[key]) for key, value in one.state_dict().items())
    with pytest.raises(UsageError, match="the run says"):
        imported(run, name="other", architecture=KEY)


def test_a_run_whose_weights_changed_is_refused(tmp_path: Path, models: Path) -> None:
    run = run_of(tmp_path / "run")
    path = run / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(SenetError) as caught:
        imported(run)
    assert caught.value.exit_code == 6
    assert not models.exists() or not files_of(models)


def test_the_manifest_of_a_model_says_where_it_came_from(tmp_path: Path, models: Path) -> None:
    origin = weights_file(tmp_path / "a.pth", TIMM)
    imported(origin)
    entry = json.loads((models / "mine" / "model.json").read_text())["checkpoints"]["mine"]
    assert hashlib.sha256(origin.read_bytes()).hexdigest() in entry["sources"][0]
    assert set(LAYOUTS) >= {entry["files"][0]["layout"]} == {"senet"}
