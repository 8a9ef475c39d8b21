"""Where the results of `senet predict` go: files, full disks and terminals, each in its format."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import zstandard
from PIL import Image

from senet_cli.__main__ import run
from senet_cli.cli.app import app
from senet_cli.output.base import open_output
from tests.cli.predictions import Done
from tests.conftest import Senet

# --- where results go ---------------------------------------------------------------------------


def test_the_format_follows_the_ending_unless_it_is_said(predict: Senet, few: Path, tmp_path: Path) -> None:
    for options, first in ((["-o", "a.json"], "["), (["-o", "b.json", "--format", "csv"], "path,rank,")):
        done = predict(few, "-k", 1, *options)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", f"wrote {options[1]}\n")
        assert (tmp_path / options[1]).read_text().startswith(first)
    assert len(json.loads((tmp_path / "a.json").read_text())) == 8


def test_a_result_file_that_cannot_be_written(shell: Callable[..., Done], few: Path) -> None:
    photo = next(few.iterdir())
    for target in ("no/such/folder/out.csv", ".", "/dev/full"):
        done = shell('senet predict "$1" -o "$2"', photo, target)
        assert done.returncode == 7, target
        assert done.stdout == ""
        assert re.match(r"error: writing (to )?`.*` failed: \w+", done.stderr), done.stderr
    done = shell('senet predict "$1" > /dev/full', photo)
    assert done.returncode == 7
    assert done.stderr == "error: writing to standard output failed: No space left on device\n"


def test_a_full_disk(shell: Callable[..., Done], few: Path, tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    probe = shell("unshare -m mount -t tmpfs -o size=8k none small")
    if probe.returncode:
        pytest.skip(f"a small file system cannot be mounted: {probe.stderr.strip()}")
    script = """
mount -t tmpfs -o size=8k none small
echo older > small/out.json
yes "$1" | head -n 100 | senet predict --from-file - -k 10 -o small/out.json
echo "${PIPESTATUS[2]}"
cat small/out.json
"""
    done = shell('exec unshare -m bash -c "$1" bash "$2"', script, next(few.iterdir()))
    assert done.stdout == "7\nolder\n"
    kept, failed = done.stderr.splitlines()
    assert kept == "what was written so far is in `small/out.json.partial`"
    assert re.fullmatch(r"error: writing .*out\.json.* failed: No space left on device", failed)


SHIP = Path(__file__).parent.parent.parent / "examples" / "ship.jpg"


def called(*arguments: object, monkeypatch: pytest.MonkeyPatch, command: str = "predict") -> int:
    """The exit code of a command in this process."""
    muting_nothing = ["-v"] if command == "predict" else []
    monkeypatch.setattr(sys, "argv", ["senet", command, *muting_nothing, *map(str, arguments)])
    return run(app)


def test_nothing_of_the_users_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found out before any work: the model that is named is not there, and nobody notices."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "photo"):
        shutil.copy(SHIP, name)
    Path("run").mkdir()
    for name, text in (("list.txt", "a.jpg"), ("run/model.json", "{}"), ("own.json", "{}"), ("w.txt", "")):
        Path(name).write_text(text)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for line in (
        "a.jpg -m no -o a.jpg",
        "a.jpg -m no -o photo --format csv",
        "a.jpg -m no -o new.jpg --format csv",
        "--from-file list.txt -m no -o list.txt",
        "list.txt -m no -o list.txt",
        "a.jpg -m no -o x.pth",
        "a.jpg -m no -o x.csv.bz2",
        "a.jpg -m no -o own.json --manifest own.json",
        "a.jpg -m run -o run/model.json",
        "a.jpg --weights w.txt --arch no -o w.txt",
        "a.jpg -m no -o r.tsv --spreadsheet-safe",
    ):
        assert called(*line.split(), monkeypatch=monkeypatch) == 2, line
        assert capsys.readouterr().err.startswith("error: `"), line
    assert called(*["a.jpg", "-m", "no", "-o", "x.pth", "--format", "csv"], monkeypatch=monkeypatch) == 4
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_reports_and_pictures_overwrite_nothing_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also before any work: neither data nor model are there."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(SHIP, "photo")
    Image.new("RGB", (8, 8)).save("photo.png")
    Path("truth.csv").write_text("a.jpg,1\n")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for line, code in {
        "evaluate no -m no -o photo": 2,
        "evaluate no -m no -o report.csv": 2,
        "evaluate no -m no -o photo.png --format json": 2,
        "evaluate no -m no -o truth.csv --ground-truth truth.csv --format json": 2,
        "evaluate no -m no --confusion photo.png": 2,
        "evaluate no -m no --confusion new.jpg": 2,
        "evaluate no -m no --confusion no/new.png": 7,
        "benchmark no -o photo": 2,
        "benchmark no -o no/new.json": 7,
        "benchmark no -o new.pth": 2,
    }.items():
        command, *arguments = line.split()
        assert called(*arguments, monkeypatch=monkeypatch, command=command) == code, line
        assert capsys.readouterr().err.startswith("error: "), line
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_run_finds_out_what_is_written_before_it_loads_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "out.tsv"
    with open_output(target) as out:
        out.write("first")
        assert called(SHIP, "-m", "no", "-o", target, monkeypatch=monkeypatch) == 7
        assert capsys.readouterr().err.startswith(f"error: another run writes `{target}`\n")
    assert target.read_text() == "first"


def test_compressed_files_and_descriptors(shell: Callable[..., Done], few: Path, tmp_path: Path) -> None:
    """What `output` is tested for, once through the command."""
    script = """
