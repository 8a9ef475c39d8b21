"""What is a part, what a class, and what is neither: mixtures of folders as people have them."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senet_cli.datasets.archives import unpacked
from senet_cli.datasets.labelled import Labelled
from senet_cli.datasets.splits import read_held_back, read_splits
from senet_cli.errors import UsageError

PARTS = ["train", "Training", "train2017", "train_set", "val", "valid", "validation", "test", "test1"]
PARTS += ["testing", "TEST", "dev", "val_images", "images", "imgs"]
CLASSES = ["cat", "dog", "contest", "protest", "trainer", "valley", "devil", "imagery"]


def lay(folder: Path, *names: str) -> Path:
    """Make files of these names below a folder; where they lie is all that is looked at."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def below(labelled: Labelled | None, folder: Path) -> dict[str, str] | None:
    """Class by path, below the folder."""
    if labelled is None:
        return None
    return {
        Path(source.name).relative_to(folder).as_posix(): labelled.classes[number]
        for source, number in labelled.images
    }


CAT_DOG = ("train/cat/1.jpg", "train/dog/2.jpg")
LEARNED = {"train/cat/1.jpg": "cat", "train/dog/2.jpg": "dog"}

LAYOUTS = {
    # files, what is learned, what is measured when trained, what `evaluate` measures, what remarks mention
    "dogs vs cats": (
        (*CAT_DOG, "test/3.jpg"),
        LEARNED,
        None,
        LEARNED,
        ["`test` is named", "`train`"],
    ),
    "kaggle's test1": ((*CAT_DOG, "test1/3.jpg"), LEARNED, None, LEARNED, ["`test1` is named", "`train`"]),
    "flat test beside val": (
        (*CAT_DOG, "val/cat/3.jpg", "test/4.jpg"),
        LEARNED,
        {"val/cat/3.jpg": "cat"},
        {"val/cat/3.jpg": "cat"},
        ["`test` is named"],
    ),
    "val and test": (
        (*CAT_DOG, "val/cat/3.jpg", "test/dog/4.jpg"),
        LEARNED,
        {"val/cat/3.jpg": "cat"},
        {"val/cat/3.jpg": "cat"},
        ["`test` is another part"],
    ),
    "tiny imagenet": (
        ("train/cat/images/1.jpg", "train/dog/images/2.jpg", "val/images/3.jpg", "test/images/4.jpg"),
        {"train/cat/images/1.jpg": "cat", "train/dog/images/2.jpg": "dog"},
        None,
        {"train/cat/images/1.jpg": "cat", "train/dog/images/2.jpg": "dog"},
        ["`val` is named", "`test` is named", "`train`"],
    ),
    "keras's unknown": ((*CAT_DOG, "test/unknown/3.jpg"), LEARNED, None, LEARNED, ["`test`", "`train`"]),
    "a folder around each part": (
        ("train/train/cat/1.jpg", "train/train/dog/2.jpg", "test/test/3.jpg"),
        {"train/train/cat/1.jpg": "cat", "train/train/dog/2.jpg": "dog"},
        None,
        {"train/train/cat/1.jpg": "cat", "train/train/dog/2.jpg": "dog"},
        ["`test`", "`train`"],
    ),
    "an empty test": (
        (*CAT_DOG, "test/readme.txt"),
        LEARNED,
        None,
        LEARNED,
        ["`test` holds no", "`train`"],
    ),
    "notes beside": ((*CAT_DOG, "annotations/1.xml", "a.csv"), LEARNED, None, LEARNED, ["`train`"]),
    "parts beside pictures": (
        (*CAT_DOG, "test/dog/3.jpg", "figures/4.jpg"),
        LEARNED,
        {"test/dog/3.jpg": "dog"},
        {"test/dog/3.jpg": "dog"},
        ["`figures` lies beside parts"],
    ),
    "images around classes": (
        ("images/cat/1.jpg", "images/dog/2.jpg", "annotations/1.xml"),
        {"images/cat/1.jpg": "cat", "images/dog/2.jpg": "dog"},
        None,
        {"images/cat/1.jpg": "cat", "images/dog/2.jpg": "dog"},
        [],
    ),
    "images around parts": (
        ("images/train/cat/1.jpg", "images/train/dog/2.jpg", "images/val/dog/3.jpg", "labels/1.txt"),
        {"images/train/cat/1.jpg": "cat", "images/train/dog/2.jpg": "dog"},
        {"images/val/dog/3.jpg": "dog"},
        {"images/val/dog/3.jpg": "dog"},
        [],
    ),
    "a flat test beside classes": (
        ("cat/1.jpg", "dog/2.jpg", "test/3.jpg"),
        {"cat/1.jpg": "cat", "dog/2.jpg": "dog"},
        None,
        {"cat/1.jpg": "cat", "dog/2.jpg": "dog"},
        ["`test` is named"],
    ),
    "two flat parts beside classes": (
        ("cat/1.jpg", "dog/2.jpg", "test/3.jpg", "train/4.jpg"),
        {"cat/1.jpg": "cat", "dog/2.jpg": "dog"},
        None,
        {"cat/1.jpg": "cat", "dog/2.jpg": "dog"},
        ["`train` is named", "`test` is named"],
    ),
    "trains among buses": (
        ("bus/1.jpg", "train/2.jpg", "train/steam/3.jpg"),
        {"bus/1.jpg": "bus", "train/2.jpg": "train", "train/steam/3.jpg": "train"},
        None,
        {"bus/1.jpg": "bus", "train/2.jpg": "train", "train/steam/3.jpg": "train"},
        ["`train` lies among"],
    ),
    "images in no folder": (
        ("cat/1.jpg", "dog/2.jpg", "3.jpg", "4.jpg"),
        {"cat/1.jpg": "cat", "dog/2.jpg": "dog"},
        None,
        {"cat/1.jpg": "cat", "dog/2.jpg": "dog"},
        ["holds 2 images in no class folder"],
    ),
    "a folder and a file around": (
        ("read.me", "set/cat/1.jpg", "set/dog/2.jpg"),
        {"set/cat/1.jpg": "cat", "set/dog/2.jpg": "dog"},
        None,
        {"set/cat/1.jpg": "cat", "set/dog/2.jpg": "dog"},
        [],
    ),
    "what a mac's archiver leaves": (
        ("cat/1.jpg", "dog/2.jpg", "__MACOSX/cat/._1.jpg", "cat/._1.jpg"),
        {"cat/1.jpg": "cat", "dog/2.jpg": "dog"},
        None,
        {"cat/1.jpg": "cat", "dog/2.jpg": "dog"},
        [],
    ),
}


