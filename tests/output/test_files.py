"""Files that are complete when they appear: locks, names, modes, and where renaming cannot work."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from senet_cli.errors import DiskError
from senet_cli.images.sources import SourceRequest
from senet_cli.output import claims
from senet_cli.output.base import open_output
from senet_cli.output.claims import belongs_to, claim, partial_name
from senet_cli.output.files import write_file
from senet_cli.output.targets import find_target

pytestmark = pytest.mark.skipif(os.name != "posix", reason="locks and modes are those of POSIX")


def write(path: Path, text: str = "newer", said: list[str] | None = None) -> None:
    with open_output(path, tell=(said if said is not None else []).append) as out:
        out.write(text)


# --- one writer ---------------------------------------------------------------------------------


def test_a_second_writer_is_refused_and_the_first_one_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    with open_output(path) as out:
        out.write("first")
        for name in (path, tmp_path / "." / "out.tsv"):
            with pytest.raises(DiskError, match=r"another run writes `.*out\.tsv`"):
                write(name)
        assert sorted(each.name for each in tmp_path.iterdir()) == ["out.tsv.partial"]
    assert path.read_text() == "first"
    write(path, "second")
    assert path.read_text() == "second"


def test_a_file_is_locked_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that another run makes between the look and the leap."""
    path = tmp_path / "out.tsv"
    descriptor, _ = claim(find_target(path))
    monkeypatch.setattr(os.path, "lexists", lambda _path: False)
    used = claims._is_used
    asked: list[Path] = []

    def late(name: Path) -> bool:
        asked.append(name)
        return len(asked) > 9 and used(name)

    monkeypatch.setattr(claims, "_is_used", late)
    with pytest.raises(DiskError, match="another run"):
        claim(find_target(path))
    os.close(descriptor)
    assert [each.name for each in tmp_path.iterdir()] == ["out.tsv.partial"]


def test_many_runs_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    program = """
import sys, time
from pathlib import Path
from senet_cli.output.base import open_output
from senet_cli.errors import DiskError
sys.stdin.read(1)
try:
    with open_output(Path("out.tsv")) as out:
        for _ in range(20):
            out.write(sys.argv[1] * 100 + "\\n")
            time.sleep(0.02)
except DiskError as error:
    sys.exit(7)
"""
    read, gate = os.pipe()
    runs = [
        subprocess.Popen([sys.executable, "-c", program, letter], cwd=tmp_path, stdin=read)
        for letter in "abcd"
    ]
    os.close(read)
    os.write(gate, b"gggg")
    os.close(gate)
    codes = [run.wait(60) for run in runs]
    assert set(codes) <= {0, 7}
    assert 0 in codes
    lines = (tmp_path / "out.tsv").read_text().splitlines()
    assert len(lines) == 20
    assert lines == [lines[0]] * 20
    assert codes["abcd".index(lines[0][0])] == 0
    assert [each.name for each in tmp_path.iterdir()] == ["out.tsv"]


# --- names --------------------------------------------------------------------------------------


def test_a_partial_file_of_somebody_else_stays_as_it_is(tmp_path: Path) -> None:
    path, theirs, third = tmp_path / "r.tsv", tmp_path / "r.tsv.partial", tmp_path / "r.tsv.partial-2"
    theirs.write_text("precious")
    third.symlink_to("nowhere")
    said: list[str] = []
    with open_output(path, tell=said.append) as out:
        out.write("half")
        (line,) = said
        assert str(theirs) in line
        assert f"{path}.partial-3" in line
        assert (tmp_path / "r.tsv.partial-3").read_text() == "half"
        with pytest.raises(DiskError, match="another run"):
            write(path)
    assert path.read_text() == "half"
    assert theirs.read_text() == "precious"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["r.tsv", "r.tsv.partial", "r.tsv.partial-2"]


def test_names_as_long_as_the_system_takes(tmp_path: Path) -> None:
    for name in ("x" * 255, "ä" * 127, "x" * 244 + ".tsv"):
        write(tmp_path / name, name)
        assert (tmp_path / name).read_text() == name
        partial = partial_name(tmp_path / name, 12).name
        assert len(os.fsencode(partial)) <= 255
        assert partial.endswith(".partial-12")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["out.tsv", "x" * 255])
