"""Lists and standard input as one stream of sources, and what is wrong usage of them."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from senet_cli.errors import DiskError, UsageError
from senet_cli.images.decode import decode
from senet_cli.images.sources import SourceRequest, _entries
from tests.images.inputs import ODD_NAME, content, filled_pipe, names, plant

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