echo older > log
senet predict "$1" no.jpg -k 1 -q -o /dev/stdout >> log
senet predict "$1" no.jpg -k 1 -q -o r.NDJSON.zst
"""
    photo = next(few.iterdir())
    assert shell(script, photo).returncode == 1
    older, *lines = (tmp_path / "log").read_text().splitlines()
    assert older == "older"
    assert [line.split("\t")[0] for line in lines] == [str(photo), "no.jpg"]
    data = zstandard.ZstdDecompressor().decompressobj().decompress((tmp_path / "r.NDJSON.zst").read_bytes())
    assert [json.loads(line)["path"] for line in data.splitlines()] == [str(photo), "no.jpg"]


@pytest.mark.parametrize("command", ["predict", "list"])
def test_a_working_folder_that_is_gone_is_not_our_bug(command: str, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    script = 'cd gone && rmdir ../gone && exec "$@"'
    words = ["bash", "-c", script, "bash", sys.executable, "-P", "-m", "senet_cli", command]
    more = [str(SHIP), "-m", "seresnet32-cifar10.senet"] if command == "predict" else []
    done = subprocess.run([*words, *more], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert done.stderr.splitlines()[0] == "error: the current folder is not there any more"


# --- on a terminal ------------------------------------------------------------------------------


def on_terminal(
    environment: dict[str, str],
    cwd: Path,
    *arguments: str,
    stdout: bool = True,
    width: int = 80,
    descriptors: Sequence[int] = (),
) -> tuple[int, str, str]:
    """Run `senet predict` with standard error, and with `stdout` also that, on a terminal.

    Returns:
        Exit code, what came on standard output if that is none, and what the terminal got.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "senet_cli", "predict", *arguments],
        env=environment,
        cwd=cwd,
        stdin=follower,
        stdout=follower if stdout else subprocess.PIPE,
        stderr=follower,
        pass_fds=descriptors,
    )
    os.close(follower)
    seen: list[bytes] = []

    def watch() -> None:
        with contextlib.suppress(OSError):  # the terminal is gone when its last user is
            while chunk := os.read(leader, 2**16):
                seen.append(chunk)

    thread = threading.Thread(target=watch)
    thread.start()
    out, _ = process.communicate(timeout=120)
    thread.join()
    os.close(leader)
    return process.returncode, (out or b"").decode(), b"".join(seen).decode().replace("\r\n", "\n")


def test_a_table_on_a_terminal(environment: dict[str, str], tmp_path: Path, photos: list[Path]) -> None:
    arguments = [str(photos[0]), "gone\x1b]0;x\x07.jpg", "-k", "3"]
    colourful = {name: value for name, value in environment.items() if name != "NO_COLOR"}
    environment |= {"TERM": "xterm-256color"}
    code, _, plain = on_terminal(environment, tmp_path, *arguments)
    assert code == 1
    heading, *table = plain.splitlines()
    assert heading == str(photos[0])
    assert [row.split()[0] for row in table[:3]] == ["1", "2", "3"]
    bars = [row.count("━") for row in table[:3]]
    assert bars == sorted(bars, reverse=True)
    shares = [float(row.split()[-1].rstrip("%")) for row in table[:3]]
    assert bars == [round(share / 5) for share in shares]
    assert table[3].strip() == "gone\\x1b]0;x\\x07.jpg"
    assert table[4].strip() == "missing: no such file"
    assert table[5:] == ["1 of 2 images could not be classified"]
    assert "\x1b" not in plain
    code, _, coloured = on_terminal(colourful | {"TERM": "xterm-256color"}, tmp_path, *arguments)
    assert code == 1
    assert "\x1b[" in coloured
    assert "\x1b]" not in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_off_the_terminal_it_is_tsv(environment: dict[str, str], tmp_path: Path, photos: list[Path]) -> None:
    code, out, seen = on_terminal(environment, tmp_path, str(photos[0]), "-k", "1", "-q", stdout=False)
    assert (code, seen) == (0, "")
    (line,) = out.splitlines()
    assert line.split("\t")[:2] == [str(photos[0]), "1"]


def test_a_terminal_without_unicode_gets_bars_of_ascii(
    environment: dict[str, str], tmp_path: Path, photos: list[Path]
) -> None:
    shutil.copy(photos[0], tmp_path / "a.jpg")
    latin = {"PYTHONIOENCODING": "iso-8859-1", "PYTHONUTF8": "0", "LC_ALL": "C"}
    code, _, seen = on_terminal(environment | latin, tmp_path, "a.jpg", "-k", "2")
    assert code == 0
    assert seen.isascii()
    assert "###" in seen


def test_counting_for_the_progress_bar_takes_nothing_from_a_list_that_is_a_pipe(
    environment: dict[str, str], tmp_path: Path, photos: list[Path]
) -> None:
    """As in `senet predict --from-file <(find photos) > out.tsv`, typed at a terminal."""
    count = 4000  # more than a pipe holds
    read, write = os.pipe()

    def fill() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(write, "wb") as file:
            file.write((os.fsencode(photos[0].parent) + b"/gone.jpg\n") * count)

    thread = threading.Thread(target=fill)
    thread.start()
    listed = ["--from-file", f"/dev/fd/{read}"]
    code, out, seen = on_terminal(environment, tmp_path, *listed, stdout=False, descriptors=[read])
    os.close(read)
    thread.join()
    assert code == 1
    assert len(out.splitlines()) == count
    assert "4,000 of 4,000 images could not be classified" in seen