@pytest.mark.parametrize("case", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts(
    case: tuple[tuple[str, ...], dict[str, str], object, object, list[str]], tmp_path: Path
) -> None:
    files, learned, held_back, measured, remarks = case
    lay(tmp_path, *files)
    splits, labelled = read_splits(tmp_path), read_held_back(tmp_path)
    assert below(splits.train, tmp_path) == learned
    assert below(splits.held_back, tmp_path) == held_back
    assert below(labelled, tmp_path) == measured
    said = list(map(str, labelled.remarks))
    assert [len([text for text in said if start in text]) for start in remarks] == [1] * len(remarks)
    assert len(said) == len(remarks)
    assert set(splits.remarks) <= set(labelled.remarks)


def test_layouts_in_a_tar_are_those_of_a_folder(tmp_path: Path) -> None:
    for around in ("", "around/"):
        for number, (files, learned, *_) in enumerate(LAYOUTS.values()):
            source = lay(tmp_path / f"{number}", *files)
            archive = tmp_path / "data.tar"
            with tarfile.open(archive, "w") as tar:
                for path in source.iterdir():
                    tar.add(path, f"{around}{path.name}")
            with unpacked(archive) as folder:
                found = below(read_splits(folder).train, folder)
            assert found == {f"{around}{path}": name for path, name in learned.items()}, files


REFUSED = {
    "everything is flat": (("train/1.jpg", "test1/2.jpg"), "`train` and `test1` in .* are names of parts"),
    "one flat part": (("images/1.jpg",), "`images` in .* is the name of a part"),
    "flat in a folder": (("train/train/1.jpg", "test/test/2.jpg"), "are names of parts"),
    "a part or a class": (("train/steam/1.jpg", "train/fast/2.jpg", "bus/3.jpg"), "`bus` beside it holds"),
    "no image at all": (("train/a.txt", "test/a.txt"), "no folder in .* holds an image"),
    "images alone": (("1.jpg", "2.jpg"), "only images whose class it does not say"),
}


@pytest.mark.parametrize(("files", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_names_and_contents_do_not_tell_is_refused(
    files: tuple[str, ...], reason: str, tmp_path: Path
) -> None:
    lay(tmp_path, *files)
    for read in (read_splits, read_held_back):
        with pytest.raises(UsageError, match=reason):
            read(tmp_path)


def test_nothing_to_train_on_says_what_was_passed_over(tmp_path: Path) -> None:
    lay(tmp_path, "train/1.jpg", "val/cat/2.jpg", "val/dog/3.jpg")
    with pytest.raises(UsageError, match="nothing to train on; `train` is named like a part"):
        read_splits(tmp_path)
    assert read_held_back(tmp_path).classes == ("cat", "dog")


@given(st.lists(st.sampled_from(PARTS + CLASSES), min_size=2, max_size=5, unique_by=str.casefold))
def test_without_parts_every_folder_is_a_class(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    folder = lay(tmp_path_factory.mktemp("set"), *(f"{name}/1.jpg" for name in names))
    for labelled in (read_splits(folder, parts=False).train, read_held_back(folder, parts=False)):
        assert below(labelled, folder) == {f"{name}/1.jpg": name for name in names}
        assert labelled.remarks == ()


@given(
    st.sampled_from(PARTS[:4]),
    st.lists(st.sampled_from(PARTS[4:]), max_size=4, unique_by=str.casefold),
    st.lists(st.sampled_from(CLASSES), min_size=1, max_size=4, unique=True),
    st.data(),
)
def test_no_part_becomes_a_class_whatever_the_others_hold(
    tmp_path_factory: pytest.TempPathFactory,
    train: str,
    others: list[str],
    classes: list[str],
    data: st.DataObject,
) -> None:
    """Only class folders' names are learned; each flat part is named in a remark."""
    flat = {name for name in others if data.draw(st.booleans(), name)}
    files = [f"{part}/{name}/1.jpg" for part in (train, *others) if part not in flat for name in classes]
    folder = lay(tmp_path_factory.mktemp("set"), *files, *(f"{part}/1.jpg" for part in flat))
    splits = read_splits(folder)
    assert splits.train.classes == tuple(sorted(classes))
    assert {path.split("/")[0] for path in below(splits.train, folder) or {}} == {train}
    said = " ".join(map(str, splits.remarks))
    assert all(f"`{part}` is named like a part" in said for part in flat)
