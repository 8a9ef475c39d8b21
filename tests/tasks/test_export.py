"""What `senet export` writes is what the publishers' own software reads, to the same logits."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from senet_cli import load_network
from senet_cli.catalogue.labels import is_packaged
from senet_cli.catalogue.lookup import load_manifest, name_elsewhere
from senet_cli.catalogue.parse import is_name
from senet_cli.catalogue.resolve import ModelRef
from senet_cli.errors import SenetError, UsageError
from senet_cli.events import SILENCE
from senet_cli.nets.network import SENetwork, build_network, state_of
from senet_cli.settings import BUNDLED_MODEL, Settings
from senet_cli.specs import ArchSpec, Bottleneck, DeepStem, Shortcut, SqueezeExcite
from senet_cli.tasks.export import ExportRequest, Written, export
from senet_cli.weights.publishers import LAYOUTS, WRITABLE, style_of
from senet_cli.weights.publishers.base import Container
from senet_cli.weights.publishers.leeyeonsu import LEEYEONSU
from senet_cli.weights.publishers.mmpretrain import MMPRETRAIN
from senet_cli.weights.read import read_tensors
from senet_cli.weights.write import checkpoint_bytes, published_tensors
from tests.conftest import Senet
from tests.known import network_of
from tests.oracles.nets import (
    Judge,
    assert_same,
    eight_images,
    logits_of,
    normalised,
    one_thread,
    random_state,
    settled,
    two_images,
    with_state,
)
from tests.tasks.import_weights.worlds import KEY, imported, manifest_with, tiny_file, weights_file

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


def written(
    name: str, layout: str, output: Path, container: Container = "safetensors", **options: Any
) -> Written:
    request = ExportRequest(
        model=ModelRef.parse(name),
        container=container,
        layout=layout,
        output=output,
        force=options.get("force", False),
    )
    return export(request, Settings.from_environment(manifest=options.get("manifest")), SILENCE)


@pytest.mark.parametrize(
    ("judge", "key", "layout", "container", "size", "said"),
    [
        (Judge("timm", "seresnet18"), "seresnet18-timm", "timm", "safetensors", 97, ""),
        (Judge("timm", "legacy_seresnet18"), "seresnet18-caffe", "cadene", "torch", 97, "timm"),
        pytest.param(
            *(Judge("pretrainedmodels", "se_resnet50"), "seresnet50-caffe", "cadene"),
            *("safetensors", 224, "pretrainedmodels timm"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *(Judge("timm", "seresnext26d_32x4d"), "seresnext26d_32x4d", "timm", "safetensors", 97, "timm"),
            marks=pytest.mark.slow,
        ),
        pytest.param(
            *(Judge("pytorchcv", "seresnet10"), "seresnet10", "pytorchcv", "torch", 224, "pytorchcv"),
            marks=pytest.mark.slow,
        ),
        (
            Judge("pytorchcv", "sepreresnet20_cifar10"),
            "sepreresnet20-cifar",
            "pytorchcv",
            "safetensors",
            32,
            "pytorchcv",
        ),
        pytest.param(
            *(Judge("pytorchcv", "senet16"), "senet16", "pytorchcv", "torch", 224, "pytorchcv"),
            marks=pytest.mark.slow,
        ),
    ],
    ids=str,
)
def test_the_publishers_software_loads_it_and_answers_the_same(
    judge: Judge, key: str, layout: str, container: Container, size: int, said: str, tmp_path: Path
) -> None:
    """There and back: their random weights, imported, converted, loaded by their own code, strictly.

    `said` are the packages that the command names; it says nothing where a name would not be true.
    """
    network = judge.build()
    inputs = normalised(eight_images(size), MEAN, STD)
    state = settled(network, random_state(network), inputs)
    origin = tmp_path / "theirs.pth"
    torch.save(state, origin)
    imported(origin, architecture=key)
    output = tmp_path / f"back.{'pth' if container == 'torch' else container}"
    done = written("mine", layout, output, container)
    calls = list(filter(None, done.load.split(" or ")))
    assert sorted(call.partition(".")[0] for call in calls) == said.split()
    with torch.inference_mode():
        images = normalised(two_images(size), MEAN, STD)
        expected = logits_of(with_state(judge.build(), state), images)
        answers = [logits_of(network, images) for network in networks(done, judge)]
    assert answers
    for answer in answers:
        assert_same(answer, expected, 1e-5)


def networks(done: Written, judge: Judge) -> Iterator[nn.Module]:
    """The judge's network with the file, by what the command said, or else by hand."""
    import pytorchcv.model_provider
    import safetensors.torch
    import timm

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        import pretrainedmodels

    packages = (timm, pretrainedmodels, pytorchcv, torch, safetensors)
    names = {package.__name__: package for package in packages}
    for call in filter(None, done.load.split(" or ")):
        network_of, _, load = call.partition(".load_state_dict")
        network = eval(network_of, names)
        if load:
            network.load_state_dict(eval(load[1:-1], names), strict=True)
        yield network.eval()
    if not done.load:
        network = timm.create_model(judge.builder, checkpoint_path=str(done.path))
        yield network.eval()


