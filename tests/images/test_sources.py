"""Files, folders, patterns, lists and standard input as one stream of sources."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from senet_cli.errors import DiskError, ImageError, UsageError
from senet_cli.images.decode import decode
from senet_cli.images.sources import EXTENSIONS, Source, SourceRequest, _entries, walk

ODD_NAME = b"caf\xe9.jpg"
"""Latin-1, no UTF-8."""


def plant(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"image")


def names(request: SourceRequest) -> list[str]:
    request.check()
    return [source.name for source in request.stream()]


def kind_of(source: Source) -> str:
    with pytest.raises(ImageError) as caught, source.open():
        pass
    assert caught.value.message
    return caught.value.kind


def content(source: Source) -> bytes:
    with source.open() as file:
        assert file.seekable()
        return file.read()


@dataclass
class Pipe:
    """A pipe that a thread fills, as a child of the shell would."""

    read: int

    @property
    def path(self) -> str:
        return f"/dev/fd/{self.read}"


@contextlib.contextmanager
def filled_pipe(data: bytes) -> Iterator[Pipe]:
    read, write = os.pipe()

    def fill() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield Pipe(read)
    finally:
        os.close(read)
        thread.join(10)
        assert not thread.is_alive()


def as_nobody(program: str, *arguments: object) -> str:
    """What a Python program prints as a user who may do nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    drop = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    imports = "import sys\nfrom senet_cli.errors import ImageError\nfrom senet_cli.images import sources\n"
    done = subprocess.run(
        [sys.executable, "-c", imports + drop + program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def open_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that every user may enter, whatever pytest's own are like."""
    folder = tmp_path_factory.mktemp("open")
    locked = [path for path in (folder, *folder.parents) if path.stat().st_mode & 0o005 != 0o005]
    before = [path.stat().st_mode for path in locked]
    for path in locked:
        path.chmod(0o755)
    yield folder
    for path, mode in zip(locked, before, strict=True):
        path.chmod(mode)


# --- folders ------------------------------------------------------------------------------------


def test_a_folder_is_sorted_by_the_bytes_of_whole_paths(tmp_path: Path) -> None:
    files = [
        *("a.jpg", "a/b.jpg", "a-c.jpg", "a0.jpg", "a/b/c.jpg", "a/b-c.jpg", "a/b0.jpg"),
        *("B.jpg", "Z/y.jpg", "b.jpg", "ä.jpg", "é/x.jpg", "z.jpg", "~.jpg", "日本.jpg", "\U0001f426.jpg"),
        *("a b.jpg", "a\tb.jpg", "a\nb.jpg", "10.jpg", "9.jpg", ".hidden.jpg", ".h/x.jpg", "\udcff.jpg"),
    ]
    plant(tmp_path, *files)
    found = [source.name for source in walk(str(tmp_path))]
    expected = sorted((f"{tmp_path}/{name}" for name in files), key=os.fsencode)
    assert found == expected
    assert expected != sorted(expected)  # characters sort otherwise: an undecodable byte before the bird
    slash_last = sorted(expected, key=lambda path: os.fsencode(path).replace(b"/", b"\xff"))
    assert expected != slash_last


@given(st.lists(st.lists(st.sampled_from(["a", "a-", "a.", "a0", "A", "ä", "-"]), min_size=1, max_size=3)))
def test_any_tree_is_sorted_and_complete(trees: list[list[str]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as root:
        for parts in trees:
            plant(Path(root), "/".join([*parts[:-1], parts[-1] + ".jpg"]))
        found = [source.name for source in walk(root)]
        there = [str(path) for path in Path(root).rglob("*.jpg") if path.is_file()]
        assert found == sorted(there, key=os.fsencode)


def test_the_name_is_as_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "in/a.jpg")
    monkeypatch.chdir(tmp_path)
    for typed, expected in [
        ("in", "in/a.jpg"),
        ("in/", "in/a.jpg"),
        ("./in", "./in/a.jpg"),
        (".", "./in/a.jpg"),
        ("in/a.jpg", "in/a.jpg"),
        ("./in//a.jpg", "./in//a.jpg"),
        (str(tmp_path / "in"), str(tmp_path / "in/a.jpg")),
    ]:
        assert names(SourceRequest([typed])) == [expected]


def test_arguments_keep_their_order_and_may_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "b/2.jpg", "b/1.jpg", "a.jpg", "z.jpg")
    monkeypatch.chdir(tmp_path)
    found = names(SourceRequest(["z.jpg", "b", "a.jpg", "z.jpg"]))
    assert found == ["z.jpg", "b/1.jpg", "b/2.jpg", "a.jpg", "z.jpg"]


def test_only_image_extensions_in_any_case_and_the_rest_is_counted(tmp_path: Path) -> None:
    images = [f"image{extension}" for extension in EXTENSIONS]
    images += ["A.JPG", "B.JpEg", "C.TIFF", "two.dots.png", "sub/D.WebP"]
    others = ["notes.txt", "jpg", "noextension", "a.jpg.bak", "sub/raw.dng", "archive.png.zip", ".jpg"]
    plant(tmp_path, *images, *others)
    request = SourceRequest([str(tmp_path)])
    assert set(names(request)) == {f"{tmp_path}/{name}" for name in images}
    assert request.skipped.count == len(others)
    assert request.skipped.example == f"{tmp_path}/.jpg"


def test_a_file_named_explicitly_is_tried_whatever_its_name(tmp_path: Path) -> None:
    plant(tmp_path, "photo.dat", "noextension")
    listed = tmp_path / "list.txt"
    listed.write_text(f"{tmp_path}/noextension\n")
    request = SourceRequest([f"{tmp_path}/photo.dat"], str(listed))
    assert names(request) == [f"{tmp_path}/photo.dat", f"{tmp_path}/noextension"]
    assert request.skipped.count == 0


def test_not_recursive(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "b/c.jpg", "b/d/e.jpg", "z.jpg", "notes.txt", "b/notes.txt")
    request = SourceRequest([str(tmp_path)], recursive=False)
    assert names(request) == [f"{tmp_path}/a.jpg", f"{tmp_path}/z.jpg"]
    assert request.skipped.count == 1
    assert names(SourceRequest([str(tmp_path)]))[1:3] == [f"{tmp_path}/b/c.jpg", f"{tmp_path}/b/d/e.jpg"]


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "sub" / "sub").mkdir(parents=True)
    assert names(SourceRequest([str(tmp_path)])) == []


def test_a_folder_with_the_name_of_an_image(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg/inside.jpg")
    assert names(SourceRequest([str(tmp_path)])) == [f"{tmp_path}/a.jpg/inside.jpg"]
    assert names(SourceRequest([f"{tmp_path}/a.jpg"])) == [f"{tmp_path}/a.jpg/inside.jpg"]
    assert kind_of(Source(f"{tmp_path}/a.jpg")) == "not_a_file"  # as in a list, where it stands for itself


# --- links --------------------------------------------------------------------------------------


def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    plant(tmp_path, "elsewhere/b.jpg", "elsewhere/sub/c.jpg", "in/z.jpg", "target.dat")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "file.jpg").symlink_to("../target.dat")
    (tmp_path / "start").symlink_to("in")
    inside = ["file.jpg", "link/b.jpg", "link/sub/c.jpg", "z.jpg"]
    for start in ("in", "start"):
        found = names(SourceRequest([f"{tmp_path}/{start}"]))
        assert found == [f"{tmp_path}/{start}/{name}" for name in inside]
    assert content(Source(f"{tmp_path}/in/file.jpg")) == b"image"


def test_the_same_folder_by_two_links_is_two_folders(tmp_path: Path) -> None:
    plant(tmp_path, "real/a.jpg")
    (tmp_path / "other").symlink_to("real")
    assert names(SourceRequest([str(tmp_path)])) == [f"{tmp_path}/other/a.jpg", f"{tmp_path}/real/a.jpg"]


def test_loops_of_links_are_broken(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "sub/b.jpg", "sub/deep/c.jpg")
    (tmp_path / "sub" / "self").symlink_to(".")
    (tmp_path / "sub" / "up").symlink_to("..")
    (tmp_path / "sub" / "deep" / "top").symlink_to(tmp_path)
    (tmp_path / "sub" / "deep" / "me").symlink_to("me")
    (tmp_path / "sub" / "me.jpg").symlink_to("me.jpg")
    found = list(walk(str(tmp_path)))
    images = ["a.jpg", "sub/b.jpg", "sub/deep/c.jpg", "sub/deep/me", "sub/me.jpg"]
    assert [source.name for source in found] == [f"{tmp_path}/{name}" for name in images]
    assert kind_of(found[-1]) == "unreadable"


def test_two_folders_that_hold_links_to_each_other(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "b").symlink_to("../b")
    (tmp_path / "b" / "a").symlink_to("../a")
    found = names(SourceRequest([str(tmp_path)]))
    assert found == [f"{tmp_path}/{name}" for name in ("a/1.jpg", "a/b/2.jpg", "b/2.jpg", "b/a/1.jpg")]


def test_a_dangling_link_is_missing(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (source,) = SourceRequest([str(tmp_path)]).stream()
    assert source.name == f"{tmp_path}/gone.jpg"
    assert kind_of(source) == "missing"
    assert kind_of(Source(f"{tmp_path}/never.jpg")) == "missing"
    assert kind_of(Source(f"{tmp_path}/gone.jpg/below.jpg")) == "missing"


# --- what is no file, and what may not be read --------------------------------------------------


@pytest.mark.timeout(30)
def test_pipes_devices_and_sockets_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(tmp_path / "socket.jpg"))
        sources = list(SourceRequest([str(tmp_path), f"{tmp_path}/fifo.jpg", "/dev/zero"]).stream())
        assert len(sources) == 4
        for source in sources:
            assert kind_of(source) == "not_a_file"
    assert kind_of(Source(str(tmp_path))) == "not_a_file"


def test_names_that_no_file_can_have() -> None:
    assert kind_of(Source("a\0b.jpg")) == "unreadable"
    assert kind_of(Source("x" * 5000 + ".jpg")) == "unreadable"
    assert kind_of(Source("")) == "missing"


def test_an_unreadable_file(open_folder: Path) -> None:
    plant(open_folder, "mine.jpg")
    (open_folder / "mine.jpg").chmod(0)
    program = """
try:
    sources.Source(sys.argv[1]).open()
except ImageError as error:
    print(error.kind, error.message)
"""
    assert as_nobody(program, open_folder / "mine.jpg") == "unreadable Permission denied\n"


def test_a_folder_that_cannot_be_listed_is_told_and_the_rest_goes_on(open_folder: Path) -> None:
    plant(open_folder, "a/1.jpg", "b/2.jpg", "b/sub/3.jpg", "c.jpg", "x/4.jpg", "x.jpg")
    (open_folder / "b").chmod(0o711)  # may be entered, not listed
    (open_folder / "x").chmod(0o644)  # may be listed, not entered
    program = """
for source in sources.SourceRequest([sys.argv[1]]).stream():
    try:
        source.open().close()
        print(source.name, "ok")
    except ImageError as error:
        print(source.name, error.kind)
"""
    if os.geteuid() == 0:
        os.chown(open_folder / "x", 1, 1)
    told = as_nobody(program, open_folder)
    assert told.replace(f"{open_folder}/", "").splitlines() == [
        "a/1.jpg ok",
        "b unreadable",
        "c.jpg ok",
        "x.jpg ok",
        "x/4.jpg unreadable",
    ]


def test_an_argument_that_cannot_be_listed(open_folder: Path) -> None:
    plant(open_folder, "b/2.jpg")
    (open_folder / "b").chmod(0)
    program = """
for source in sources.SourceRequest([sys.argv[1]]).stream():
    print(source.name, source.problem)
"""
    expected = f"{open_folder}/b the folder cannot be listed: Permission denied\n"
    assert as_nobody(program, open_folder / "b") == expected


def test_a_folder_that_vanishes_while_it_is_read(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "b/c.jpg", "d.jpg")
    stream = walk(str(tmp_path))
    assert next(stream).name == f"{tmp_path}/a.jpg"
    (tmp_path / "b" / "c.jpg").unlink()
    (tmp_path / "b").rmdir()
    rest = list(stream)
    assert [source.name for source in rest] == [f"{tmp_path}/b", f"{tmp_path}/d.jpg"]
    assert kind_of(rest[0]) == "unreadable"


# --- names that are no text ---------------------------------------------------------------------


def test_names_that_are_not_utf8_round_trip(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/" + ODD_NAME
    with open(path, "wb") as file:  # noqa: PTH123 - bytes
        file.write(b"odd")
    (found,) = SourceRequest([str(tmp_path)]).stream()
    assert os.fsencode(found.name) == path
    assert content(found) == b"odd"
    listed = tmp_path / "list"
    listed.write_bytes(path + b"\n")
    assert [os.fsencode(name) for name in names(SourceRequest(list_file=str(listed)))] == [path]
    pattern = os.fsdecode(os.fsencode(tmp_path) + b"/caf[\xe9]*")
    assert [os.fsencode(name) for name in names(SourceRequest([pattern]))] == [path]


def test_a_folder_whose_name_is_not_utf8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(folder)  # noqa: PTH102 - bytes
    with open(folder + b"/\x80.png", "wb"):  # noqa: PTH123 - bytes
        pass
    assert [os.fsencode(source.name) for source in walk(str(tmp_path))] == [folder + b"/\x80.png"]


# --- patterns -----------------------------------------------------------------------------------


def test_patterns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "b.jpg", "a.jpg", "a.txt", "sub/c.jpg", "sub/deep/d.jpg", "sub/deep/e.png", "a-/x.jpg")
    plant(tmp_path, "x\udcff.gif", "x\U0001f426.gif", "xä.gif")
    (tmp_path / "folder.jpg").mkdir()
    monkeypatch.chdir(tmp_path)
    for pattern, expected in [
        ("*.jpg", ["a.jpg", "b.jpg"]),
        ("?.*", ["a.jpg", "a.txt", "b.jpg"]),
        ("[b-z].jpg", ["b.jpg"]),
        ("*/*.jpg", ["a-/x.jpg", "sub/c.jpg"]),
        ("**/*.jpg", ["a-/x.jpg", "a.jpg", "b.jpg", "sub/c.jpg", "sub/deep/d.jpg"]),
        ("sub/**", ["sub/c.jpg", "sub/deep/d.jpg", "sub/deep/e.png"]),
        ("*.gif", ["xä.gif", "x\U0001f426.gif", "x\udcff.gif"]),  # by bytes, not by characters
    ]:
        assert names(SourceRequest([pattern])) == expected, pattern


def test_a_deep_pattern_does_not_run_round_in_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "g/a.jpg", "g/b/c.jpg", "g/.hidden/d.jpg")
    (tmp_path / "g" / "loop").symlink_to(".")
    (tmp_path / "g" / "b" / "up").symlink_to("..")
    monkeypatch.chdir(tmp_path)
    assert names(SourceRequest(["g/**/*.jpg"])) == ["g/a.jpg", "g/b/c.jpg"]
    assert names(SourceRequest(["**/c.jpg"])) == ["g/b/c.jpg"]
    assert names(SourceRequest([f"{tmp_path}/g/**/b/*.jpg"])) == [f"{tmp_path}/g/b/c.jpg"]


