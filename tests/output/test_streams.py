"""Descriptors, pipes and mounts, as a shell hands them to a process; and what is compressed on its way."""

from __future__ import annotations

import errno
import gzip
import io
import os
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from senet_cli.errors import DiskError, OutputClosed, UsageError
from senet_cli.output import compression
from senet_cli.output.base import Output, open_output
from senet_cli.output.compression import compressor
from senet_cli.output.endings import format_of, report_format_of

Done = subprocess.CompletedProcess[str]

# --- what a shell hands over --------------------------------------------------------------------


@pytest.fixture
def shell(tmp_path: Path) -> Callable[[str], Done]:
    """A script of bash in which `put PATH` writes the line `new` to a path."""
    program = """
import sys
import threading
from pathlib import Path
from senet_cli.errors import SenetError
from senet_cli.output.base import open_output
try:
    with open_output(Path(sys.argv[1]), tell=lambda text: print(text, file=sys.stderr)) as out:
        print(end='lost if not flushed first:')
        out.write('new\\n')
except SenetError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""

    def run(script: str) -> Done:
        put = 'export PYTHON="$1" PROGRAM="$2"; put() { "$PYTHON" -c "$PROGRAM" "$1"; }; export -f put\n'
        return subprocess.run(
            ["bash", "-c", put + script, "bash", sys.executable, program],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_descriptors_and_special_files_are_written_as_they_are(
    shell: Callable[[str], Done], tmp_path: Path
) -> None:
    done = shell("""
echo older > log; put /dev/stdout >> log; echo younger >> log
{ put /dev/fd/1; echo done; } > braces
put /dev/fd/7 7> seven > words
put >(gzip > sub.gz) > words; while ! gzip -t sub.gz 2> words; do sleep 0.1; done
mkfifo pipe; cat pipe > piped & put pipe > words; wait
ln -s /dev/stderr link; put link 2> linked > words
put /dev/stdout | cat > through
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    words = "lost if not flushed first:"
    found = {name: (tmp_path / name).read_text() for name in ("log", "braces", "seven", "piped", "linked")}
    assert found == {
        **{"log": f"older\n{words}new\nyounger\n", "braces": f"{words}new\ndone\n"},
        **{"seven": "new\n", "piped": "new\n", "linked": "new\n"},
    }
    assert gzip.decompress((tmp_path / "sub.gz").read_bytes()) == b"new\n"
    assert not list(tmp_path.glob("*.partial*"))


def test_a_descriptor_that_cannot_be_written_is_a_disk_error(shell: Callable[[str], Done]) -> None:
    done = shell("put /dev/fd/9; echo $?; put /dev/stdin < /dev/null; echo $?")
    assert done.stdout.split() == ["7", "7"]
    for reason in ("Bad file descriptor", "not open for writing"):
        assert reason in done.stderr


def test_what_is_mounted_and_what_lies_in_a_protected_folder(
    shell: Callable[[str], Done], tmp_path: Path
) -> None:
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    done = shell("""
mkdir folder; echo older | tee below mounted > folder/in
unshare -m bash -c '
mount --bind below mounted && put mounted > words; echo $?; cat mounted
mount --bind folder folder; mount -o remount,bind,ro folder; mount --bind below folder/in
echo much older > below; put folder/in > words; echo $?
put folder/new > words; echo $?'
cat below mounted folder/in; ls
""")
    assert done.stdout == "0\nnew\n0\n7\nnew\nolder\nolder\nbelow\nfolder\nmounted\nwords\n"
    in_place, error = done.stderr.splitlines()
    assert (
        in_place == "no file can be made beside `folder/in` (Read-only file system): it is written in place"
    )
    assert error.startswith("writing `folder/new` failed: ")


# --- compression --------------------------------------------------------------------------------


def unpacked(path: Path) -> bytes:
    """What can be read so far, as of a file whose writer was killed."""
    data = path.read_bytes()
    if ".gz" in path.name.lower():
        return zlib.decompressobj(wbits=31).decompress(data)
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


