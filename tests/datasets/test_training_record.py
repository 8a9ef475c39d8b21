"""What a model was trained on is known by the images themselves."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senet_cli.datasets.archives import unpacked
from senet_cli.datasets.division import Division
from senet_cli.datasets.ground_truth import read_labelled
from senet_cli.datasets.labelled import Labelled, Splits
from senet_cli.datasets.splits import read_held_back, read_splits
from senet_cli.datasets.training_record import TrainingRecord, identities, joined
from senet_cli.images.sources import Source
from senet_cli.store.model_folders import HELD_BACK_FILE

NOTHING = TrainingRecord()


def fill(folder: Path, count: int, salt: str = "", classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """`folder`/<class>/<number>.jpg, each with other bytes; `salt` makes them others again."""
    for name in classes:
        for number in range(count):
            path = folder / name / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{salt}{name}{number}")
    return folder


def divided(folder: Path, seed: int = 0, earlier: TrainingRecord = NOTHING) -> Division:
    return Division.of(read_splits(folder), seed, earlier, jobs=2)


def names(labelled: Labelled | None) -> set[str]:
    return {Path(source.name).name for source, _ in labelled.images} if labelled else set()


def contents(labelled: Labelled | None) -> set[bytes]:
    return {Path(source.name).read_bytes() for source, _ in labelled.images} if labelled else set()


def sha(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()[:16]


# --- identity -------------------------------------------------------------------------------------


def test_an_image_is_the_digest_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"abc")
    sources = [Source(str(tmp_path / "a.jpg")), Source("b", b"abc"), Source(str(tmp_path / "missing.jpg"))]
    # FIPS 180-4, the example of one block
    abc = bytes.fromhex("ba7816bf8f01cfea414140de5dae2223")
    assert identities(sources, jobs=2) == [abc, abc, None]
    assert identities(sources * 5000, jobs=2) == [abc, abc, None] * 5000


# --- written and read -----------------------------------------------------------------------------


def write(record: TrainingRecord, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / HELD_BACK_FILE).write_text(json.dumps(record.as_dict()))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    record = TrainingRecord(frozenset([sha(b"1"), sha(b"2")]), frozenset([sha(b"3")]), ("mine",))
    write(record, tmp_path)
    assert TrainingRecord.read(tmp_path) == record
    assert TrainingRecord.read(tmp_path / "elsewhere") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"total": 4, "images": ["a/1.jpg"]}', "by name only"),
        ('{"schema": 2, "trained": []}', "schema 2"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ('{"schema": 1}', "damaged"),
        ('{"schema": 1, "trained": ["00"], "held_back": [], "unrecorded": []}', "damaged"),
        ('{"schema": 1, "trained": "zz", "held_back": [], "unrecorded": []}', "damaged"),
        ('{"schema": 1, "trained": [1], "held_back": [], "unrecorded": []}', "damaged"),
        ("\ud800".encode(errors="surrogatepass"), "damaged"),
        ("[" * 100_000, "damaged"),
    ],
)
def test_what_cannot_be_used_says_why(text: str | bytes, problem: str, tmp_path: Path) -> None:
    (tmp_path / HELD_BACK_FILE).write_bytes(text if isinstance(text, bytes) else text.encode())
    record = TrainingRecord.read(tmp_path)
    assert record
    assert problem in record.problem
    assert (record.trained, record.held_back) == (frozenset(), frozenset())


# --- evaluate -------------------------------------------------------------------------------------


def test_exactly_what_was_trained_on_is_left_out_wherever_it_lies(tmp_path: Path) -> None:
    data = fill(tmp_path / "data", 20)
    division = divided(data)
    record, held_back = division.record(), contents(division.splits().held_back)
    assert len(held_back) == 4

    def kept(labelled: Labelled) -> set[bytes]:
        return contents(record.unseen(labelled, jobs=2))

    assert kept(read_held_back(data)) == held_back
    others = fill(tmp_path / "others", 20, salt="other")  # the same names, the same number, other photographs
    assert len(kept(read_held_back(others))) == 40
    (data / "cat" / "new.jpg").write_text("new")  # one more, one less
    (data / "dog" / "3.jpg").unlink()
    assert kept(read_held_back(data)) == (held_back | {b"new"}) - {b"dog3"}
    renamed = tmp_path / "renamed"
    for path in data.rglob("*.jpg"):
        target = renamed / "x" / path.parent.name / f"again-{path.name}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert kept(read_held_back(renamed)) == (held_back | {b"new"}) - {b"dog3"}
    (tmp_path / "part.csv").write_text("".join(f"cat/{n}.jpg,cat\n" for n in range(10)))
    listed = read_labelled(data, tmp_path / "part.csv")
    assert kept(listed) == {one for one in held_back if one in {b"cat%d" % n for n in range(10)}}


def test_a_tar_is_known_too(tmp_path: Path) -> None:
    division = divided(fill(tmp_path / "data", 20))
    with tarfile.open(tmp_path / "data.tar", "w") as tar:
        tar.add(tmp_path / "data", "data")
    with unpacked(tmp_path / "data.tar") as folder:
        assert len(division.record().unseen(read_held_back(folder), jobs=2)) == 4


def test_a_missing_file_is_not_left_out(tmp_path: Path) -> None:
    record = divided(fill(tmp_path / "data", 20)).record()
    labelled = Labelled(("cat",), [(Source(str(tmp_path / "gone.jpg")), 0)])
    assert record.unseen(labelled, jobs=1) == labelled


# --- train ----------------------------------------------------------------------------------------


def test_a_tenth_of_each_class_is_held_back_and_the_seed_says_which(tmp_path: Path) -> None:
    """Which images a seed holds back has not changed since 0.1.0, so that runs of then can be resumed."""
    data = fill(fill(tmp_path, 20, classes=("a",)), 2, classes=("b",))
    fill(data, 1, classes=("c",))
    splits = divided(data).splits()
    assert splits.held_back
    assert [splits.held_back.classes[target] for _, target in splits.held_back.images] == ["a", "a", "b"]
    assert len(splits.train) == 20
    assert divided(data).splits() == splits
    assert divided(data, seed=1).splits() != splits
    files = [source.name for source, target in read_splits(data).train.images if target == 0]
    expected = {files[n] for n in random.Random(0).sample(range(20), 2)}
    assert {source.name for source, target in splits.held_back.images if target == 0} == expected


def test_copies_of_an_image_are_on_one_side(tmp_path: Path) -> None:
    data = fill(tmp_path / "data", 10)
    for path in list(data.rglob("*.jpg")):
        shutil.copy(path, path.with_name(f"copy of {path.name}"))
    for seed in range(5):
        splits = divided(data, seed).splits()
        assert splits.held_back
        assert len(splits.held_back) == 4
        assert not contents(splits.train) & contents(splits.held_back)


def test_copies_in_the_part_to_measure_with_are_not_measured(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    fill(tmp_path / "val", 6)
    division = divided(tmp_path)
    splits = division.splits()
    assert contents(splits.held_back) == {b"cat4", b"cat5", b"dog4", b"dog5"}
    assert (division.copies, division.seen_earlier) == (8, 0)
    record = division.record()
    assert (len(record.trained), len(record.held_back)) == (8, 4)


def test_what_a_run_held_back_stays_held_back_by_the_next(tmp_path: Path) -> None:
    data = fill(tmp_path / "data", 20)
    first = divided(data, seed=0)
    second = divided(data, seed=7, earlier=first.record())
    assert contents(second.splits().held_back) == contents(first.splits().held_back)
    third = divided(data, seed=8, earlier=second.record())
    assert third.record() == first.record()


def test_more_images_are_held_back_where_there_are_new_ones(tmp_path: Path) -> None:
    first = divided(fill(tmp_path / "data", 20))
    fill(tmp_path / "data", 60)
    second = divided(tmp_path / "data", 3, first.record())
    assert contents(second.splits().held_back) > contents(first.splits().held_back)
    assert len(second.splits().held_back or ()) == 12
    assert not contents(second.splits().held_back) & contents(first.splits().train)


def test_nothing_is_held_back_where_all_was_trained_on(tmp_path: Path) -> None:
    first = divided(fill(tmp_path / "data", 20))
    trained = {source.name for source, _ in first.train}
    for path in list((tmp_path / "data").rglob("*.jpg")):
        if str(path) not in trained:
            path.unlink()
    second = divided(tmp_path / "data", 1, first.record())
    assert len(second.splits().held_back or ()) == 0
    assert second.record().trained == first.record().trained
    assert second.record().held_back == first.record().held_back  # which lie elsewhere now


def test_a_part_that_an_earlier_model_was_trained_on_is_not_measured(tmp_path: Path) -> None:
    first = divided(fill(tmp_path / "old", 20))
    fill(tmp_path / "new" / "train", 4, salt="new")
    fill(tmp_path / "new" / "val", 20)
    second = divided(tmp_path / "new", 1, first.record())
    assert contents(second.splits().held_back) == contents(first.splits().held_back)
    assert (second.copies, second.seen_earlier) == (0, 36)


def test_what_was_held_back_may_be_trained_on_where_the_data_say_so(tmp_path: Path) -> None:
    first = divided(fill(tmp_path / "data", 20))
    for source, _ in first.held_back:
        path = Path(source.name)
        (tmp_path / "next" / "train" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "next" / "train" / path.parent.name)
    fill(tmp_path / "next" / "val", 2, salt="new")
    second = divided(tmp_path / "next", 1, first.record())
    assert second.no_longer_held_back == 4
    assert second.record().trained >= first.record().trained | first.record().held_back


def test_only_what_was_held_back_is_divided_anew(tmp_path: Path) -> None:
    """Something of each class must be trained on."""
    first = divided(fill(tmp_path / "data", 40))
    kept = {source.name for source, _ in first.held_back}
    for path in list((tmp_path / "data").rglob("*.jpg")):
        if str(path) not in kept:
            path.unlink()
    second = divided(tmp_path / "data", 1, first.record())
    splits = second.splits()
    assert splits.held_back
    assert {target for _, target in splits.train.images} == {0, 1}
    assert len(splits.held_back) == 2
    assert second.no_longer_held_back == len(splits.train) == 6


def test_what_is_known_of_several_models_is_joined() -> None:
    one = TrainingRecord(frozenset([sha(b"1")]), frozenset([sha(b"2"), sha(b"3")]), ("a",))
    two = TrainingRecord(frozenset([sha(b"2")]), frozenset([sha(b"4")]))
    whole = joined([("one", one), ("two", two), ("b", None), ("c", TrainingRecord(problem="damaged"))])
    assert whole.trained == {sha(b"1"), sha(b"2")}
    assert whole.held_back == {sha(b"3"), sha(b"4")}
    assert whole.unrecorded == ("a", "b", "c")


@given(st.data())
def test_nothing_that_any_model_saw_is_ever_called_held_back(data: st.DataObject) -> None:
    """Chains of runs on any choice of few images, with copies, in flat folders or parts."""
    earlier = NOTHING
    seen: set[bytes] = set()
    image = st.tuples(st.integers(0, 12), st.integers(0, 1))
    for run in range(data.draw(st.integers(1, 4))):
        drawn = data.draw(st.lists(image, min_size=2, max_size=14), f"images of run {run}")
        given_part = data.draw(st.one_of(st.none(), st.lists(image, max_size=6)), f"val of run {run}")
        parts = [
            Labelled(
                ("a", "b"),
                [(Source(f"{name}{n}", b"%d" % one), target) for n, (one, target) in part],
            )
            for name, part in (("t", enumerate(drawn)), ("v", enumerate(given_part or ())))
        ]
        splits = Splits(parts[0], None if given_part is None else parts[1])
        division = Division.of(splits, data.draw(st.integers(0, 3)), earlier, jobs=1)
        divided_ = division.splits()
        assert divided_.held_back is not None
        seen |= {source.data or b"" for source, _ in divided_.train.images}
        assert not seen & {source.data for source, _ in divided_.held_back.images}
        record = division.record()
        assert record.trained == {sha(one) for one in seen}
        assert not record.held_back & record.trained
        earlier = joined([("run", record)])
