"""Names that are no text, and patterns in place of names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from senet_cli.images.sources import SourceRequest, walk
from tests.images.inputs import ODD_NAME, content, names, plant

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
