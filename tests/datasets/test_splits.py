"""Data sets in the layouts that people have them in."""

from __future__ import annotations

import hashlib
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from senet_cli.datasets.archives import unpacked
from senet_cli.datasets.labelled import Labelled
from senet_cli.datasets.splits import read_held_back, read_splits
from senet_cli.errors import DiskError, UsageError
from senet_cli.images.decode import decode


def picture(path: Path, colour: str = "red") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)


def named(labelled: Labelled, folder: Path) -> list[tuple[str, str]]:
    """(path below the folder, name of the class) of all images."""
    return [
        (Path(source.name).relative_to(folder).as_posix(), labelled.classes[target])
        for source, target in labelled.images
    ]


def test_class_folders_sorted_with_images_only(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/1.JPG", "a/x.webp", "a/deep/er.png"):
        picture(tmp_path / name)
    (tmp_path / "a" / "notes.txt").write_text("no image")
    splits = read_splits(tmp_path)
    assert splits.held_back is None
    assert splits.train.classes == ("a", "b")
    assert sorted(named(splits.train, tmp_path)) == [
        ("a/deep/er.png", "a"),
        ("a/x.webp", "a"),
        ("b/1.JPG", "b"),
        ("b/2.png", "b"),
    ]


@pytest.mark.parametrize("part", ["val", "valid", "validation", "test", "testing"])
def test_parts_are_found_under_their_usual_names(part: str, tmp_path: Path) -> None:
    for name in ("train/a/1.png", "train/b/1.png", f"{part}/b/2.png"):
        picture(tmp_path / name)
    splits = read_splits(tmp_path)
    assert len(splits.train) == 2
    assert splits.held_back
    assert splits.held_back.classes == ("a", "b")
    assert named(splits.held_back, tmp_path) == [(f"{part}/b/2.png", "b")]
    assert named(read_held_back(tmp_path), tmp_path) == [(f"{part}/b/2.png", "b")]


def test_a_class_that_was_not_learned_cannot_be_measured(tmp_path: Path) -> None:
    for name in ("train/a/1.png", "val/c/2.png"):
        picture(tmp_path / name)
    with pytest.raises(UsageError, match="lacks: c"):
        read_splits(tmp_path)


@pytest.mark.parametrize("around", ["", "dataset/", "./"])
@pytest.mark.parametrize("compression", ["", "gz", "xz"])
def test_tars_with_and_without_a_folder_around_everything(
    around: str, compression: str, tmp_path: Path
) -> None:
    for name in ("train/a/1.png", "train/b/1.png", "test/a/2.png"):
        picture(tmp_path / "source" / name)
    archive = tmp_path / "data.tar"
    with tarfile.open(archive, f"w:{compression}") as tar:
        for part in ("train", "test"):
            tar.add(tmp_path / "source" / part, f"{around}{part}")
    with unpacked(archive) as folder:
        splits = read_splits(folder)
        assert len(splits.train) == 2
        assert splits.held_back
        assert len(splits.held_back) == 1
        with splits.train.images[0][0].open() as file:
            assert decode(file).size == (8, 8)
    assert not folder.exists()


def test_a_tar_cannot_write_elsewhere(tmp_path: Path) -> None:
    picture(tmp_path / "evil.png")
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.add(tmp_path / "evil.png", "../../evil-outside.png")
    with pytest.raises(UsageError, match="cannot be unpacked"), unpacked(tmp_path / "evil.tar"):
        pass
    assert not list(tmp_path.parent.glob("evil-outside.png"))


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b damaged"])
def test_what_is_no_tar_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(content)
    with pytest.raises(UsageError, match="neither a folder nor a tar"), unpacked(tmp_path / "data"):
        pass


def test_a_tar_that_ends_early_is_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 255, (200, 200, 3), np.uint8)).save(tmp_path / "a.png")
    with tarfile.open(tmp_path / "cut.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "a.png", "a/a.png")
    whole = (tmp_path / "cut.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="cannot be unpacked"), unpacked(tmp_path / "cut.tar.gz"):
        pass


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DiskError), unpacked(tmp_path / "nothing"):
        pass
    with pytest.raises(UsageError):
        read_splits(tmp_path)
    (tmp_path / "empty class").mkdir()
    picture(tmp_path / "full class" / "1.png")
    with pytest.raises(UsageError, match="empty class"):
        read_splits(tmp_path)


# --- CIFAR ----------------------------------------------------------------------------------------


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, np.ndarray]]:
    """Batches as published, small, with torchvision told their MD5 sums."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    pixels = {}

    def write(name: str, content: object) -> tuple[str, str]:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return name, hashlib.md5(data).hexdigest()

    def batch(name: str, count: int) -> tuple[str, str]:
        pixels[name] = random.integers(0, 256, (count, 3, 32, 32), np.uint8)
        labels = [n % 10 for n in range(count)]
        return write(name, {"data": pixels[name].reshape(count, -1), "labels": labels})

    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    meta = write("batches.meta", {"label_names": names})
    monkeypatch.setattr(CIFAR10, "train_list", [batch("data_batch_1", 20), batch("data_batch_2", 10)])
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch", 12)])
    own = {"filename": meta[0], "key": "label_names", "md5": meta[1]}
    monkeypatch.setattr(CIFAR10, "meta", own)
    return folder, pixels


def test_cifar_batches_give_their_pixels_to_the_last_bit(
    cifar: tuple[Path, dict[str, np.ndarray]],
) -> None:
    folder, pixels = cifar
    for place in (folder, folder.parent, folder.parent.parent):
        splits = read_splits(place)
        assert (len(splits.train), len(splits.held_back or ())) == (30, 12)
        assert splits.train.classes[3] == "cat"
    source, target = splits.train.images[23]
    assert target == 3
    with source.open() as file:
        assert (np.asarray(decode(file)) == pixels["data_batch_2"][3].transpose(1, 2, 0)).all()
    assert len(read_held_back(folder)) == 12


def test_cifar_batches_are_not_unpickled_unless_they_are_the_published_ones(
    cifar: tuple[Path, dict[str, np.ndarray]],
) -> None:
    folder, _ = cifar
    (folder / "data_batch_2").write_bytes(pickle.dumps("something else"))
    with pytest.raises(UsageError, match="published, complete"):
        read_splits(folder)


# --- what is a part, and what a class -------------------------------------------------------------


def test_parts_may_be_spelled_with_capitals(tmp_path: Path) -> None:
    for name in ("Train/a/1.png", "Val/a/2.png"):
        picture(tmp_path / name)
    splits = read_splits(tmp_path)
    assert splits.train.classes == ("a",)
    assert splits.held_back is not None


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    for name in ("bus/1.png", "car/1.png", "train/1.png", "train/steam/2.png"):
        picture(tmp_path / name)
    splits = read_splits(tmp_path)
    assert splits.train.classes == ("bus", "car", "train")
    assert len(splits.train) == 4
    assert splits.held_back is None


def test_parts_to_measure_with_alone_cannot_be_trained_on(tmp_path: Path) -> None:
    for name in ("val/a/1.png", "test/a/2.png"):
        picture(tmp_path / name)
    with pytest.raises(UsageError, match="nothing to train on"):
        read_splits(tmp_path)
    assert named(read_held_back(tmp_path), tmp_path) == [("val/a/1.png", "a")]


def test_what_is_hidden_is_neither_class_nor_image(tmp_path: Path) -> None:
    for name in ("a/1.png", "a/._1.png", ".cache/1.png", "a/.thumbs/1.png"):
        picture(tmp_path / name)
    (tmp_path / ".git").mkdir()
    splits = read_splits(tmp_path)
    assert named(splits.train, tmp_path) == [("a/1.png", "a")]


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_a_loop_of_links_counts_images_once(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "again").symlink_to("..", target_is_directory=True)
    (tmp_path / "a" / "self").symlink_to(".", target_is_directory=True)
    picture(tmp_path / "b" / "1.png")
    names = [path for path, _ in named(read_splits(tmp_path).train, tmp_path)]
    assert len(names) <= 4
    assert names.count("a/1.png") == 1


def test_the_digest_sees_names_classes_and_sizes(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    picture(tmp_path / "b" / "1.png")
    digests = {read_splits(tmp_path).digest(tmp_path)}
    (tmp_path / "a" / "1.png").rename(tmp_path / "a" / "2.png")
    digests.add(read_splits(tmp_path).digest(tmp_path))
    with (tmp_path / "a" / "2.png").open("ab") as file:
        file.write(b" ")
    digests.add(read_splits(tmp_path).digest(tmp_path))
    assert len(digests) == 3
    assert read_splits(tmp_path).digest(tmp_path) in digests
