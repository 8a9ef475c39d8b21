"""Partial files: one owner each, taken over from the dead and never from the living."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from senet_cli.store import partial
from senet_cli.store.partial import FetchedFrom, claimed
from tests.store.worlds import NOBODYS_PID, SHA256, contents, leave_behind, sha256

ORIGIN = FetchedFrom("https://nowhere.invalid/a.pth", '"one"')
OTHER_KEY = "0" * 64


@pytest.fixture
def folder(root: Path) -> Path:
    return root / "partial"


def left(folder: Path) -> dict[str, bytes]:
    """Contents of the partial files for `SHA256`."""
    return {path.name: path.read_bytes() for path in folder.glob(f"{SHA256}.*.part")}


# --- one's own ---


def test_a_new_one_is_empty_and_named_after_its_owner(folder: Path) -> None:
    with claimed(folder, SHA256, locked=True) as mine:
        assert (mine.size, mine.sha256, mine.origin, mine.whole) == (0, sha256(b""), None, True)
        key, owner, suffix = mine.path.name.split(".")
        assert (key, suffix) == (SHA256, "part")
        assert owner.startswith(f"{partial._host()}-{os.getpid()}-")


def test_what_was_appended_is_kept_and_adopted(folder: Path) -> None:
    """The digest of the whole goes on, and so does the memory of where it came from."""
    with claimed(folder, SHA256, locked=True) as mine:
        mine.set_origin(ORIGIN)
        mine.append(b"one ")
        first = mine.path
    assert set(left(folder).values()) == {b"one "}
    with claimed(folder, SHA256, locked=True) as mine:
        assert mine.path != first
        assert (mine.size, mine.origin, mine.whole) == (4, ORIGIN, False)
        mine.append(b"two")
        assert mine.sha256 == sha256(b"one two")
    assert set(left(folder).values()) == {b"one two"}
    assert len(contents(folder)) == 2


def test_an_empty_one_leaves_nothing(folder: Path) -> None:
    with claimed(folder, SHA256, locked=True) as mine:
        mine.set_origin(ORIGIN)
    assert contents(folder) == set()


def test_one_that_began_again_and_got_nothing_leaves_nothing(folder: Path) -> None:
    leave_behind(folder.parent, b"old", url=ORIGIN.url)
    with claimed(folder, SHA256, locked=True) as mine:
        mine.restart()
        assert (mine.size, mine.sha256, mine.origin, mine.whole) == (0, sha256(b""), None, True)
    assert contents(folder) == set()


def test_beginning_again_overwrites(folder: Path) -> None:
    leave_behind(folder.parent, b"a long one")
    with claimed(folder, SHA256, locked=True) as mine:
        mine.restart()
        mine.append(b"short")
        assert mine.sha256 == sha256(b"short")
    assert [*left(folder).values()] == [b"short"]


def test_installing_takes_it_away(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    with claimed(folder, SHA256, locked=True) as mine:
        mine.set_origin(ORIGIN)
        mine.append(b"all")
        mine.install(target)
    assert target.read_bytes() == b"all"
    assert contents(folder) == set()


def test_an_error_keeps_what_is_there(folder: Path) -> None:
    def interrupted() -> None:
        with claimed(folder, SHA256, locked=True) as mine:
            mine.append(b"some")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [*left(folder).values()] == [b"some"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_given_its_room_back(folder: Path, number: int) -> None:
    leave_behind(folder.parent, b"old", url=ORIGIN.url)

    def fill() -> None:
        with claimed(folder, SHA256, locked=True) as mine:
            mine.append(b"more")
            raise OSError(number, "full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert contents(folder) == set()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_with_bytes_still_to_be_written(folder: Path) -> None:
    """A real disk that is full: each attempt to write what is buffered fails, the last one included."""

    def fill() -> None:
        with claimed(folder, SHA256, locked=True) as mine:
            full = os.open("/dev/full", os.O_WRONLY)
            os.dup2(full, mine._file.fileno())
            os.close(full)
            mine.append(b"buffered")
            mine._file.flush()

    with pytest.raises(OSError, match="No space left"):
        fill()
    assert contents(folder) == set()


# --- whose is it? ---


def test_another_host_needs_the_lock(folder: Path) -> None:
    there = leave_behind(folder.parent, b"theirs", host="another-host", pid=os.getpid())
    with claimed(folder, SHA256, locked=False) as mine:
        assert mine.size == 0
        assert there.exists()
    with claimed(folder, SHA256, locked=True) as mine:
        assert mine.size == 6
        assert not there.exists()


@pytest.fixture
def living() -> Iterator[int]:
    """Id of a process that runs."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.communicate(b"\n")


