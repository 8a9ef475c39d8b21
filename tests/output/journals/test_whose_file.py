"""Files of others, and what else lies in our places."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from senet_cli.errors import DiskError
from senet_cli.images.sources import Source
from senet_cli.output import claims, journal
from senet_cli.output.base import open_output
from senet_cli.output.claims import belongs_to, journal_name, partial_name
from senet_cli.output.recording import Earlier, Recording, is_complete
from senet_cli.output.targets import find_target
from tests.output.journals.runs import FACTS, Run, Stop, files, stopped

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks and cutting open files are those of POSIX")


# --- whose file it is ---------------------------------------------------------------------------


def test_files_of_somebody_else_stay_as_they_are(tmp_path: Path, images: list[Source]) -> None:
    whole = tmp_path / "whole"
    Run(whole)(images)
    theirs = {
        "no journal": {"r.partial": "precious"},
        "another journal": {"r.partial": "precious", "r.partial.journal": "dear diary\n"},
        "a journal alone": {"r.partial.journal": "dear diary\n"},
        "empty, with their journal": {"r.partial": "", "r.partial.journal": "dear diary\n"},
    }
    for name, contents in theirs.items():
        for earlier in ("refuse", "resume", "start over"):
            folder = tmp_path / f"{name} {earlier}"
            folder.mkdir()
            for file, text in contents.items():
                (folder / file).write_text(text)
            path = folder / "r"
            stopped(path, images, 1)
            assert (folder / "r.partial-2.journal").exists()
            with pytest.raises(DiskError, match=r"r\.partial-2` holds the records"):
                Run(path)(images)
            assert len(Run(path, "resume")(images).done) == 3
            assert path.read_bytes() == whole.read_bytes()
            assert files(folder) == ["r", *contents]
            assert {file: (folder / file).read_text() for file in contents} == contents


@pytest.mark.parametrize("earlier", ["refuse", "resume", "start over"])
def test_files_of_another_user_stay_as_they_are(
    tmp_path: Path, images: list[Source], monkeypatch: pytest.MonkeyPatch, earlier: Earlier
) -> None:
    """What is as good as a journal of ours, in a folder that several users write."""
    for left in ("both", "empty", "a journal alone"):
        folder = tmp_path / left
        folder.mkdir()
        path = folder / "r"
        stopped(path, images, 2)
        if left == "empty":
            partial_name(path).write_bytes(b"")
            journal_name(path).unlink()
        elif left == "a journal alone":
            partial_name(path).unlink()
        before = {file.name: (file.read_bytes(), file.stat().st_ino) for file in folder.iterdir()}
        with monkeypatch.context() as patched:
            patched.setattr(os, "geteuid", lambda: os.getuid() + 1)
            run = Run(path, earlier)(images)
        assert run.done == [image.name for image in images]
        assert files(folder) == ["r", *sorted(before)]
        assert {n: ((folder / n).read_bytes(), (folder / n).stat().st_ino) for n in before} == before
        assert "r.partial-2" in "".join(run.said)


def test_the_superuser_goes_on_with_what_got_the_owner_of_the_file(
    tmp_path: Path, images: list[Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the journal, which nobody else can have written, is the superuser's."""
    path = tmp_path / "r"
    path.write_text("older")
    stopped(path, images, 2)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    own = {journal_name(path).stat().st_ino}
    monkeypatch.setattr(journal, "is_own", lambda status: status.st_ino in own)
    monkeypatch.setattr(claims, "is_own", lambda _status: False)
    assert len(Run(path, "resume")(images).done) == 2
    assert files(tmp_path) == ["r"]
    own.clear()
    stopped(path, images, 2)
    assert len(Run(path, "resume")(images).done) == 4
    assert files(tmp_path) == ["r", "r.partial", "r.partial.journal"]


@pytest.mark.parametrize("earlier", ["refuse", "resume", "start over"])
def test_both_files_have_the_mode_of_the_file_that_is_replaced(
    tmp_path: Path, images: list[Source], earlier: Earlier
) -> None:
    path = tmp_path / "r"
    if earlier == "refuse":
        partial_name(path).write_bytes(b"")
    else:
        stopped(path, images, 2)
        journal_name(path).chmod(0o666)
    partial_name(path).chmod(0o666)
    path.write_text("older")
    path.chmod(0o600)
    run = Run(path, earlier)
    with pytest.raises(Stop):
        run(images, stop=1)
    assert [each.stat().st_mode & 0o777 for each in (partial_name(path), journal_name(path))] == [0o600] * 2
    Run(path, "resume")(images)
    assert path.stat().st_mode & 0o777 == 0o600