def test_it_says_what_loads_it_only_where_that_is_true(tmp_path: Path) -> None:
    imported(weights_file(tmp_path / "a.pth", LAYOUTS["timm"], "seresnet18", 5), architecture="seresnet18")
    plain = written("mine", "timm", tmp_path / "plain.safetensors")
    assert (plain.load, plain.caution) == ("", "")
    other = written("mine", "cadene", tmp_path / "other.safetensors")
    assert other.load == ""
    assert "`legacy_seresnet18` of timm takes this file without an error" in other.caution
    assert "it has stem pool ceil mode, basic blocks with a ReLU before SE" in other.caution
    imported(tmp_path / "a.pth", name="legacy", architecture="seresnet18-caffe")
    legacy = written("legacy", "cadene", tmp_path / "legacy.pth", "torch")
    assert legacy.load == (
        f'timm.create_model("legacy_seresnet18", num_classes=5, checkpoint_path="{legacy.path}")'
    )


@pytest.mark.parametrize("container", ["safetensors", "torch"])
@pytest.mark.parametrize("layout", WRITABLE)
def test_every_layout_reads_back_the_same(layout: str, container: Container, tmp_path: Path) -> None:
    imported(weights_file(tmp_path / "a.pth", LAYOUTS["timm"]))
    done = written("mine", layout, tmp_path / "b", container)
    data = done.path.read_bytes()
    assert (done.size, done.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert not list(tmp_path.glob(".new-*"))
    mine = network_of("mine").state_dict()
    back = load_network(done.path, KEY).state_dict()
    assert all(torch.equal(value, back[key]) for key, value in mine.items())
    tensors, style = read_tensors(done.path), style_of(LAYOUTS[layout])
    assert any(key.endswith("num_batches_tracked") for key in tensors) is style.counters
    gate = tensors[LAYOUTS[layout].key("stage1.0.se.reduce.weight")]
    assert gate.ndim == (4 if style.convolutional_se else 2)
    if layout == "senet":
        assert done.load == f"senet predict --weights {done.path} --arch {KEY}"


def test_mmpretrain_has_its_wrapper(tmp_path: Path) -> None:
    imported(weights_file(tmp_path / "a.pth", LAYOUTS["timm"]))
    done = written("mine", "mmpretrain", tmp_path / "b.pth", "torch")
    data = torch.load(done.path, weights_only=True)
    assert set(data) == {"meta", "state_dict"}
    assert "backbone.layer1.0.se_layer.conv1.conv.weight" in data["state_dict"]


def test_the_real_files_have_this_style(data: Path) -> None:
    file = torch.load(
        data / "checkpoints" / "seresnet32_cifar10_cutmix.pt", map_location="cpu", weights_only=True
    )
    network = SENetwork(load_manifest().architecture("seresnet32-cifar-leeyeonsu").spec)
    ours = published_tensors(state_of(network), LEEYEONSU, style_of(LEEYEONSU))
    assert {key: value.shape for key, value in file["state_dict"].items()} == {
        key: value.shape for key, value in ours.items()
    }


DEEP = ArchSpec(
    stem=DeepStem((4, 4, 8)),
    pool=None,
    block=Bottleneck(),
    shortcut=Shortcut(),
    se=SqueezeExcite(reduction=4),
    depths=(1,),
    widths=(8,),
    classes=5,
)


@pytest.mark.parametrize("layout", [MMPRETRAIN, LEEYEONSU], ids=lambda layout: layout.name)
def test_a_part_without_a_name_is_refused(layout: Any) -> None:
    with pytest.raises(UsageError, match=r"has no name for `stem\.conv1`"):
        checkpoint_bytes(state_of(build_network(DEEP)), layout, "torch")


@pytest.mark.parametrize("layout", ["caffe", "caffe-inception", "keras"])
def test_a_layout_that_cannot_be_written_is_refused(layout: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"no file can be written in a layout `{layout}`") as caught:
        written("mine", layout, tmp_path / "c.pth")
    assert caught.value.hint == f"Layouts: {', '.join(WRITABLE)}."
    assert layout not in WRITABLE


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    imported(weights_file(tmp_path / "a.pth", LAYOUTS["timm"]))
    path = tmp_path / "b.safetensors"
    path.write_text("precious")
    with pytest.raises(UsageError, match="there already"):
        written("mine", "timm", path)
    assert path.read_text() == "precious"
    assert written("mine", "timm", path, force=True).size == path.stat().st_size > 1_000_000
    for odd, said in ((tmp_path, "is a folder"), (tmp_path / "no" / "b.pth", "there is no folder")):
        with pytest.raises(UsageError, match=said):
            written("mine", "timm", odd, force=True)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(weights_file(tmp_path / "a.pth", LAYOUTS["timm"]))
    path = tmp_path / "b.safetensors"
    path.write_text("precious")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SenetError) as caught:
        written("mine", "timm", path, force=True)
    assert caught.value.exit_code == 7
    assert path.read_text() == "precious"
    assert not list(tmp_path.glob("b.*.partial"))