@pytest.mark.parametrize("locked", [True, False])
def test_a_living_owner_keeps_it(folder: Path, living: int, locked: bool) -> None:
    """Whatever a lock says: it may lie."""
    theirs = leave_behind(folder.parent, b"theirs", pid=living)
    with claimed(folder, SHA256, locked=locked) as mine:
        assert mine.size == 0
    assert theirs.read_bytes() == b"theirs"


@pytest.mark.parametrize("locked", [True, False])
def test_a_dead_owner_does_not(folder: Path, locked: bool) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    leave_behind(folder.parent, b"dead", pid=process.pid)
    with claimed(folder, SHA256, locked=locked) as mine:
        assert mine.size == 4
    assert len(left(folder)) == 1


def test_a_process_of_someone_else_lives_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may not be asked, which is an answer."""

    def forbid(_pid: int, _signal: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", forbid)
    leave_behind(folder.parent, b"theirs", pid=1)
    with claimed(folder, SHA256, locked=True) as mine:
        assert mine.size == 0


def test_an_earlier_process_with_our_number(folder: Path) -> None:
    """In a container every first process has the same one."""
    leave_behind(folder.parent, b"before", pid=os.getpid())
    with claimed(folder, SHA256, locked=False) as mine:
        assert mine.size == 6


def test_two_of_this_process_at_the_same_time(folder: Path) -> None:
    with claimed(folder, SHA256, locked=True) as one:
        one.append(b"one")
        with claimed(folder, SHA256, locked=True) as other:
            other.append(b"other")
            assert other.size == 5
    assert sorted(left(folder).values()) == [b"one", b"other"]


def test_a_number_that_no_process_has(folder: Path) -> None:
    theirs = leave_behind(folder.parent, b"odd", pid=10**30)
    with claimed(folder, SHA256, locked=True) as mine:
        assert mine.size == 0
    assert theirs.exists()


@pytest.mark.parametrize("name", ["machine.example.org", "ma chine/..", "\N{SNOWMAN}", "x" * 300, ""])
def test_any_name_of_a_host_will_do(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: name)
    with claimed(folder, SHA256, locked=False) as mine:
        mine.append(b"here")
        assert mine.path.parent == folder
    with claimed(folder, SHA256, locked=False) as mine:
        assert mine.size == 4


# --- many that were left behind ---


def test_the_largest_is_adopted_and_the_others_are_removed(folder: Path) -> None:
    for count in (10, 30, 20):
        leave_behind(folder.parent, bytes(count), url=f"https://nowhere.invalid/{count}")
    with claimed(folder, SHA256, locked=True) as mine:
        assert mine.size == 30
        assert mine.origin == FetchedFrom("https://nowhere.invalid/30", None)
        assert len(contents(folder)) == 2
    assert len(contents(folder)) == 2


def test_other_files_are_left_alone(folder: Path) -> None:
    other = leave_behind(folder.parent, b"another key", sha256=OTHER_KEY)
    strange = folder / f"{SHA256}.what-is-this.part"
    strange.write_bytes(b"strange")
    with claimed(folder, SHA256, locked=True) as mine:
        assert mine.size == 0
    assert contents(folder) == {other.name, strange.name}


def test_a_prefix_is_not_mistaken_for_a_longer_key(folder: Path) -> None:
    leave_behind(folder.parent, b"full digest")
    with claimed(folder, SHA256[:8], locked=True) as mine:
        assert mine.size == 0


def test_a_note_without_its_file_is_removed(folder: Path, living: int) -> None:
    """A kill between two renamings leaves one; that of a process which may be between them stays."""
    gone = leave_behind(folder.parent, b"", url=ORIGIN.url)
    kept = leave_behind(folder.parent, b"", url=ORIGIN.url, pid=living)
    gone.unlink()
    kept.unlink()
    with claimed(folder, SHA256, locked=True):
        pass
    assert contents(folder) == {f"{kept.name}.json"}


def test_another_process_is_faster(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is listed may be gone when it is looked at, and when it is renamed."""
    for count in (10, 20):
        leave_behind(folder.parent, bytes(count))
    original = partial._abandoned

    def take(path: Path, *, locked: bool) -> bool:
        answer = original(path, locked=locked)
        path.unlink()
        return answer

    monkeypatch.setattr(partial, "_abandoned", take)
    with claimed(folder, SHA256, locked=True) as mine:
        assert mine.size == 0
    assert contents(folder) == set()