def test_a_run_does_not_take_what_it_writes_for_an_image(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    partial_name(tmp_path / name).write_text("theirs")
    for other in (
        "a.jpg",
        "out.tsv.partially",
        "out.tsv.partial.jpg",
        "more/out.tsv",
        "more/out.tsv.partial",
    ):
        Path(other).parent.mkdir(exist_ok=True)
        Path(other).write_text("")
    written = {str(path) for path in Path().rglob("*") if path.is_file() and path != partial_name(Path(name))}
    with open_output(Path(name)) as out:
        out.write("newer")
        for pattern in ("**", f"{tmp_path}/**", "./**"):
            request = SourceRequest([pattern], ignored=belongs_to(Path(name)))
            found = {os.path.relpath(source.name) for source in request.stream()}
            assert found == written
        request = SourceRequest(["."], ignored=belongs_to(Path(name)))
        assert [Path(source.name).name for source in request.stream()] == ["a.jpg", "out.tsv.partial.jpg"]
        assert request.skipped.count == len(written) - 2
    assert not belongs_to(None)("a.jpg")


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    path = tmp_path / "out.tsv"
    with open_output(path) as out:
        out.write("first")
        with pytest.raises(DiskError, match="another run"):
            write(path)
    assert path.read_text() == "first"
    assert [each.name for each in tmp_path.iterdir()] == ["out.tsv"]


def test_a_run_that_wrote_nothing_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_output(tmp_path / "a.csv.gz"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


# --- what the file is like ----------------------------------------------------------------------


def test_a_replaced_file_keeps_mode_and_attributes(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    for mode in (0o600, 0o640, 0o604, 0o666, 0o755):
        path.write_text("older")
        path.chmod(mode)
        write(path)
        assert path.stat().st_mode & 0o777 == mode
        assert path.read_text() == "newer"
        write_file(path, b"newest")
        assert path.stat().st_mode & 0o777 == mode
    if hasattr(os, "setxattr"):
        try:
            os.setxattr(path, "user.origin", b"camera")
        except OSError:
            pytest.skip("this file system has no attributes")
        write(path)
        assert os.getxattr(path, "user.origin") == b"camera"


def test_a_replaced_file_keeps_its_owner(tmp_path: Path) -> None:
    if os.getuid():
        pytest.skip("only the superuser writes other people's files")
    path = tmp_path / "out.tsv"
    path.write_text("older")
    os.chown(path, 1234, 4321)
    write(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    for mask in (0o022, 0o027, 0o077):
        before = os.umask(mask)
        try:
            write(tmp_path / f"{mask}.tsv")
        finally:
            os.umask(before)
        assert (tmp_path / f"{mask}.tsv").stat().st_mode & 0o777 == 0o666 & ~mask


def test_links_stay_links_and_other_names_stay_as_they_were(tmp_path: Path) -> None:
    path, link, other = tmp_path / "out.tsv", tmp_path / "link.tsv", tmp_path / "other.tsv"
    path.write_text("older")
    link.symlink_to("out.tsv")
    other.hardlink_to(path)
    write(link)
    assert link.is_symlink()
    assert (path.read_text(), other.read_text()) == ("newer", "older")


# --- where renaming cannot work -----------------------------------------------------------------


@pytest.fixture
def no_rename(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the file is a mount of its own."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(Path, "replace", refuse)


@pytest.mark.usefixtures("no_rename")
def test_a_file_that_cannot_be_replaced_is_written_in_place(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    path.write_text("older and longer than what comes")
    inode = path.stat().st_ino
    write(path)
    assert path.read_text() == "newer"
    assert path.stat().st_ino == inode
    assert [each.name for each in tmp_path.iterdir()] == ["out.tsv"]


@pytest.mark.usefixtures("no_rename")
def test_where_the_results_lie_is_said_if_nothing_works(tmp_path: Path) -> None:
    path = tmp_path / "out.tsv"
    with pytest.raises(DiskError, match="writing") as caught, open_output(path) as out:  # noqa: PT012
        out.write("newer")
        path.mkdir()
    assert f"{path}.partial" in caught.value.hint
    assert (tmp_path / "out.tsv.partial").read_text() == "newer"


def test_a_partial_file_that_somebody_removes_is_no_loss(tmp_path: Path) -> None:
    path, partial = tmp_path / "out.tsv", tmp_path / "out.tsv.partial"
    for theirs in (None, "theirs"):
        with open_output(path) as out:
            out.write("newer")
            partial.unlink()
            if theirs:
                partial.write_text(theirs)
        assert path.read_text() == "newer"
        assert partial.exists() == bool(theirs)
    assert partial.read_text() == "theirs"


@pytest.fixture
def no_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a folder that may not be written."""
    usual = os.open

    def refuse(path: str, flags: int, *more: int) -> int:
        if flags & os.O_EXCL:
            raise PermissionError(errno.EACCES, "Permission denied")
        return usual(path, flags, *more)

    monkeypatch.setattr(os, "open", refuse)


@pytest.mark.usefixtures("no_neighbours")
@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
def test_a_folder_that_may_not_be_written_is_no_reason_not_to_write_the_file(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    with pytest.raises(DiskError, match="Permission denied"):
        write(tmp_path / "new.csv")
    path.write_bytes(b"older")
    said: list[str] = []
    with pytest.raises(ZeroDivisionError), open_output(path, tell=said.append):
        raise ZeroDivisionError
    assert path.read_bytes() == b"older"  # up to the first byte
    assert len(said) == 1
    assert "written in place" in said[0]
    with open_output(path) as out:
        out.write("newer")
        with pytest.raises(DiskError, match="another run"):
            write(path)
    assert content(path) == b"newer"
    with open_output(path):
        pass
    assert content(path) == b""
    said.clear()
    with pytest.raises(ZeroDivisionError), open_output(path, tell=said.append) as out:  # noqa: PT012
        out.write("half")
        raise ZeroDivisionError
    assert content(path) == b"half"
    assert said[-1] == f"what was written so far is in `{path}`"
    assert [each.name for each in tmp_path.iterdir()] == [name]


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
