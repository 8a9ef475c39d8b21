"""What `list` and `info` print, of the bundled models and of those in a manifest of one's own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.settings import BUNDLED_MODEL
from tests.cli.commands import CUTMIX, manifest_with
from tests.conftest import Senet

# --- list ---------------------------------------------------------------------------------------


def test_the_list_off_a_terminal_is_tab_separated_with_a_header(senet: Senet) -> None:
    done = senet("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == senet("list", "--format", "tsv").stdout
    rows = list(csv.DictReader(done.stdout.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [row["name"] for row in rows] == list(load_manifest().checkpoints)
    a2 = next(row for row in rows if row["name"] == "seresnet50.a2")
    assert a2 == {
        "name": "seresnet50.a2",
        "default": "seresnet50",
        "publisher": "timm",
        "architecture": "seresnet50",
        "labels": "imagenet-1k",
        "classes": "1000",
        "top1": "80.102",
        "top5": "94.72",
        "size": "224",
        "dataset": "imagenet-1k",
        "source": "timm results/results-imagenet.csv",
        "test_size": "288",
        "test_top1": "81.094",
        "test_top5": "95.23",
        "parameters": "28088024",
        "multiply_adds": a2["multiply_adds"],
        "bytes": "",
        "digest": "full",
        "licence": "Apache-2.0",
        "cached": "no",
        "aliases": "seresnet50.a2_in1k, timm/seresnet50.a2_in1k",
        "own_top1": "",
        "own_images": "",
    }
    assert float(a2["multiply_adds"]) == pytest.approx(4.11e9, abs=3e7)  # timm's benchmark tables say 4.11
    assert senet("list", "--format", "csv").stdout.splitlines()[0] == ",".join(a2)


def test_the_list_as_json(senet: Senet) -> None:
    done = senet("list", "--format", "json")
    facts = json.loads(done.stdout)
    assert done.returncode == 0
    assert [fact["name"] for fact in facts] == list(load_manifest().checkpoints)
    for fact in facts:
        assert isinstance(fact["top1"], float) or fact["labels"] == "imagenet-12k"
        assert isinstance(fact["cached"], bool)
        assert fact["digest"] in ("full", "prefix", "member")
    cadene = next(fact for fact in facts if fact["name"] == "seresnet101.cadene")
    assert (cadene["bytes"], cadene["parameters"], cadene["default"]) == (
        *(197_822_624, 49_326_872),
        "seresnet101",
    )


def test_the_list_as_a_table_is_aligned_and_fits_a_terminal(senet: Senet) -> None:
    lines = senet("list", "*", "--format", "table").stdout.splitlines()
    heads = [line for line in lines if line.startswith("name ")]
    assert {*heads} == {heads[0]}
    head = heads[0]
    rows = [line for line in lines if line and line != head and not line.endswith(" models")]
    sets = list(dict.fromkeys(entry.labels for entry in load_manifest().checkpoints.values()))
    names = [
        name
        for labels in sets
        for name, entry in load_manifest().checkpoints.items()
        if entry.labels == labels
    ]
    numbers = [row for row in rows if row not in names]  # a name too long for its column has its own line
    assert len(numbers) == len(names)
    assert head.split() == ["name", "*", "top-1", "size", "params", "MACs", "MB", "here", "labels"]
    assert all(len(line) <= 80 for line in lines)
    right = head.index("size") + len("size")
    assert all(row[right - 1].isdigit() and row[right] == " " for row in numbers)
    star = head.index("*")
    assert all(row[star] in "* " for row in numbers)
    starred = {name for name, row in zip(names, numbers, strict=True) if row[star] == "*"}
    assert starred == set(load_manifest().defaults.values())


@pytest.mark.parametrize("style", ["table", "tsv", "json"])
def test_the_list_of_architectures(senet: Senet, style: str) -> None:
    done = senet("list", "--architectures", "--format", style)
    assert (done.returncode, done.stderr) == (0, "")
    for key in load_manifest().architectures:
        assert key in done.stdout
    if style == "json":
        facts = {fact["key"]: fact for fact in json.loads(done.stdout)}
        assert facts["seresnet50"]["params_M"] == facts["seresnet50-caffe"]["params_M"] == 28.09
        assert "stride in the 1x1" in facts["seresnet50-caffe"]["structure"]
        assert "stride in the 3x3" in facts["seresnet50"]["structure"]


def test_the_list_tells_what_is_there(senet: Senet, tmp_path: Path) -> None:
    (tmp_path / "cache" / "checkpoints").mkdir(parents=True)
    (tmp_path / "cache" / "checkpoints" / f"{CUTMIX}.pth").write_bytes(b"")
    facts = json.loads(senet("list", "--format", "json").stdout)
    assert [fact["name"] for fact in facts if fact["cached"]] == ["seresnet32-cifar10.cutmix", BUNDLED_MODEL]


# --- info ---------------------------------------------------------------------------------------


def test_info_in_words(senet: Senet) -> None:
    done = senet("info", "se_resnet50")
    assert (done.returncode, done.stderr) == (0, "")
    for fact in (
        "seresnet50.cadene",
        "Cadene",
        "seresnet50-caffe",
        "stride in the 1x1",
        "ceil mode",
        "28.1 M parameters, 3.86 G multiply-adds",
        "imagenet-1k (1000 classes)",
        "shorter edge to 256 (bilinear), centre crop 224",
        "77.636",
        "93.752",
        "ce0d430017d3f4aa6b5658c72209f3bfffb060207fd26a2ef0b203ce592eba01",
        "112.6 MB",
        "bytes verified by us  no",
        "https://data.lip6.fr/cadene/pretrainedmodels/se_resnet50-ce0d4300.pth",
        "cadene/se_resnet50",
    ):
        assert fact in done.stdout


def test_info_as_json(senet: Senet) -> None:
    facts = json.loads(senet("info", "seresnet50", "--format", "json").stdout)
    assert facts["name"] == "seresnet50.a2"
    assert facts["default_for"] == "seresnet50"
    assert facts["parameters"] == 28_088_024
    assert (facts["cached"], facts["path"]) == (False, None)
    assert "seresnet50.cadene" in facts["other_recipes"]
    assert "seresnet50.a2" not in facts["other_recipes"]
    assert (facts["preprocess"]["resize"], facts["test_preprocess"]["resize"]) == (235, 288)
    assert [row["recipe"] for row in facts["accuracy"]] == ["test", "default"]
    assert [file["format"] for file in facts["file"]] == ["safetensors", "torch"]
    assert facts["file"][1]["digest"] == "850de0d9... (published prefix)"
    assert [(row["top1"], row["size"]) for row in facts["accuracy"]] == [(81.094, 288), (80.102, 224)]


def test_info_of_an_unknown_model_suggests_one(senet: Senet) -> None:
    done = senet("info", "seresnet5O")
    assert (done.returncode, done.stdout) == (4, "")
    assert "there is no model `seresnet5O`" in done.stderr
    assert "Did you mean `seresnet50`" in done.stderr


# --- manifests of one's own ---------------------------------------------------------------------


@pytest.mark.parametrize("how", ["option", "environment"])
def test_models_of_ones_own_are_listed(senet: Senet, tmp_path: Path, how: str) -> None:
    path = manifest_with(tmp_path / "own.json")
    option = ("--manifest", path) if how == "option" else ()
    environment = {} if how == "option" else {"SENET_MANIFEST": str(path)}
    assert senet("list", *option, env=environment).stdout.splitlines()[-1].startswith("mine\t")
    assert "someone" in senet("info", "mine", *option, env=environment).stdout
    plan = senet("download", "mine", "--dry-run", *option, env=environment)
    assert plan.stdout == "mine\tdownload\t\thttps://example.invalid/x.pth\n"


def test_a_tab_in_a_manifest_does_not_shift_columns(senet: Senet, tmp_path: Path) -> None:
    path = manifest_with(tmp_path / "own.json", licence={"name": "MIT\tor\nelse"})
    rows = senet("list", "--manifest", path).stdout.splitlines()
    assert len(rows) == len(load_manifest().checkpoints) + 2
    assert {row.count("\t") for row in rows} == {22}


def test_a_manifest_cannot_command_the_terminal(senet: Senet, tmp_path: Path) -> None:
    path = manifest_with(tmp_path / "own.json", publisher="\x1b[2J\x1b]0;x\x07")
    done = senet("info", "mine", "--manifest", path)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


@pytest.mark.parametrize("style", ["text", "json"])
def test_half_a_character_in_a_manifest_is_not_our_bug(senet: Senet, tmp_path: Path, style: str) -> None:
    path = manifest_with(tmp_path / "own.json", publisher="\ud800")
    done = senet("info", "mine", "--manifest", path, "--format", style)
    assert done.returncode in (0, 4), done.stderr
