"""Label sets of the package: sizes, order, names that tell classes apart, synonyms; timm as the judge."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources

import pytest

from senet_cli.catalogue.labels import LabelSet, labels_for_classes, load_labels, numbered_labels
from senet_cli.catalogue.lookup import load_manifest
from senet_cli.datasets.classes import match_classes
from senet_cli.errors import UsageError
from senet_cli.settings import BUNDLED_MODEL

SIZES = {"imagenet-1k": 1000, "imagenet-12k": 11821, "cifar-10": 10, "cifar-100": 100}
SIZES |= {"svhn": 10, "cub-200": 200}


@pytest.fixture(scope="module")
def lemmas() -> dict[str, list[str]]:
    """All lemmas of each synset, as timm has them."""
    text = (resources.files("timm") / "data/_info/imagenet_synset_to_lemma.txt").read_text(encoding="utf-8")
    return {synset: names.split(", ") for synset, names in (line.split("\t") for line in text.splitlines())}


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_every_class_has_a_name_of_its_own(name: str, size: int) -> None:
    labels = load_labels(name)
    assert len(labels) == len(set(labels.labels)) == len(labels.ids) == size
    assert all(label == label.strip() != "" for label in labels.labels)
    assert labels.synonyms == () or len(labels.synonyms) == size


def test_every_set_that_comes_with_the_package_is_tested() -> None:
    files = (resources.files("senet_cli") / "data/labels").iterdir()
    assert {file.name.removesuffix(".tsv") for file in files} == SIZES.keys()


@pytest.mark.parametrize(("name", "file"), [("imagenet-1k", "imagenet"), ("imagenet-12k", "imagenet12k")])
def test_synsets_are_in_timms_order(name: str, file: str) -> None:
    text = (resources.files("timm") / f"data/_info/{file}_synsets.txt").read_text(encoding="utf-8")
    assert load_labels(name).ids == tuple(text.split())


@pytest.mark.parametrize("name", ["imagenet-1k", "imagenet-12k"])
def test_names_and_synonyms_are_all_lemmas_of_the_synset(name: str, lemmas: dict[str, list[str]]) -> None:
    labels = load_labels(name)
    for synset, label, synonyms in zip(labels.ids, labels.labels, labels.synonyms, strict=True):
        known = lemmas[str(synset)]
        assert {label, *synonyms} - {label} == set(known) - {label}
        assert label == known[0] or label.startswith(f"{known[0]} (")


def test_small_sets_are_in_the_order_of_their_data_sets() -> None:
    cifar = load_labels("cifar-100").labels
    assert list(cifar) == sorted(cifar)  # the meta file's `fine_label_names`
    assert [cifar[index] for index in (1, 41, 47, 99)] == [
        "aquarium_fish",
        "lawn_mower",
        "maple_tree",
        "worm",
    ]
    assert load_labels("svhn").labels == tuple("0123456789")
    birds = load_labels("cub-200")
    assert [int(str(identifier)[:3]) for identifier in birds.ids] == list(range(1, 201))
    assert (birds.ids[0], birds.labels[0]) == ("001.Black_footed_Albatross", "Black footed Albatross")


def test_folders_of_a_known_set_become_that_set() -> None:
    assert labels_for_classes(load_labels("cifar-100").labels).name == "cifar-100"
    assert labels_for_classes([*"0123456789"]).name == "none"  # any digits, not those of houses


# --- synonyms -------------------------------------------------------------------------------------


def names_to_indices(name: str, *classes: str) -> tuple[int, ...]:
    return match_classes(classes, load_labels(name))


def test_classes_are_matched_by_synonym() -> None:
    assert names_to_indices("imagenet-1k", "Carduelis_carduelis", "man-eating shark") == (11, 2)
    assert names_to_indices("imagenet-1k", "tench, Tinca tinca") == (0,)
    assert names_to_indices("cub-200", "200.Common_Yellowthroat", "laysan albatross", "17") == (199, 1, 17)


@pytest.mark.parametrize(
    ("labels", "name", "candidates"),
    [
        ("imagenet-1k", "crane", ["n02012849", "n03126707"]),
        ("imagenet-12k", "mouse", ["n02330245", "n03793489"]),
    ],
)
def test_a_name_that_two_classes_share_is_refused(labels: str, name: str, candidates: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        names_to_indices(labels, name)
    assert all(f"`{candidate}`" in caught.value.hint for candidate in candidates)


def test_a_label_wins_over_the_synonym_of_another_class() -> None:
    labels = LabelSet("mine", ("gull", "tern"), (None, None), (("bird", "tern"), ("bird",)))
    assert match_classes(["tern", "gull"], labels) == (1, 0)
    with pytest.raises(UsageError, match="no class `bird`"):
        match_classes(["bird"], labels)


def test_unknown_names_get_the_closest_synonym() -> None:
    with pytest.raises(UsageError) as caught:
        names_to_indices("imagenet-1k", "Carduelis carduelys")
    assert "Did you mean `carduelis carduelis`?" in caught.value.hint


# --- no names -------------------------------------------------------------------------------------


def test_a_checkpoint_without_names_gets_indices() -> None:
    manifest = load_manifest()
    checkpoint = replace(manifest.checkpoint(BUNDLED_MODEL), labels="none")
    assert manifest.labels_of(checkpoint) == numbered_labels(10)
    architecture = replace(checkpoint.architecture, labels="none")
    assert manifest.labels_of(architecture) == numbered_labels(architecture.spec.classes)