def test_links_and_folders_in_our_places_are_never_followed(tmp_path: Path, images: list[Source]) -> None:
    precious = tmp_path / "precious"
    precious.write_text("")
    for number, names in enumerate(
        (["r.partial"], ["r.partial.journal"], ["r.partial", "r.partial.journal"])
    ):
        folder = tmp_path / f"links{number}"
        folder.mkdir()
        for name in names:
            (folder / name).symlink_to(precious)
        Run(folder / "r", "resume")(images)
        assert files(folder) == ["r", *names]
        assert precious.read_text() == ""
    folder = tmp_path / "folder"
    (folder / "r.partial.journal").mkdir(parents=True)
    Run(folder / "r", "resume")(images)
    assert (folder / "r").exists()


def test_what_is_left_where_nothing_was_written_is_taken_over(tmp_path: Path, images: list[Source]) -> None:
    """Killed before the first record, or between the rename and the end."""
    path = tmp_path / "r"
    for contents in ({"r.partial": ""}, {"r.partial": "", "r.partial.journal": '{"senet-jour'}):
        for file, text in contents.items():
            (tmp_path / file).write_text(text)
        assert len(Run(path)(images).done) == 4
        assert files(tmp_path) == ["r"]
        path.unlink()
    stopped(path, images, 2)
    partial_name(path).unlink()
    assert len(Run(path)(images).done) == 4
    assert files(tmp_path) == ["r"]


def test_a_run_that_is_stopped_before_its_first_record_leaves_nothing(
    tmp_path: Path, images: list[Source]
) -> None:
    path = tmp_path / "r"
    assert stopped(path, images, 0).said == []
    assert files(tmp_path) == []


def test_a_run_that_goes_on_and_is_stopped_at_once_leaves_what_was_there(
    tmp_path: Path, images: list[Source]
) -> None:
    path = tmp_path / "r"
    stopped(path, images, 2)
    before = partial_name(path).read_bytes(), journal_name(path).read_bytes()
    run = Run(path, "resume")
    with pytest.raises(Stop):
        run(images, stop=0)
    assert run.said == [f"2 {path}.partial Stop()"]
    assert (partial_name(path).read_bytes(), journal_name(path).read_bytes()) == before


def test_a_run_in_progress_is_never_gone_on_with(tmp_path: Path, images: list[Source]) -> None:
    path = tmp_path / "r"
    recording = Recording("refuse", {}, lambda *_: None)
    with open_output(path, recording=recording) as out:
        assert out.journal
        out.journal.begin(FACTS, ["photos"], "0")
        for earlier in ("refuse", "resume", "start over"):
            with pytest.raises(DiskError, match="another run writes"):
                Run(path, earlier)(images)
    assert path.read_bytes() == b""


# --- what else is there -------------------------------------------------------------------------


def test_a_complete_file_is_told_from_one_that_was_begun(tmp_path: Path, images: list[Source]) -> None:
    path = tmp_path / "r"
    assert not is_complete(find_target(path))
    path.touch()
    assert not is_complete(find_target(path))
    path.write_text("older")
    assert is_complete(find_target(path))
    stopped(path, images, 2)
    assert not is_complete(find_target(path))
    partial_name(path).write_bytes(b"")
    assert not is_complete(find_target(path))
    partial_name(path).unlink()
    assert is_complete(find_target(path))  # the journal alone says nothing
    journal_name(path).unlink()
    partial_name(path).write_text("precious")
    assert is_complete(find_target(path))
    assert path.read_text() == "older"


def test_both_files_are_passed_over_where_images_are_looked_for(tmp_path: Path) -> None:
    for name in ("r.csv", "x" * 255, "ä" * 120 + ".jsonl"):
        ours = belongs_to(tmp_path / name)
        for number in (1, 2, 12):
            for path in (
                partial_name(tmp_path / name, number),
                journal_name(tmp_path / name, number),
            ):
                assert ours(str(path))
                assert len(os.fsencode(path.name)) <= 255
        assert not ours(str(tmp_path / "r.csv.journal"))


def test_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    """Going on after 10,000 records takes no more of it than after 1,000."""
    peaks = []
    for count in (1_000, 10_000):
        path = tmp_path / f"r{count}"
        sources = (Source(f"gone/{number:06}.jpg") for number in range(count + 1))
        run = Run(path)
        with pytest.raises(Stop):
            run(sources, stop=count)
        run.done.clear()
        again = Run(path, "resume")
        sources = (Source(f"gone/{number:06}.jpg") for number in range(count + 1))
        tracemalloc.start()
        again(sources)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert again.done == [f"gone/{count:06}.jpg"]
    assert peaks[1] < peaks[0] + 200_000
