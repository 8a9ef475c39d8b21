"""Names that are no text, and patterns in place of names."""

from __future__ import annotations

import os
from pathlib import Path

from senet_cli.images.sources import SourceRequest, walk
from tests.images.inputs import ODD_NAME, content, names

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
