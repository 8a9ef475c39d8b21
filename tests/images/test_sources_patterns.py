"""Patterns in place of names: those of bash with `globstar`, folders that match looked into."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from senet_cli.errors import ImageError
from senet_cli.images.sources import EXTENSIONS, SourceRequest
from tests.images.inputs import kind_of, names, plant


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


def test_folders_match_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "t/cats/a.jpg", "t/x/cats/b.jpg", "t/x/cows/deep/d.jpg", "t/x/cows/notes.txt", "t/c.jpg")
    plant(tmp_path, "t/cats/.hidden.jpg", "t/.h/cats/no.jpg")
    (tmp_path / "t" / "canyon").mkdir()
    monkeypatch.chdir(tmp_path)
    for pattern, expected in [
        ("t/**/cats", ["t/cats/.hidden.jpg", "t/cats/a.jpg", "t/x/cats/b.jpg"]),
        (
            "t/**/c*",
            ["t/c.jpg", "t/cats/.hidden.jpg", "t/cats/a.jpg", "t/x/cats/b.jpg", "t/x/cows/deep/d.jpg"],
        ),
        ("t/**/c*/", ["t/cats/.hidden.jpg", "t/cats/a.jpg", "t/x/cats/b.jpg", "t/x/cows/deep/d.jpg"]),
        ("**/cows/*", ["t/x/cows/deep/d.jpg", "t/x/cows/notes.txt"]),
        ("t/**/canyon", []),
        (f"{tmp_path}/t/x/**/cats", [f"{tmp_path}/t/x/cats/b.jpg"]),
    ]:
        request = SourceRequest([pattern])
        assert names(request) == expected, pattern
        assert request.skipped.count == (1 if "c*" in pattern else 0), pattern
    flat = SourceRequest(["t/**/c*"], recursive=False)
    assert names(flat) == [name for name in names(SourceRequest(["t/**/c*"])) if "deep" not in name]


def test_many_stars_in_a_deep_tree_take_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "/".join("abcde"[number % 5] for number in range(25))
    plant(tmp_path, f"{deep}/x.jpg", f"{deep}/y.png")
    monkeypatch.chdir(tmp_path)
    steps = 0
    real = os.scandir

    def counted(path: str) -> object:
        nonlocal steps
        steps += 1
        return real(path)

    monkeypatch.setattr(os, "scandir", counted)
    assert names(SourceRequest(["**/**/*/**/a/**/b/**/*/**/*.jpg"])) == [f"{deep}/x.jpg"]
    assert steps == 26  # each folder once


def test_a_pattern_is_not_looked_for_where_it_cannot_match(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, "a/one/x.jpg", "a/two/x.jpg", "b/one/x.jpg", "a/one/deep/deeper/x.jpg")
    monkeypatch.chdir(tmp_path)
    listed = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(path) or real(path))
    assert names(SourceRequest(["a/*/x.jpg"])) == ["a/one/x.jpg", "a/two/x.jpg"]
    assert listed == ["a"]


def test_a_pattern_yields_its_first_file_before_it_knows_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(tmp_path, *(f"{number}/x.jpg" for number in range(9)))
    monkeypatch.chdir(tmp_path)
    stream = SourceRequest(["**/*.jpg"]).stream()
    assert next(stream).name == "0/x.jpg"
    shutil.rmtree("8")
    rest = list(stream)
    assert [source.name for source in rest] == [*(f"{number}/x.jpg" for number in range(1, 8)), "8"]
    assert kind_of(rest[-1]) == "unreadable"


def test_links_are_followed_and_loops_are_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "t/a/x.jpg", "elsewhere/y.jpg", "elsewhere/sub/z.jpg")
    (tmp_path / "t" / "link").symlink_to("../elsewhere")
    (tmp_path / "t" / "a" / "up").symlink_to("..")
    (tmp_path / "t" / "a" / "me").symlink_to(".")
    monkeypatch.chdir(tmp_path)
    assert names(SourceRequest(["t/**/*.jpg"])) == ["t/a/x.jpg", "t/link/sub/z.jpg", "t/link/y.jpg"]
    assert names(SourceRequest(["t/**"])) == ["t/a/x.jpg", "t/link/sub/z.jpg", "t/link/y.jpg"]
    assert names(SourceRequest(["t/*/me/*.jpg"])) == ["t/a/me/x.jpg"]  # asked for by name
    assert names(SourceRequest(["t/a/m*"])) == [
        "t/a/me/up/link/sub/z.jpg",
        "t/a/me/up/link/y.jpg",
        "t/a/me/x.jpg",
    ]


# --- bash is the judge --------------------------------------------------------------------------

FOLDERS = st.sampled_from(["a", "b", "ab", ".h", "a.b", "a-"])
FILES = st.sampled_from(["a.jpg", "7.png", ".h.jpg", "n.txt", "a", "[a].jpg", "ä.jpg", "\udcff.jpg"])
TREES = st.lists(st.tuples(st.lists(FOLDERS, max_size=4), FILES), max_size=12)
PARTS = st.sampled_from(
    [
        *("**", "**", "**", "*", "a", "b", "a*", "*a", "?", "??", "*.jpg", "*.*", ".*", ".h", ".h*"),
        *("[ab]", "[!a]", "[^a]*", "[a-]*", "[[:digit:]]*", "a**b", "***", "[]a]", "[a", "*[.]*"),
    ]
)
PATTERNS = st.lists(
    st.tuples(st.lists(PARTS, min_size=1, max_size=5).map("/".join), st.sampled_from(["", "", "/"])).map(
        "".join
    ),
    min_size=1,
    max_size=8,
)


def globs_of_bash(patterns: list[str], folder: str) -> list[list[str]]:
    script = """
