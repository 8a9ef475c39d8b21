"""The bundled manifest against the catalogue that was gathered from the publishers' own files."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from senet_cli.catalogue.entries import Checkpoint
from senet_cli.catalogue.lookup import load_manifest
from tests.sweeps import every

PROJECT = Path(__file__).parent.parent.parent
CHECKPOINTS = list(load_manifest().checkpoints.values())
PublishedOf = Callable[[Checkpoint], dict[str, Any]]

each_published = every(
    "checkpoint",
    [c for c in CHECKPOINTS if not c.name.startswith("seresnet32-cifar10.")],
    lambda c: c.name,
)


@pytest.fixture(scope="module")
def catalogue() -> dict[str, dict[str, Any]]:
    """Entries by name."""
    folder = os.environ.get("SENET_TEST_DATA")
    if not folder:
        pytest.skip("SENET_TEST_DATA is not set: no catalogue to compare with")
    path = Path(folder).parent / "weights" / "catalogue.json"
    if not path.exists():
        pytest.skip("there is no catalogue beside SENET_TEST_DATA")
    entries = json.loads(path.read_text())
    return {entry["name"].replace("official-caffe/", "caffe/"): entry for entry in entries}


@pytest.fixture(scope="module")
def published_of(catalogue: dict[str, dict[str, Any]]) -> PublishedOf:
    """The catalogue's entry of a checkpoint, found by one of its aliases."""
    lower = {name.lower(): entry for name, entry in catalogue.items()}

    def find(checkpoint: Checkpoint) -> dict[str, Any]:
        found = [lower[alias] for alias in checkpoint.aliases if alias in lower]
        if not found:  # a misspelt alias is found below: the catalogue's entry would then be left out
            pytest.skip("added since the catalogue was made")
        assert len(found) == 1
        return found[0]

    return find


def moved(url: str) -> str:
    """The address as it is today: one repository has another owner, one host speaks https."""
    url = url.replace("/rwightman/pytorch-image-models/", "/huggingface/pytorch-image-models/")
    return re.sub("^http:", "https:", url)


@each_published
def test_addresses_are_published(checkpoint: Checkpoint, published_of: PublishedOf) -> None:
    published = published_of(checkpoint)
    mirrors = [mirror["url"] for mirror in published["mirrors"] or []]
    known = {moved(url) for url in (*published["urls"], *mirrors)}
    assert {url for file in checkpoint.files for url in file.urls} <= known


@each_published
def test_digests_and_sizes_are_published(checkpoint: Checkpoint, published_of: PublishedOf) -> None:
    published = published_of(checkpoint)
    hub = (published["hf_hub"] or {}).get("file_digests", {})
    for file in checkpoint.files:
        (name,) = {*file.names} & {published["filename"], *hub} or {""}
        if name in hub:
            assert file.digest.value == hub[name]["sha256"]
            assert file.size is None
        else:
            known = published["sha1"] or published["sha256"] or published["hash_in_name"]
            assert file.digest.value == known
            assert file.size == published["size_bytes"]


@each_published
def test_a_full_digest_is_used_where_one_is_known(checkpoint: Checkpoint, published_of: PublishedOf) -> None:
    published = published_of(checkpoint)
    hub = (published["hf_hub"] or {}).get("file_digests", {})
    full = {digest["sha256"] for digest in hub.values()} | {published["sha256"]} - {None}
    assert {file.digest.value for file in checkpoint.files if file.digest.full} == full


@each_published
def test_parameters_are_as_many_as_published(checkpoint: Checkpoint, published_of: PublishedOf) -> None:
    published = published_of(checkpoint)
    if checkpoint.name.endswith((".caffe", ".tf", ".ibn-a")):  # their publishers do not count
        assert published["params"] is None
    else:
        assert checkpoint.architecture.spec.parameters() == published["params"]
    assert checkpoint.architecture.spec.classes == published["num_classes"]


@each_published
def test_preprocessing_is_as_published(checkpoint: Checkpoint, published_of: PublishedOf) -> None:
    published = published_of(checkpoint)
    theirs, ours = published["preprocessing"], checkpoint.preprocess
    if theirs is None:
        pytest.skip("its publisher says nothing of the preprocessing; the usual one for ImageNet is assumed")
    scale = theirs["input_range"][1]
    assert theirs["input_size"] == [3, ours.crop, ours.crop]
    assert (theirs["resize"] or ours.crop) == ours.resize
    assert theirs.get("interpolation", "bilinear").split(maxsplit=1)[0] == ours.interpolation
    mean = theirs["mean"] if theirs.get("colour_order") != "BGR" else theirs["mean"][::-1]
    assert [value / scale for value in mean] == pytest.approx(list(ours.mean), rel=1e-12)
    assert [value / scale for value in theirs["std"] or (1, 1, 1)] == pytest.approx(list(ours.std), rel=1e-12)


@each_published
def test_accuracies_are_as_published(checkpoint: Checkpoint, published_of: PublishedOf) -> None:
    """Where the catalogue knows sizes, the numbers with one; its others repeat them without."""
    published = published_of(checkpoint)
    rows = published["accuracy"] or []
    sized = [row for row in rows if "img_size" in row]
    sourced = [row for row in rows if "top5" in row or "source" in row]
    crop = checkpoint.preprocess.crop
    theirs = {(row["top1"], row.get("top5"), row.get("img_size", crop)) for row in sized or sourced}
    ours = [(metric.top1, metric.top5, metric.size) for metric in checkpoint.metrics]
    assert len(ours) == len(set(ours))
    assert set(ours) == theirs
    assert {metric.dataset for metric in checkpoint.metrics} <= {checkpoint.labels}


def test_every_eligible_checkpoint_is_here_and_every_other_has_a_reason(
    catalogue: dict[str, dict[str, Any]],
) -> None:
    here = {alias for checkpoint in CHECKPOINTS for alias in checkpoint.aliases}
    reasons = json.loads((PROJECT / "scripts" / "not_included.json").read_text())
    left_out = {name for names in reasons.values() for name in names if isinstance(names, list)}
    assert len(left_out) == sum(len(names) for names in reasons.values() if isinstance(names, list))
    assert {name for name in catalogue if name.lower() not in here} == left_out