def test_a_pattern_that_nothing_matches_is_a_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, "a.jpg")
    monkeypatch.chdir(tmp_path)
    missing, found = SourceRequest(["nowhere/*.jpg", "*.jpg"]).stream()
    assert (missing.name, missing.unmatched) == ("nowhere/*.jpg", True)
    assert (found.name, found.unmatched) == ("a.jpg", False)


def test_a_pattern_that_matches_a_folder_looks_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, "one/a.jpg", "one/b.txt", "other/c.jpg")
    monkeypatch.chdir(tmp_path)
    assert names(SourceRequest(["on*"])) == ["one/a.jpg"]


def test_a_file_whose_name_looks_like_a_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "shot [1].jpg", "shot 1.jpg", "what?.jpg", "dir[1]/x.jpg")
    monkeypatch.chdir(tmp_path)
    for name in ("shot [1].jpg", "what?.jpg"):
        assert names(SourceRequest([name])) == [name]
    assert names(SourceRequest(["dir[1]"])) == ["dir[1]/x.jpg"]
    Path("list").write_text("shot [1].jpg\n*.jpg\n")
    assert names(SourceRequest(list_file="list")) == ["shot [1].jpg", "*.jpg"]  # lists hold no patterns


# --- lists --------------------------------------------------------------------------------------


