"""The manifest that comes with the package: what it holds, under which names, and whether that is right."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pytest

from senet_cli.catalogue.entries import Checkpoint, CheckpointFile, MemberDigest
from senet_cli.catalogue.labels import load_labels
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.cli.hints import hint
from senet_cli.errors import ModelError, UnknownModelError
from senet_cli.settings import BUNDLED_MODEL
from senet_cli.specs import AverageStemPool, PoollessStem, StemPool
from senet_cli.weights.publishers import LAYOUTS
from tests.sweeps import every

PROJECT = Path(__file__).parent.parent.parent
MANIFEST = load_manifest()
CHECKPOINTS = list(MANIFEST.checkpoints.values())
FILES = [(checkpoint.name, file) for checkpoint in CHECKPOINTS for file in checkpoint.files]

each_checkpoint = every("checkpoint", CHECKPOINTS, lambda c: c.name)
each_file = every("file", [file for _, file in FILES])


# --- names --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("se_resnet50", "seresnet50.cadene"),
        ("cadene/se_resnet50", "seresnet50.cadene"),
        ("cadene/senet154", "senet154.cadene"),
        ("legacy_seresnet50.in1k", "seresnet50.legacy"),
        ("legacy_seresnet50", "seresnet50.legacy"),
        ("timm/legacy_senet154.in1k", "senet154.legacy"),
        ("timm/seresnet50.a2_in1k", "seresnet50.a2"),
        ("seresnet50.a2_in1k", "seresnet50.a2"),
        ("seresnext50_32x4d.racm_in1k", "seresnext50_32x4d.racm"),
        ("timm/seresnext101_64x4d.gluon_in1k", "seresnext101_64x4d.gluon"),
        ("seresnet50_8xb32_in1k", "seresnet50.mmpretrain"),
        ("mmpretrain/seresnet101_8xb32_in1k", "seresnet101.mmpretrain"),
        ("SE_ResNet50", "seresnet50.cadene"),
        ("TIMM/SEResNet50.A2_in1k", "seresnet50.a2"),
        ("SENet154", "senet154.cadene"),
        (" seresnet50 ", "seresnet50.a2"),
        ("seresnet50", "seresnet50.a2"),
        ("seresnet18", "seresnet18.legacy"),
        ("seresnet34", "seresnet34.legacy"),
        ("seresnet101", "seresnet101.cadene"),
        ("seresnet152", "seresnet152.cadene"),
        ("seresnext50", "seresnext50_32x4d.cadene"),
        ("seresnext50_32x4d", "seresnext50_32x4d.cadene"),
        ("seresnext101", "seresnext101_32x4d.cadene"),
        ("seresnext101_32x8d", "seresnext101_32x8d.ah"),
        ("senet154", "senet154.cadene"),
        ("sebninception", "sebninception.caffe"),
        ("caffe/SE-ResNet-50", "seresnet50.caffe"),
        ("hujie-frank/SE-ResNeXt-101", "seresnext101_32x4d.caffe"),
        ("SE-BN-Inception", "sebninception.caffe"),
        ("se-inception", "sebninception.caffe"),
        ("timm/seresnextaa101d_32x8d.sw_in12k", "seresnextaa101d_32x8d-in12k.sw"),
        ("seresnextaa201d_32x8d.sw_in12k", "seresnextaa201d_32x8d-in12k.sw"),
        ("seresnextaa201d_32x8d", "seresnextaa201d_32x8d-in12k.sw"),
        ("seresnet32-cifar10", "seresnet32-cifar10.cutmix"),
    ],
)
def test_published_names_find_their_checkpoint(name: str, target: str) -> None:
    assert MANIFEST.checkpoint(name).name == target


@each_checkpoint
def test_every_name_of_a_checkpoint_finds_it(checkpoint: Checkpoint) -> None:
    for name in (checkpoint.name, *checkpoint.aliases):
        assert MANIFEST.checkpoint(name) is checkpoint
        assert MANIFEST.checkpoint(name.upper()) is checkpoint


def test_every_default_finds_its_checkpoint() -> None:
    for family, target in MANIFEST.defaults.items():
        assert MANIFEST.checkpoint(family).name == target
        assert MANIFEST.family_of(target) in MANIFEST.defaults


def test_every_family_has_a_default_of_its_own() -> None:
    families = {name.partition(".")[0] for name in MANIFEST.checkpoints}
    assert families <= set(MANIFEST.defaults)
    for family in families:
        assert MANIFEST.defaults[family].partition(".")[0] == family


def test_no_two_names_differ_only_in_case_or_are_taken_twice() -> None:
    names = [*MANIFEST.checkpoints, *MANIFEST.defaults]
    names += [alias for checkpoint in CHECKPOINTS for alias in checkpoint.aliases]
    assert len(names) == len({name.lower() for name in names})


def test_the_names_to_choose_from_begin_with_the_families() -> None:
    assert MANIFEST.names() == [*MANIFEST.defaults, *MANIFEST.checkpoints]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("seresnet5", "seresnet50"),
        ("senet-154", "senet154"),
        ("se_resnet_50", "se_resnet50"),
        ("seresnet50.a4", "seresnet50.a2"),
        ("SERESNET-101", "seresnet101"),
        ("timm/seresnet50.a2", "timm/seresnet50.a2_in1k"),
    ],
)
def test_a_name_that_is_almost_right_gets_a_suggestion(typed: str, meant: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        MANIFEST.checkpoint(typed)
    assert typed in caught.value.message
    assert f"`{meant}`" in hint(caught.value)
    assert "senet list" in hint(caught.value)


@pytest.mark.parametrize("typed", ["", "vgg", "資料", "x" * 1000])
def test_a_name_like_no_other_is_told_where_the_list_is(typed: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        MANIFEST.checkpoint(typed)
    assert "Did you mean" not in hint(caught.value)
    assert "senet list" in hint(caught.value)


def test_architecture_keys_are_found_and_suggested() -> None:
    for key, architecture in MANIFEST.architectures.items():
        assert MANIFEST.architecture(key) is architecture
    with pytest.raises(UnknownModelError) as caught:
        MANIFEST.architecture("seresnet50_caffe")
    assert "`seresnet50-caffe`" in hint(caught.value)
    assert "--architectures" in hint(caught.value)


# --- what there is ------------------------------------------------------------------------------


def test_the_page_has_every_checkpoint() -> None:
    """Names that went missing in a change of the manifest still stand in the page that is made from it."""
    page = (PROJECT / "docs" / "checkpoints.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| \[(\S+)\]\(", page, re.MULTILINE) == [*MANIFEST.checkpoints]


def test_the_default_model_is_safe_to_read_and_fully_pinned() -> None:
    first = MANIFEST.checkpoint("seresnet50").files[0]
    assert first.format == "safetensors"
    assert first.digest.full


@every("family", sorted(MANIFEST.defaults))
def test_a_default_has_a_full_digest_where_its_family_has_one(family: str) -> None:
    default = MANIFEST.checkpoint(family)
    family = default.name.partition(".")[0]
    same = [c for c in CHECKPOINTS if c.name.partition(".")[0] == family]
    if any(file.digest.full for sibling in same for file in sibling.files):
        assert default.files[0].digest.full


@each_checkpoint
def test_an_entry_is_complete(checkpoint: Checkpoint) -> None:
    assert checkpoint.publisher
    assert checkpoint.licence.name
    assert checkpoint.sources
    if checkpoint.labels != "imagenet-12k":  # of which no accuracy is published
        assert checkpoint.metric is not None, "no accuracy at the size that is used"
    assert checkpoint.aliases or checkpoint.name == BUNDLED_MODEL
    usual = MANIFEST.architecture(checkpoint.architecture.key)
    classes = checkpoint.architecture.spec.classes
    assert checkpoint.architecture == replace(usual, spec=usual.spec.with_classes(classes))
    assert checkpoint.preprocess.crop <= checkpoint.preprocess.resize


@each_checkpoint
def test_labels_fit_the_classes(checkpoint: Checkpoint) -> None:
    labels = MANIFEST.labels_of(checkpoint)
    assert len(labels) == checkpoint.architecture.spec.classes
    assert len(labels.ids) == len(labels.labels)


@each_file
def test_layouts_are_known(file: CheckpointFile) -> None:
    assert file.layout in LAYOUTS


@each_file
def test_addresses_are_https_and_name_a_file(file: CheckpointFile) -> None:
    assert len(set(file.urls)) == len(file.urls)
    for url in file.urls:
        assert urlsplit(url).scheme == "https"
        suffix = PurePosixPath(urlsplit(url).path).suffix
        assert (
            suffix
            in {
                "safetensors": [".safetensors"],
                "torch": [".pth", ".pt", ".bin", ".pkl"],
                "torch-zip": [".zip"],
                "caffemodel": [".caffemodel"],
            }[file.format]
        )
    assert file.names or file.path


def test_what_comes_with_senet_is_there_and_small() -> None:
    with_files = [c for c in CHECKPOINTS if any(file.path for file in c.files)]
    assert [c.name for c in with_files] == [BUNDLED_MODEL]
    (file,) = with_files[0].files
    assert file.path is not None
    assert not file.urls
    assert file.digest.full
    assert file.path.stat().st_size == file.size
    assert 0 < file.path.stat().st_size <= 4_000_000


@each_file
def test_a_digest_in_the_file_name_is_the_digest(file: CheckpointFile) -> None:
    named = re.findall(r"-([0-9a-f]{8,})\.", " ".join(file.names))
    assert all(file.digest.value.startswith(digits) for digits in named)
    if isinstance(file.digest, MemberDigest):
        assert file.names == (f"{file.digest.member}.zip",)
        assert named
    else:
        assert file.digest.full or set(named) == {file.digest.value}


@every("name", sorted(MANIFEST.architectures))
def test_the_labels_of_an_architecture_exist(name: str) -> None:
    architecture = MANIFEST.architecture(name)
    assert len(MANIFEST.labels_of(architecture)) == architecture.spec.classes


def test_stride_and_pool_follow_the_publisher() -> None:
    """Same tensor shapes, other networks: the authors' and Cadene's are Caffe's, the others' are not."""
    for checkpoint in CHECKPOINTS:
        spec, caffe = checkpoint.architecture.spec, checkpoint.name.endswith((".caffe", ".cadene", ".legacy"))
        if checkpoint.preprocess.crop < 64:
            assert spec.pool is None
        elif isinstance(spec.pool, StemPool):
            assert spec.pool == StemPool(padding=0 if caffe else 1, ceil_mode=caffe)
            assert checkpoint.architecture.key.endswith("-caffe") == caffe
        else:
            assert isinstance(spec.stem, PoollessStem) or isinstance(spec.pool, AverageStemPool)


# --- labels -------------------------------------------------------------------------------------


def test_imagenet_labels_are_in_the_order_of_sorted_synsets() -> None:
    labels = load_labels("imagenet-1k")
    ids = [str(identifier) for identifier in labels.ids]
    assert len(labels) == len(set(labels.labels)) == len(set(ids)) == 1000
    assert ids == sorted(ids)
    assert all(re.fullmatch(r"n\d{8}", identifier) for identifier in ids)
    assert (ids[0], ids[11], labels.labels[11]) == ("n01440764", "n01531178", "goldfinch")
    assert all(label == label.strip() != "" for label in labels.labels)


def test_cifar_labels_are_in_the_order_of_the_dataset() -> None:
    labels = load_labels("cifar-10")
    assert labels.labels == (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    )


def test_labels_that_are_not_there_are_named() -> None:
    with pytest.raises(ModelError, match="imagenet-22k"):
        load_labels("imagenet-22k")


def test_imagenet_ids_agree_with_the_class_index_of_keras(data: Path) -> None:
    index = json.loads((data / "metadata/imagenet_class_index.json").read_text())
    assert load_labels("imagenet-1k").ids == tuple(index[str(number)][0] for number in range(1000))
