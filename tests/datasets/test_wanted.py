"""Classes that are asked for by words."""

from __future__ import annotations

import pytest

from senet_cli.catalogue.labels import LabelSet, load_labels
from senet_cli.datasets.wanted import find_wanted
from senet_cli.errors import UsageError

OWN = LabelSet("own", ("red, green", "red", "black dog", "hot-dog stand", "Äpfel"), (None,) * 5)


@pytest.mark.parametrize(
    ("labels", "text", "counts"),
    [
        ("imagenet-1k", "dog", {"dog": 118}),
        ("imagenet-1k", "dog, big_cat", {"dog": 118, "big_cat": 6}),
        ("imagenet-1k", "cat", {"cat": 13}),  # two meanings
        ("imagenet-1k", "n02084071", {"n02084071": 118}),
        ("imagenet-1k", "n01440764", {"n01440764": 1}),
        ("imagenet-1k", "TENCH,Tinca  tinca", {"TENCH": 1, "Tinca  tinca": 1}),
        ("imagenet-1k", "mouse", {"mouse": 1}),  # the class, of computers
        ("imagenet-1k", "crane", {"crane": 2}),  # two classes are called so
        ("imagenet-1k", "crane (bird)", {"crane (bird)": 1}),
        ("imagenet-1k", "shepherd", {"shepherd": 1}),  # a word of `German shepherd` only
        ("imagenet-12k", "dog", {"dog": 162}),  # a class, with all below it
        ("cifar-10", "dog", {"dog": 1}),
        ("cifar-100", "tree", {"tree": 5}),
        ("cub-200", "albatross", {"albatross": 3}),
        ("svhn", "3", {"3": 1}),
    ],
)
def test_what_words_mean(labels: str, text: str, counts: dict[str, int]) -> None:
    found = find_wanted([text], load_labels(labels))
    assert {meaning.word: len(meaning.indices) for meaning in found} == counts
    assert all(list(meaning.indices) == sorted({*meaning.indices}) for meaning in found)


def test_classes_of_ones_own() -> None:
    def indices(*texts: str) -> list[tuple[int, ...]]:
        return [meaning.indices for meaning in find_wanted(texts, OWN)]

    assert indices("red, green") == [(0,)]  # a class may have a comma
    assert indices("red,Black_Dog") == [(1,), (2,)]
    assert indices("red", "dog") == [(1,), (2, 3)]
    assert indices("A\u0308PFEL") == [(4,)]
    assert [meaning.by_name for meaning in find_wanted(["red,dog"], OWN)] == [True, False]


def test_classes_of_a_run_with_some_of_imagenets_ids() -> None:
    labels = LabelSet("none", ("tench", "collie", "mine"), ("n01440764", "n02106030", None))
    assert [meaning.indices for meaning in find_wanted(["dog,animal,mine"], labels)] == [(1,), (0, 1), (2,)]


@pytest.mark.parametrize(
    ("labels", "word", "hint"),
    [
        ("imagenet-1k", "goldfsh", "Did you mean `goldfish`"),
        ("imagenet-1k", "dogs", "Did you mean `dog`"),
        ("imagenet-1k", "vehicel", "Did you mean `vehicle`"),
        ("cifar-10", "brid", "Did you mean `bird`?"),
        ("cifar-10", "qqq", "It knows `airplane`, `automobile`, `bird`, `cat`"),
        ("imagenet-1k", "n99999999", "It knows `tench`, `goldfish`, `great white shark` and 997 others."),
        ("imagenet-1k", "-", "It knows `tench`"),
        ("imagenet-1k", "_", "It knows `tench`"),
        ("cifar-10", ",", "separated by commas"),
    ],
)
def test_what_means_nothing_is_refused_with_what_is_near(labels: str, word: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_wanted([word], load_labels(labels))
    assert hint in caught.value.hint
    assert caught.value.hint.count("`") <= (20 if word == "qqq" else 6)  # three at most, or all of ten
    if word != ",":
        assert f"`{word}`" in caught.value.message
