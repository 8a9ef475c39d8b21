"""Classes without an image, and classes none of whose images can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from senet_cli.cli.hints import hint
from senet_cli.datasets.readable import unreadable_classes
from senet_cli.datasets.splits import read_held_back, read_splits
from senet_cli.datasets.training_record import TrainingRecord
from senet_cli.errors import UsageError
from senet_cli.events import SILENCE, ClassesUnreadable, Event
from senet_cli.tasks.train.data_set import Undivided
from tests.datasets.test_parts import lay
from tests.datasets.test_splits import picture

NOTHING = TrainingRecord()


def mixed(folder: Path) -> Path:
    """`good` has readable images behind one that is not; `bad` has only such; `none` has nothing."""
    lay(folder, "good/0.png", "bad/1.png", "bad/2.png")
    (folder / "none").mkdir()
    for number in (1, 2, 3):
        picture(folder / "good" / f"{number}.png", "blue")
    return folder


def test_classes_none_of_whose_images_can_be_decoded(tmp_path: Path) -> None:
    train = read_splits(mixed(tmp_path), empty_classes=True).train
    assert train.classes == ("bad", "good", "none")
    assert unreadable_classes(train, jobs=2) == (0, 2)
    assert [str(remark) for remark in train.remarks] == ["`none` is a class without an image"]


def test_a_class_without_an_image_is_refused_unless_asked_for(tmp_path: Path) -> None:
    mixed(tmp_path)
    (tmp_path / "neither").mkdir()
    for read in (read_splits, read_held_back):
        with pytest.raises(UsageError, match="neither` holds no image, nor does 1 other") as caught:
            read(tmp_path)
        assert "--allow-empty-classes" in hint(caught.value)
        read(tmp_path, empty_classes=True)


class Heard:
    """A reporter that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def report(self, event: Event) -> None:
        self.events.append(event)


def undivided(folder: Path, *, empty: bool = False) -> Undivided:
    return Undivided.read(folder, folder, SILENCE, parts=True, empty_classes=empty)


def test_a_class_that_cannot_be_read_is_not_trained_unless_asked_for(tmp_path: Path) -> None:
    mixed(tmp_path)
    (tmp_path / "none").rmdir()
    picture(tmp_path / "also good" / "1.png")
    heard = Heard()
    with pytest.raises(UsageError, match="no image to train on of `bad` can be read") as caught:
        undivided(tmp_path).divide(0, 1, NOTHING, heard)
    assert "--allow-empty-classes" in hint(caught.value)
    undivided(tmp_path, empty=True).divide(0, 1, NOTHING, heard)
    assert [vars(event) for event in heard.events] == [vars(ClassesUnreadable(("bad",), held_back=False))]


@pytest.mark.parametrize("seed", range(4))
def test_the_only_readable_image_of_a_class_is_trained_on(seed: int, tmp_path: Path) -> None:
    for name in ("a", "b"):
        lay(tmp_path, f"{name}/1.png")
        picture(tmp_path / name / "2.png")
    heard = Heard()
    data = undivided(tmp_path).divide(seed, 1, NOTHING, heard)
    assert unreadable_classes(data.splits.train) == ()


def test_held_back_classes_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / "train" / name / "1.png")
    lay(tmp_path, "val/a/2.png")
    heard = Heard()
    undivided(tmp_path).divide(0, 1, NOTHING, heard)
    assert [vars(event) for event in heard.events] == [vars(ClassesUnreadable(("a",), held_back=True))]


@pytest.mark.parametrize(
    ("files", "named"),
    [
        (("cat/1.png", "cat/2.png"), "`cat`"),
        (("train/cat/1.png", "val/cat/2.png"), "`cat`"),
        (("cat/1.png", "test/2.png"), "`cat`: .*; `test` is named like a part"),
    ],
)
def test_one_class_cannot_be_learned(files: tuple[str, ...], named: str, tmp_path: Path) -> None:
    for file in files:
        picture(tmp_path / file)
    with pytest.raises(UsageError, match=f"images of one class only, {named}"):
        undivided(tmp_path)


@pytest.mark.parametrize("empty", [True, False])
def test_one_class_that_can_be_read_cannot_be_learned_either(empty: bool, tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png")
    lay(tmp_path, "dog/1.png")
    with pytest.raises(UsageError, match=r"one class only, `cat`.*no image of `dog` can be read"):
        undivided(tmp_path, empty=empty).divide(0, 1, NOTHING, SILENCE)
