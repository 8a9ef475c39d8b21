"""Classes that are called by numbers, and names that a Mac spells in another Unicode form."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senet_cli.catalogue.labels import LabelSet, numbered_labels
from senet_cli.datasets.classes import match_classes
from senet_cli.datasets.ground_truth import read_labelled
from senet_cli.datasets.labelled import Labelled
from senet_cli.datasets.splits import read_splits
from senet_cli.errors import UsageError
from tests.datasets.test_parts import lay


def labels(*names: str) -> LabelSet:
    return LabelSet("own", names, (None,) * len(names))


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "names", "indices"),
    [
        (labels("1", "2", "3"), ["1", "3", "2"], (0, 2, 1)),
        (labels("1", "2", "3"), ["01", "003"], (0, 2)),
        (labels("01", "02", "10"), ["1", "10"], (0, 2)),
        (labels("0", "1", "2"), ["0", "2", "01"], (0, 2, 1)),
        (labels("2", "0", "1"), ["0", "1", "2"], (1, 2, 0)),
        (labels("cat", "dog"), ["0", "1"], (0, 1)),
        (labels("4 wheels", "2 wheels"), ["0", "1"], (0, 1)),
        (numbered_labels(12), ["0", "007", "11"], (0, 7, 11)),
    ],
)
def test_numbers_are_names_where_classes_are_called_so(
    known: LabelSet, names: list[str], indices: tuple[int, ...]
) -> None:
    assert match_classes(names, known) == indices


@pytest.mark.parametrize(
    ("known", "name"),
    [
        (labels("1", "2", "3"), "0"),
        (labels("1", "2", "3"), "4"),
        (labels("0", "1", "other"), "2"),
        (labels("1", "01", "3"), "001"),
        (labels("1.5", "2.5"), "0"),
        (labels("-1", "+1"), "0"),
        (LabelSet("own", ("cat", "dog"), ("1", "2")), "0"),
        (LabelSet("own", ("cat", "dog"), (None, None), (("7",), ())), "0"),
        (numbered_labels(3), "3"),
        (labels("cat", "dog"), "2"),
    ],
)
def test_a_number_that_no_class_is_called_by_is_none(known: LabelSet, name: str) -> None:
    with pytest.raises(UsageError, match=f"no class `{name}`"):
        match_classes([name], known)


@given(st.permutations(list(range(12))))
def test_a_class_called_by_a_number_is_never_another_one(numbers: list[int]) -> None:
    known = labels(*map(str, numbers))
    assert match_classes([str(number) for number in numbers], known) == tuple(range(12))


# --- Unicode --------------------------------------------------------------------------------------

WORDS = st.text(st.sampled_from("cafeéèñöÅÅçKΩῷ각한nñ"), min_size=1, max_size=6)
FORMS = st.sampled_from(["NFC", "NFD"])


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


@given(st.lists(WORDS, min_size=1, max_size=5, unique_by=lambda word: nfd(word).casefold()), FORMS, FORMS)
def test_labels_are_found_in_any_form(words: list[str], ours: str, theirs: str) -> None:
    known = labels(*(unicodedata.normalize(ours, word) for word in words))
    names = [unicodedata.normalize(theirs, word) for word in words]
    assert match_classes(names, known) == tuple(range(len(words)))


def test_folders_of_one_name_in_two_forms_are_one_class(tmp_path: Path) -> None:
    lay(tmp_path, "café/1.jpg", f"{nfd('café')}/2.jpg", "tea/3.jpg")
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this file system knows one form only")
    train = read_splits(tmp_path).train
    assert train.classes == ("café", "tea")
    found = {Path(source.name).name: number for source, number in train.images}
    assert found == {"1.jpg": 0, "2.jpg": 0, "3.jpg": 1}
    assert all(Path(source.name).exists() for source, _ in train.images)


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_parts_made_on_a_mac_and_elsewhere_fit(forms: tuple[str, str], tmp_path: Path) -> None:
    here, there = (unicodedata.normalize(form, "café") for form in forms)
    lay(tmp_path, f"train/{here}/1.jpg", "train/tea/2.jpg", f"val/{there}/3.jpg")
    splits = read_splits(tmp_path)
    assert splits.train.classes == ("café", "tea")
    assert splits.held_back
    assert [number for _, number in splits.held_back.images] == [0]
    assert Path(splits.held_back.images[0][0].name).exists()


@pytest.mark.parametrize("listed", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
def test_lists_name_images_and_classes_in_any_form(listed: str, stored: str, tmp_path: Path) -> None:
    for number in ("1", "2"):
        lay(tmp_path / "set", unicodedata.normalize(stored, f"añejo/crème{number}.jpg"))
    rows = "añejo/crème1.jpg,café\nañejo/crème2.jpg,tea\n"
    (tmp_path / "truth.csv").write_text(unicodedata.normalize(listed, rows), encoding="utf-8")
    found: Labelled = read_labelled(tmp_path / "set", tmp_path / "truth.csv")
    assert found.classes == ("café", "tea")
    assert all(Path(source.name).exists() for source, _ in found.images)


def test_a_list_that_says_one_class_in_two_forms_does_not_contradict_itself(tmp_path: Path) -> None:
    lay(tmp_path, "1.jpg")
    (tmp_path / "truth.csv").write_text(f"1.jpg,café\n1.jpg,{nfd('café')}\n", encoding="utf-8")
    assert read_labelled(tmp_path, tmp_path / "truth.csv").classes == ("café",)


def test_files_of_one_name_in_two_forms_stay_two(tmp_path: Path) -> None:
    one, other = "é.jpg", nfd("é.jpg")
    lay(tmp_path, one, other)
    if len(list(tmp_path.iterdir())) < 2:
        pytest.skip("this file system knows one form only")
    (tmp_path / "truth.csv").write_text(f"{one},cat\n{other},dog\n", encoding="utf-8")
    found = read_labelled(tmp_path, tmp_path / "truth.csv")
    assert {Path(source.name).name: found.classes[n] for source, n in found.images} == {
        one: "cat",
        other: "dog",
    }