shopt -s globstar nullglob
IFS=
for pattern; do
  for found in $pattern; do printf '%s\\0' "$found"; done
  printf '\\0'
done
"""
    done = subprocess.run(
        ["bash", "-c", script, "bash", *patterns],
        cwd=folder,
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]},
    )
    found: list[list[str]] = [[]]
    for text in done.stdout.split(b"\0")[:-1]:
        if text:
            found[-1].append(os.fsdecode(text))
        else:
            found.append([])
    return found[:-1]


def files_of(matches: list[str], folder: str) -> list[str]:
    """What the shell's words mean to the command: files themselves, and the images in folders, each once."""
    files = set()
    for match in matches:
        path = os.path.join(folder, match)
        if os.path.isdir(path):
            for below, _, held in os.walk(path):
                paths = (os.path.join(below, name) for name in held)
                files |= {p for p in paths if os.path.splitext(p)[1].lower() in EXTENSIONS}
        else:
            files.add(path)
    return sorted((os.path.relpath(path, folder) for path in files), key=os.fsencode)


@settings(max_examples=60)
@example([(["t", "x"], "c.jpg"), (["t", "cats"], "a.jpg")], ["t/**/cats", "t/**/c*"])
@example([(["a"], "a.jpg"), ([], "n.txt")], ["**", "a/**", "**/", "**/**", "**/*", "a/**/**/"])
@example([([], "a.jpg")], ["*.jpg/**", "*.jpg/", "*.jpg/*", "**/*.jpg/**/"])
@given(TREES, PATTERNS)
def test_bash_finds_the_same(tree: list[tuple[list[str], str]], patterns: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for parents, name in tree:
            try:
                plant(Path(folder), "/".join([*parents, name]))
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                continue  # a name cannot be both
        for pattern, words in zip(patterns, globs_of_bash(patterns, folder), strict=True):
            if not glob.has_magic(pattern) or os.path.lexists(os.path.join(folder, pattern)):
                continue  # a file by that very name
            # where a bracket is not closed, bash takes the word as it is
            matches = [] if words == [pattern] else words
            before = os.getcwd()
            os.chdir(folder)
            try:
                found = list(SourceRequest([pattern]).stream())
            finally:
                os.chdir(before)
            assert [source.name for source in found if not source.problem] == files_of(matches, folder), (
                pattern
            )
            missing = [source for source in found if source.problem]
            assert [source.name for source in missing] == ([] if matches else [pattern]), pattern
            assert all(isinstance(source.problem, ImageError) and source.unmatched for source in missing)