def test_a_list_by_lines(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_bytes(b"a.jpg\n\nb c.jpg\r\n  d.jpg \n\r\n#e.jpg\n\xe9.jpg\r\r\nlast.jpg")
    expected = [b"a.jpg", b"b c.jpg", b"  d.jpg ", b"#e.jpg", b"\xe9.jpg\r", b"last.jpg"]
    assert [os.fsencode(name) for name in names(SourceRequest(list_file=str(listed)))] == expected


def test_a_list_by_nul_holds_any_name(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    odd = [b"a\nb.jpg", b"\r.jpg", b" ", b"c.jpg\r", b"\\n.jpg", ODD_NAME]
    listed.write_bytes(b"\0".join(odd) + b"\0\0")
    found = names(SourceRequest(list_file=str(listed), null=True))
    assert [os.fsencode(name) for name in found] == odd


def test_arguments_come_before_the_list(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg")
    (tmp_path / "list").write_text("z.jpg\n")
    request = SourceRequest([f"{tmp_path}/a.jpg"], f"{tmp_path}/list")
    assert names(request) == [f"{tmp_path}/a.jpg", "z.jpg"]


def test_an_empty_list(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"\n\n")
    assert names(SourceRequest(list_file=f"{tmp_path}/list")) == []


def test_a_list_that_cannot_be_read_is_told_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"no-list.*No such file"):
        SourceRequest(list_file=f"{tmp_path}/no-list").check()
    with pytest.raises(UsageError, match="is a folder"):
        SourceRequest(list_file=str(tmp_path)).check()


def test_a_list_on_standard_input() -> None:
    with filled_pipe(b"a.jpg\0b\n.jpg\0") as pipe:
        request = SourceRequest(list_file="-", null=True, stdin=pipe.read)
        assert not request.repeatable
        assert names(request) == ["a.jpg", "b\n.jpg"]


@pytest.mark.timeout(30)
def test_a_list_on_standard_input_is_read_as_it_comes() -> None:
    read, write = os.pipe()
    try:
        stream = SourceRequest(list_file="-", stdin=read).stream()
        os.write(write, b"a.jpg\nb.j")
        assert next(stream).name == "a.jpg"
        os.write(write, b"pg\n")
        assert next(stream).name == "b.jpg"
        os.close(write)
        write = -1
        assert list(stream) == []
    finally:
        os.close(read)
        if write >= 0:
            os.close(write)


@pytest.mark.timeout(30)
def test_a_list_from_a_process_substitution() -> None:
    with filled_pipe(b"a.jpg\nb.jpg\n") as pipe:
        assert names(SourceRequest(list_file=pipe.path)) == ["a.jpg", "b.jpg"]


def test_a_list_that_is_a_pipe_is_not_repeatable() -> None:
    """Counting the images for the progress bar would take them away from the run."""
    with filled_pipe(b"a.jpg\nb.jpg\n") as pipe:
        request = SourceRequest(list_file=pipe.path)
        assert not request.repeatable
        assert names(request) == ["a.jpg", "b.jpg"]


def test_a_list_that_is_a_named_pipe(tmp_path: Path) -> None:
    """Whoever writes it opens it once; a reader that opens it twice loses names or waits for ever."""
    fifo = tmp_path / "list"
    os.mkfifo(fifo)
    reader = """
import sys, time
from senet_cli.images.sources import SourceRequest

request = SourceRequest(list_file=sys.argv[1])
request.check()
time.sleep(0.3)
print(*(source.name for source in request.stream()))
"""
    with subprocess.Popen(["sh", "-c", 'printf "a.jpg\\nb.jpg\\n" > "$0"', fifo]) as writer:
        try:
            done = subprocess.run(
                [sys.executable, "-c", reader, fifo], capture_output=True, text=True, timeout=10, check=False
            )
            assert done.stdout == "a.jpg b.jpg\n"
        finally:
            writer.kill()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


BITS = st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\0", b"\r\n", "ä".encode(), b"\xff", b"dir/b.jpg"]))
PLACES = st.lists(st.integers(0, 10**6))


@given(BITS.map(b"".join), PLACES)
def test_a_list_is_the_same_however_it_is_cut_into_chunks(data: bytes, places: list[int]) -> None:
    for separator in (b"\n", b"\0"):
        assert list(_entries(cut(data, places), separator)) == list(_entries([data], separator))


@given(st.lists(st.binary(min_size=1).filter(lambda name: b"\0" not in name)), PLACES)
def test_any_names_survive_a_list_by_nul(listed: list[bytes], places: list[int]) -> None:
    for data in (b"".join(name + b"\0" for name in listed), b"\0".join(listed)):
        found = _entries(cut(data, places), b"\0")
        assert [os.fsencode(name) for name in found] == listed


@given(st.lists(st.binary(min_size=1).filter(lambda name: b"\n" not in name and name[-1:] != b"\r")), PLACES)
def test_any_names_survive_a_list_by_lines(listed: list[bytes], places: list[int]) -> None:
    for end in (b"\n", b"\r\n"):
        found = _entries(cut(b"".join(name + end for name in listed), places), b"\n")
        assert [os.fsencode(name) for name in found] == listed


# --- standard input -----------------------------------------------------------------------------


def test_image_bytes_on_standard_input() -> None:
    buffer = io.BytesIO()
    Image.effect_noise((300, 300), 60).save(buffer, "PNG")  # more than a pipe holds at once
    assert len(buffer.getvalue()) > 2**16
    with filled_pipe(buffer.getvalue()) as pipe:
        request = SourceRequest(["-"], stdin=pipe.read)
        request.check()
        assert not request.repeatable
        (source,) = request.stream()
    assert source.name == "-"
    assert content(source) == content(source) == buffer.getvalue()
    with source.open() as file:
        assert decode(file).size == (300, 300)


def test_nothing_on_standard_input_is_an_image_without_bytes() -> None:
    with filled_pipe(b"") as pipe:
        (source,) = SourceRequest(["-"], stdin=pipe.read).stream()
    assert content(source) == b""


def test_standard_input_beside_files(tmp_path: Path) -> None:
    plant(tmp_path, "a.jpg", "b.jpg")
    with filled_pipe(b"bytes") as pipe:
        request = SourceRequest([f"{tmp_path}/a.jpg", "-", f"{tmp_path}/b.jpg"], stdin=pipe.read)
        sources = list(request.stream())
    assert [source.name for source in sources] == [f"{tmp_path}/a.jpg", "-", f"{tmp_path}/b.jpg"]
    assert [content(source) for source in sources] == [b"image", b"bytes", b"image"]


@pytest.mark.timeout(30)
def test_an_image_from_a_process_substitution() -> None:
    with filled_pipe(b"x" * 200_000) as pipe:
        (source,) = SourceRequest([pipe.path]).stream()
        assert content(source) == b"x" * 200_000


# --- wrong usage --------------------------------------------------------------------------------


def test_nothing_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="nothing to classify"):
        SourceRequest().check()


@pytest.mark.parametrize(
    ("arguments", "listed"), [(["-", "-"], None), (["-", "a.jpg", "-"], None), (["-"], "-")]
)
def test_standard_input_twice_is_wrong_usage(arguments: list[str], listed: str | None) -> None:
    with pytest.raises(UsageError, match="only once"):
        SourceRequest(arguments, listed).check()


def test_nul_without_a_list_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="--from-file"):
        SourceRequest(["a.jpg"], null=True).check()


def test_a_terminal_as_standard_input_is_wrong_usage() -> None:
    leader, follower = os.openpty()
    try:
        for request in (SourceRequest(["-"], stdin=follower), SourceRequest(list_file="-", stdin=follower)):
            with pytest.raises(UsageError, match="terminal"):
                request.check()
        SourceRequest(["a.jpg"], stdin=follower).check()
    finally:
        os.close(leader)
        os.close(follower)