class Killed(BaseException):
    """Nothing of ours catches it, as nothing catches SIGKILL."""


@pytest.mark.parametrize("moment", range(6))
def test_killed_while_it_changes_hands_a_file_keeps_its_note(
    folder: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """Before and after each of the three steps."""
    leave_behind(folder.parent, b"some", url=ORIGIN.url, validator=ORIGIN.validator)
    moments = iter(range(6))

    def step(original: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **options: object) -> object:
            if next(moments, None) == moment:
                raise Killed
            result = original(*arguments, **options)
            if next(moments, None) == moment:
                raise Killed
            return result

        return run

    with monkeypatch.context() as patch:
        for name in ("hardlink_to", "rename", "unlink"):
            patch.setattr(Path, name, step(getattr(Path, name)))
        with pytest.raises(Killed), claimed(folder, SHA256, locked=True):
            pass
    (path,) = folder.glob(f"{SHA256}.*.part")
    assert partial._read_origin(path) == ORIGIN
    with claimed(folder, SHA256, locked=True) as mine:
        assert (mine.size, mine.origin) == (4, ORIGIN)


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"url": 1}', "\0", '{"url": "u", "validator": []}'])
def test_a_damaged_note_does_not_matter(folder: Path, note: str) -> None:
    path = leave_behind(folder.parent, b"some", url=ORIGIN.url)
    path.with_name(path.name + ".json").write_text(note)
    with claimed(folder, SHA256, locked=True) as mine:
        assert mine.size == 4
        mine.set_origin(ORIGIN)
    with claimed(folder, SHA256, locked=True) as mine:
        assert mine.origin == ORIGIN


# --- what someone planted ---


def plant_link(name: Path, victim: Path) -> None:
    name.symlink_to(victim)


def plant_hard_link(name: Path, victim: Path) -> None:
    name.hardlink_to(victim)


def plant_pipe(name: Path, _victim: Path) -> None:
    os.mkfifo(name)


@pytest.mark.timeout(30)
@pytest.mark.parametrize("plant", [plant_link, plant_hard_link, plant_pipe])
def test_planted_files_are_replaced(
    folder: Path, tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    """Both the file and its note."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"not yours")
    name = leave_behind(folder.parent, b"", pid=NOBODYS_PID)
    name.unlink()
    plant(name, victim)
    plant(name.with_name(name.name + ".json"), victim)
    with claimed(folder, SHA256, locked=True) as mine:
        assert (mine.size, mine.origin) == (0, None)
        mine.set_origin(ORIGIN)
        mine.append(b"mine")
    assert victim.read_bytes() == b"not yours"
    assert victim.stat().st_nlink == 1
    (path,) = folder.glob("*.part")
    assert path.read_bytes() == b"mine"
    assert path.is_file()
    assert not path.is_symlink()


def test_a_link_that_appears_late_is_not_followed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at our name and its opening."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"not yours")
    original = os.open

    def plant(path: Path, *arguments: int) -> int:
        if str(path).endswith(".part"):
            Path(path).symlink_to(victim)
        return original(path, *arguments)

    monkeypatch.setattr(os, "open", plant)
    with pytest.raises(OSError, match="symbolic links"), claimed(folder, SHA256, locked=True):
        pass
    assert victim.read_bytes() == b"not yours"