@pytest.mark.parametrize("ending", ["gz", "zst", "GZ"])
def test_a_compressed_file_is_complete_and_its_beginning_is_readable(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out.csv.{ending}"
    text = "näme\udcff,1\r\n"
    with open_output(path) as out:
        out._clock = lambda: out._flushed + 1.0  # type: ignore[method-assign]
        for number in range(1, 4):
            out.write(text)
            assert unpacked(path.with_name(path.name + ".partial")).count(b"\r\n") == number
    assert unpacked(path) == 3 * text.encode(errors="surrogateescape")
    program = ["gzip", "-t"] if ending.lower() == "gz" else ["zstd", "-qt"]
    try:
        assert subprocess.run([*program, path], check=False).returncode == 0
    except FileNotFoundError:
        pytest.skip(f"there is no {program[0]} to ask")


def test_compressed_text_is_flushed_once_in_a_while() -> None:
    class Counting(io.StringIO):
        flushes = 0

        def flush(self) -> None:
            self.flushes += 1

    stream = Counting()
    times = iter([100.0, 100.1, 100.9, 101.0, 101.0, 101.5, 101.9, 102.1, 102.1])
    out = Output(stream, "x", pause=1.0, clock=lambda: next(times))
    for _ in range(6):
        out.write("a")
    assert stream.flushes == 2


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_an_interrupted_compressed_file_is_whole_as_far_as_it_goes(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"out.tsv.{ending}"
    with pytest.raises(KeyboardInterrupt), open_output(path) as out:  # noqa: PT012
        out.write("half\n")
        raise KeyboardInterrupt
    partial = tmp_path / f"out.tsv.{ending}.partial"
    data = partial.read_bytes()
    assert (gzip.decompress(data) if ending == "gz" else unpacked(partial)) == b"half\n"
    assert not path.exists()


def test_the_same_text_gives_the_same_bytes(tmp_path: Path) -> None:
    for ending in ("gz", "zst"):
        for name in ("a", "b"):
            with open_output(tmp_path / f"{name}.tsv.{ending}") as out:
                out.write("row\n" * 1000)
        assert (tmp_path / f"a.tsv.{ending}").read_bytes() == (tmp_path / f"b.tsv.{ending}").read_bytes()
        assert (tmp_path / f"a.tsv.{ending}").stat().st_size < 200


def test_a_full_disk_below_a_compressor_is_a_disk_error() -> None:
    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, _data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    for kind in ("gz", "zst"):
        stream = io.TextIOWrapper(compressor(io.BufferedWriter(Full()), kind))  # type: ignore[arg-type]
        with pytest.raises(DiskError, match="No space left"):
            Output(stream, "x").write("a" * 100_000)
        with pytest.raises(OSError, match="No space left"):
            stream.close()


def test_a_missing_library_is_said_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(UsageError, match="zstandard"), open_output(tmp_path / "a.csv.zst"):
        pytest.fail("nothing can be written")
    assert list(tmp_path.iterdir()) == []
    compression.check_compression("gz")


# --- endings ------------------------------------------------------------------------------------


def test_the_ending_says_the_format(tmp_path: Path) -> None:
    known = {
        **{"a.csv": "csv", "a.tsv": "tsv", "a.json": "json", "a.jsonl": "jsonl", "a.ndjson": "jsonl"},
        **{"a.table": "table", "A.CSV": "csv", "a.txt": "tsv", "csv": "tsv", "a.gz": "tsv", ".csv": "tsv"},
        **{"a.csv.gz": "csv", "a.Json.ZST": "json", "a.b.csv": "csv", "/dev/null": "tsv", "/dev/fd/1": "tsv"},
    }
    assert {name: format_of(Path(name)) for name in known} == known
    assert [report_format_of(Path(f"r{end}")) for end in ("", ".txt", ".json.gz")] == [
        "table",
        "table",
        "json",
    ]
    assert report_format_of(None) == "table"
    for name in ("a.json.bak", "a.parquet", "a.csv.bz2", "a.csv.gz.zst", "a.xlsx", "a.html", "a.zip", "a.py"):
        with pytest.raises(UsageError, match="not the ending of a format"):
            format_of(Path(name))
    with pytest.raises(UsageError, match=r"`\.csv`"):
        report_format_of(Path("r.csv"))
    (tmp_path / "a.dir").mkdir()
    assert format_of(tmp_path / "a.dir") == "tsv"  # its own error says what is wrong


# --- a reader that goes away --------------------------------------------------------------------


def test_a_pipe_that_nobody_reads_any_more(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=lambda: os.close(os.open(pipe, os.O_RDONLY)))
    thread.start()
    with pytest.raises(OutputClosed), open_output(pipe) as out:  # noqa: PT012
        thread.join()
        out.write("anything")
        out.write("more")
