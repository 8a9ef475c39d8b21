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

from senet_cli.cli.hints import hint
from senet_cli.errors import DiskError, ImageError, UsageError
from senet_cli.images.decode import decode
from senet_cli.images.lists import entries
from senet_cli.images.sources import Source, SourceRequest
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


BOM = b"\xef\xbb\xbf"


def test_a_byte_order_mark_is_not_part_of_the_first_name(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    for null, end in ((False, b"\n"), (False, b"\r\n"), (True, b"\0")):
        for names_listed in ([b"a.jpg", b"b.jpg"], ["\ufeffä.jpg".encode(), ODD_NAME], [b"a"], []):
            listed.write_bytes(BOM + b"".join(name + end for name in names_listed))
            found = names(SourceRequest(list_file=str(listed), null=null))
            assert [os.fsencode(name) for name in found] == names_listed, (null, end)
    listed.write_bytes(BOM + b"\r\n\na.jpg")
    assert names(SourceRequest(list_file=str(listed))) == ["a.jpg"]
    listed.write_bytes(b"a.jpg\n" + BOM + b"b.jpg\n")  # a mark is at the start or it is none
    assert names(SourceRequest(list_file=str(listed))) == ["a.jpg", "\ufeffb.jpg"]


def test_a_file_whose_name_begins_with_a_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plant(tmp_path, "\ufeffa.jpg")
    (tmp_path / "list").write_bytes(BOM + b"a.jpg\nb.jpg\n")
    assert names(SourceRequest(list_file="list")) == ["\ufeffa.jpg", "b.jpg"]


@pytest.mark.timeout(30)
def test_a_mark_that_comes_in_pieces() -> None:
    read, write = os.pipe()
    try:
        stream = SourceRequest(list_file="-", stdin=read).stream()
        for piece in (b"\xef", b"\xbb", b"\xbfa.jpg\n"):
            os.write(write, piece)
        os.close(write)
        write = -1
        assert [source.name for source in stream] == ["a.jpg"]
    finally:
        os.close(read)
        if write >= 0:
            os.close(write)


def test_a_list_in_utf_16_is_told_with_what_to_do(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    for encoding, kind in [
        *(("utf-16", "UTF-16"), ("utf-32", "UTF-32"), ("utf-16-le", "UTF-16"), ("utf-16-be", "UTF-16")),
    ]:
        listed.write_bytes("photos/a.jpg\r\nphotos/b.jpg\r\n".encode(encoding))
        with pytest.raises(UsageError, match=rf"`.*list` is {kind} text") as caught:
            SourceRequest(list_file=str(listed)).check()
        assert f"iconv -f {kind} -t UTF-8" in hint(caught.value)
    listed.write_bytes("\ufeff鳥.jpg\n".encode("utf-16-be"))
    with pytest.raises(UsageError, match="UTF-16"):
        SourceRequest(list_file=str(listed)).check()
    with filled_pipe("a.jpg\n".encode("utf-16")) as pipe:
        request = SourceRequest(list_file="-", stdin=pipe.read)
        with pytest.raises(UsageError, match="standard input is UTF-16"):
            list(request.stream())


def test_bytes_that_look_like_a_wide_mark_may_be_a_name(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_bytes(b"\xff\xfea.jpg\nb.jpg\n")  # Latin-1
    found = names(SourceRequest(list_file=str(listed)))
    assert [os.fsencode(name) for name in found] == [b"\xff\xfea.jpg", b"b.jpg"]


def test_a_list_by_nul_that_is_read_by_lines_is_told(tmp_path: Path) -> None:
    listed = tmp_path / "list"
    listed.write_bytes(b"photos/a.jpg\0photos/b.jpg\0")
    with pytest.raises(UsageError, match="NUL bytes") as caught:
        SourceRequest(list_file=str(listed)).check()
    assert "`-0`" in hint(caught.value)
    assert names(SourceRequest(list_file=str(listed), null=True)) == ["photos/a.jpg", "photos/b.jpg"]


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
from senet_cli.images.sources import Source, SourceRequest

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
        assert list(entries(cut(data, places), separator)) == list(entries([data], separator))


@given(st.lists(st.binary(min_size=1).filter(lambda name: b"\0" not in name)), PLACES)
def test_any_names_survive_a_list_by_nul(listed: list[bytes], places: list[int]) -> None:
    for data in (b"".join(name + b"\0" for name in listed), b"\0".join(listed)):
        found = entries(cut(data, places), b"\0")
        assert [os.fsencode(name) for name in found] == listed


@given(st.lists(st.binary(min_size=1).filter(lambda name: b"\n" not in name and name[-1:] != b"\r")), PLACES)
def test_any_names_survive_a_list_by_lines(listed: list[bytes], places: list[int]) -> None:
    for end in (b"\n", b"\r\n"):
        found = entries(cut(b"".join(name + end for name in listed), places), b"\n")
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


def test_standard_input_by_its_other_names() -> None:
    for name in ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"):
        with filled_pipe(b"bytes") as pipe:
            request = SourceRequest([name], stdin=pipe.read)
            request.check()
            assert not request.repeatable
            assert request.single
            (source,) = request.stream()
        assert (source.name, content(source)) == (name, b"bytes")
        with pytest.raises(UsageError, match="only once"):
            SourceRequest(["-", name]).check()
        with pytest.raises(UsageError, match="only once"):
            SourceRequest([name], "-").check()


def test_standard_input_by_its_name_in_a_process(tmp_path: Path) -> None:
    program = """
from senet_cli.images.sources import Source, SourceRequest
(source,) = SourceRequest(["/dev/stdin"]).stream()
print(source.open().read(), Source.named("/dev/stdin").open().read())
"""
    plant(tmp_path, "a.jpg")
    for shell in ('cat a.jpg | "$0" -c "$1"', '"$0" -c "$1" < a.jpg'):
        done = subprocess.run(
            ["sh", "-c", shell, sys.executable, program], cwd=tmp_path, capture_output=True, check=True
        )
        assert done.stdout in (b"b'image' b''\n", b"b'image' b'image'\n")  # a pipe is empty then


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
    with pytest.raises(UsageError) as caught:
        SourceRequest(["a.jpg"], null=True).check()
    assert "--from-file" in hint(caught.value)


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


@pytest.mark.parametrize(
    ("address", "how"),
    [
        ("https://example.org/a.jpg", "curl -L https://example.org/a.jpg | senet predict -"),
        (
            "HTTP://example.org/a%20b.jpg?size=2",
            "curl -L 'HTTP://example.org/a%20b.jpg?size=2' | senet predict -",
        ),
        ("ftp://example.org/a.jpg", "curl"),
        ("s3://bucket/a.jpg", "senet predict -"),
        ("file:///tmp/a.jpg", ": /tmp/a.jpg"),
    ],
)
def test_an_address_is_told_with_how_to_fetch_it(address: str, how: str) -> None:
    with pytest.raises(UsageError) as caught:
        SourceRequest(["a.jpg", address]).check()
    assert how in hint(caught.value)
    assert caught.value.message == f"`{address}` is an address, and only files are read"
    with pytest.raises(ImageError, match="is an address, and only files are read: ") as failed:
        Source.named(address).open()  # as in a list, or in Python
    assert failed.value.message.endswith(
        "the file itself, /tmp/a.jpg" if "file:" in address else "or pipe it in"
    )
    assert failed.value.kind == "missing"


def test_a_file_whose_path_looks_like_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plant(tmp_path, "https:/example.org/a.jpg")
    assert names(SourceRequest(["https://example.org/a.jpg"])) == ["https://example.org/a.jpg"]
    assert content(Source("https://example.org/a.jpg")) == b"image"
    assert names(SourceRequest(["c:/a.jpg"])) == ["c:/a.jpg"]
