"""Labels that come with an import: from a file, by the name of a set, or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from senet_cli.catalogue.lookup import load_manifest
from senet_cli.datasets.label_files import read_labels
from senet_cli.errors import UsageError
from senet_cli.weights.publishers.timm import TIMM
from tests.known import known
from tests.tasks.import_weights.worlds import files_of, imported, weights_file

BUNDLED = load_manifest()


@pytest.mark.parametrize(
    "content",
    [
        b"cat\ndog\nbird\n",
        b"\xef\xbb\xbfcat\r\ndog\r\nbird",
        b'["cat", "dog", "bird"]',
        b"cat \n dog\nbird\n\n",
    ],
)
def test_labels_from_a_file(content: bytes, tmp_path: Path, models: Path) -> None:
    (tmp_path / "labels").write_bytes(content)
    imported(weights_file(tmp_path / "a.pth", TIMM, classes=3), labels=str(tmp_path / "labels"))
    assert known("mine", None, models).labels.labels == ("cat", "dog", "bird")


def test_half_a_character_in_a_label_is_not_our_bug(tmp_path: Path, models: Path) -> None:
    (tmp_path / "labels").write_text('["\\ud800", "\\u001b[2J", "ä"]')
    imported(weights_file(tmp_path / "a.pth", TIMM, classes=3), labels=str(tmp_path / "labels"))
    assert known("mine", None, models).labels.labels == ("\ud800", "\x1b[2J", "ä")


def test_wordnet_ids_become_names(tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("n01531178\nn01440764\n")
    labels = read_labels(str(tmp_path / "labels"), BUNDLED)
    assert (labels.labels, labels.ids) == (("goldfinch", "tench"), ("n01531178", "n01440764"))


def test_labels_by_the_name_of_their_set() -> None:
    assert read_labels("imagenet-1k", BUNDLED) == BUNDLED.labels("imagenet-1k")


def test_without_names_there_are_numbers(tmp_path: Path, models: Path) -> None:
    imported(weights_file(tmp_path / "a.pth", TIMM, classes=3))
    assert known("mine", None, models).labels.labels == ("0", "1", "2")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"cat\ndog\n", "2 labels, but the model has 3 classes"),
        (b"cat\n\nbird\n", "name 2 of 3 is empty"),
        (b"", "holds no names"),
        (b'{"0": "cat"}', "no JSON list"),
        (b'["cat", 1, 2]', "no JSON list"),
        (b'["cat", ', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b"\xff\xfe\xff", "not UTF-8"),
        (None, "neither a file nor a label set"),
    ],
)
def test_labels_that_are_none(content: bytes | None, said: str, tmp_path: Path, models: Path) -> None:
    if content is not None:
        (tmp_path / "labels").write_bytes(content)
    with pytest.raises(UsageError, match=said):
        imported(weights_file(tmp_path / "a.pth", TIMM, classes=3), labels=str(tmp_path / "labels"))
    assert not models.exists() or not files_of(models)