def test_what_replaces_a_file_has_its_mode_and_never_replaces_an_image(tmp_path: Path) -> None:
    imported(weights_file(tmp_path / "a.pth", LAYOUTS["timm"]))
    path = tmp_path / "b.safetensors"
    path.write_text("older")
    path.chmod(0o640)
    written("mine", "timm", path, force=True)
    assert path.stat().st_mode & 0o777 == 0o640
    path.write_bytes(b"\xff\xd8\xff\xe0 a photograph")
    with pytest.raises(UsageError, match="is an image"):
        written("mine", "timm", path, force=True)


def test_networks_that_no_package_builds_get_no_word_of_how_to_load_them(tmp_path: Path) -> None:
    manifest = manifest_with(tmp_path / "tiny.json")
    origin = tiny_file(tmp_path / "a.pth", manifest, LAYOUTS["timm"])
    imported(origin, manifest=manifest, architecture="tiny")
    done = written("mine", "timm", tmp_path / "b.pth", "torch", manifest=manifest)
    assert (done.load, done.caution) == ("", "")
    assert re.fullmatch("[0-9a-f]{64}", done.sha256)


def test_what_is_printed_imports_a_model_whose_name_everybody_has(senet: Senet, tmp_path: Path) -> None:
    done = senet("export", BUNDLED_MODEL, "--to", "zip", "-o", "b.zip")
    assert done.returncode == 0, done.stderr
    command = done.stdout.rstrip("\n").split("\t")[-1]
    assert command == f"senet import b.zip --name {BUNDLED_MODEL}-copy"
    done = senet(*shlex.split(command)[1:], env={"SENET_MODELS": str(tmp_path / "there")})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there" / f"{BUNDLED_MODEL}-copy" / "model.json").is_file()


def test_names_elsewhere() -> None:
    manifest = load_manifest()
    names = ["pets", *manifest.checkpoints, *manifest.defaults, "imagenet"]
    there = {name: name_elsewhere(name) for name in names}
    assert there.pop("pets") == "pets"
    taken = [name for name, other in there.items() if manifest.knows(other) or not is_name(other)]
    assert taken == []
    assert not is_packaged(there["imagenet"])
