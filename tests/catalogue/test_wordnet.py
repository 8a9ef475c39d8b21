"""What stands above the classes of ImageNet in WordNet."""

from __future__ import annotations

from importlib import resources

import pytest

from senet_cli.catalogue.labels import load_labels
from senet_cli.catalogue.wordnet import FILE, Hierarchy

ROOT = "n00001740"
"""`entity`, above all nouns."""


@pytest.fixture(scope="module")
def hierarchy() -> Hierarchy:
    return Hierarchy.load()


def test_it_is_small_and_its_licence_lies_beside_it() -> None:
    file = resources.files("senet_cli") / FILE
    assert len(file.read_bytes()) < 100_000
    licence = (resources.files("senet_cli") / "data" / "wordnet" / "LICENSE").read_text(encoding="utf-8")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in licence


@pytest.mark.parametrize("labels", ["imagenet-1k", "imagenet-12k"])
def test_every_class_is_below_the_root(hierarchy: Hierarchy, labels: str) -> None:
    assert {*load_labels(labels).ids} <= {*hierarchy.all_below(ROOT)}


def test_every_synset_has_words_and_something_below_it(hierarchy: Hierarchy) -> None:
    assert hierarchy.below.keys() == hierarchy.words.keys()
    assert not [synset for synset, words in hierarchy.words.items() if not all(words) or not words]
    assert not [synset for synset, below in hierarchy.below.items() if not below]


@pytest.mark.parametrize(
    ("synset", "word", "count"),
    [
        ("n02084071", "dog", 118),  # the 118 breeds of ILSVRC
        ("n01503061", "bird", 59),
        ("n02121620", "cat", 7),
        ("n02127808", "big cat", 6),
    ],
)
def test_counts_of_classes_below(hierarchy: Hierarchy, synset: str, word: str, count: int) -> None:
    """The figures are WordNet 3.0's."""
    assert hierarchy.words[synset][0] == word
    below = [*hierarchy.all_below(synset)]
    assert len(below) == len({*below})
    assert len({*below} & {*load_labels("imagenet-1k").ids}) == count
