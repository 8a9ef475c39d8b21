"""Folders as streams of sources: in order, through links, and past what is no file or may not be read."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from senet_cli.images.sources import EXTENSIONS, Source, SourceRequest, walk
from tests.images.inputs import content, kind_of, names, plant


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


# --- depth --------------------------------------------------------------------------------------


def dig(root: Path, depth: int, name: str = "d", every: int = 100) -> None:
    """Folders within each other, a file in some of them and in the last; by steps, as paths get long."""
    here = os.open(root, os.O_RDONLY)
    for level in range(1, depth + 1):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
        if level % every == 0 or level == depth:
            os.close(os.open("a.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.fixture
def deep_root(tmp_path: Path) -> Iterator[Path]:
    """A folder that is removed by a program that goes deep without recursion: pytest's own way does not."""
    root = tmp_path / "t"
    root.mkdir()
    yield root
    subprocess.run(["rm", "-rf", root], check=True)


def test_a_tree_deeper_than_python_recurses(deep_root: Path) -> None:
    dig(deep_root, 1100)
    plant(deep_root, "z.jpg")
    expected = [f"{deep_root}/{'d/' * level}a.jpg" for level in range(1100, 0, -100)]
    for request in (SourceRequest([str(deep_root)]), SourceRequest([f"{deep_root}/**/*.jpg"])):
        found = names(request)
        assert sorted(found, key=os.fsencode) == found
        assert found == [*sorted(expected, key=os.fsencode), f"{deep_root}/z.jpg"]
    assert content(Source(expected[0])) == b""


def test_deeper_than_paths_can_be_is_told_and_the_rest_goes_on(deep_root: Path) -> None:
    dig(deep_root, 25, "d" * 200, every=1)  # a path of more than 4,096 bytes
    plant(deep_root, "z.jpg")
    found = list(SourceRequest([str(deep_root)]).stream())
    problems = [source for source in found if source.problem]
    assert [kind_of(source) for source in problems] == ["unreadable"]
    assert "too long" in str(problems[0].problem)
    assert found[-1].name == f"{deep_root}/z.jpg"
    assert 15 < len(found) < 25
