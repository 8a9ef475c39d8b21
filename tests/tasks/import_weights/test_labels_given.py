"""Labels that come with an import: from a file, by the name of a set, or none."""

from __future__ import annotations

import json
import re
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


JSON = [
    b'{"cat": 0, "dog": 1, "bird": 2}',
    b'{"bird": 2, "cat": 0, "dog": 1}',
    b'{"0": "cat", "1": "dog", "2": "bird"}',
    b'{"2": "bird", "1": "dog", "0": "cat"}',
    b'{"0": ["n1", "cat"], "1": ["n2", "dog"], "2": ["n3", "bird"]}',
    b'{"model_type": "x", "id2label": {"0": "cat", "1": "dog", "2": "bird"}, "label2id": {"dog": 1}}',
    b'{"label2id": {"cat": 0, "dog": 1, "bird": 2}}',
    b'{"epoch": 3, "class_to_idx": {"bird": 2, "dog": 1, "cat": 0}}',
    b'{"architecture": "seresnet50", "num_classes": 3, "label_names": ["cat", "dog", "bird"]}',
]
NO_JSON = [
    (b'{"cat": "0", "dog": 1}', "neither a JSON list of names nor an object"),
    (b'{"cat": 0.0, "dog": 1.0}', "neither a JSON list of names nor an object"),
    (b'{"cat": false, "dog": true}', "neither a JSON list of names nor an object"),
    (b'{"0": "cat", "one": "dog"}', "neither a JSON list of names nor an object"),
    (b'{"-1": "cat", "0": "dog"}', "neither a JSON list of names nor an object"),
    (b'{"id2label": {}, "other": 1}', "holds no names"),
    (b"{}", "holds no names"),
    (b'{"cat": 0, "dog": 2, "bird": 3}', "3 classes, but none has the index 1: `bird` has 3"),
    (b'{"cat": 1, "dog": 2, "bird": 3}', "none has the index 0: `bird` has 3"),
    (b'{"cat": -1, "dog": 0, "bird": 1}', "none has the index 2: `cat` has -1"),
    (b'{"0": "cat", "1": "dog", "999999999": "bird"}', "none has the index 2: `bird` has 999999999"),
    (b'{"cat": 0, "dog": 1, "bird": 1}', "give the index 1 to both `dog` and `bird`"),
    (b'{"0": "cat", "1": "dog", "01": "bird"}', "give the index 1 to both `dog` and `bird`"),
    (b'{"cat": 0, "dog": 1, "cat": 2}', "have `cat` twice"),
    (b'{"0": "cat", "1": " ", "2": "bird"}', "name 2 of 3 is empty"),
    (b'{"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 1, "b": 0}}', "name the classes differently"),
]


def test_every_form_of_json_means_the_same(tmp_path: Path) -> None:
    """`class_to_idx` of torchvision, `id2label` of Hugging Face, `label_names` of timm, alone or not."""
    file = tmp_path / "labels"
    for content in JSON:
        file.write_bytes(content)
        assert read_labels(str(file), BUNDLED).labels == ("cat", "dog", "bird"), content


def test_what_is_wrong_with_indices_is_named(tmp_path: Path) -> None:
    file = tmp_path / "labels"
    for content, said in NO_JSON:
        file.write_bytes(content)
        with pytest.raises(UsageError, match=re.escape(said)):
            read_labels(str(file), BUNDLED)


def test_indices_of_published_lists_become_known_names(tmp_path: Path) -> None:
    """As Keras's `imagenet_class_index.json`, which has identifiers too, and the other way round."""
    imagenet = BUNDLED.labels("imagenet-1k")
    by_index = {str(i): pair for i, pair in enumerate(zip(imagenet.ids, imagenet.labels, strict=True))}
    (tmp_path / "index.json").write_text(json.dumps(by_index))
    folders = {identifier: index for index, identifier in enumerate(imagenet.ids)}
    (tmp_path / "folders.json").write_text(json.dumps({"class_to_idx": folders}))
    for name in ("index.json", "folders.json"):
        assert read_labels(str(tmp_path / name), BUNDLED) == imagenet


def test_names_that_occur_twice_are_fine_by_index(tmp_path: Path) -> None:
    """ImageNet has two cranes; the object of names cannot hold both."""
    settings = {"id2label": {"0": "crane", "1": "dog", "2": "crane"}, "label2id": {"crane": 2, "dog": 1}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert read_labels(str(tmp_path / "config.json"), BUNDLED).labels == ("crane", "dog", "crane")


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
        (b'{"0": "cat"}', "1 labels, but the model has 3 classes"),
        (b'["cat", 1, 2]', "neither a JSON list of names nor an object"),
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
