"""What stops a run of `senet predict`: signals, whatever it waits for, and a failure where that is asked."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.cli.predictions import rows
from tests.conftest import Senet


@contextlib.contextmanager
def endless(
    environment: dict[str, str], cwd: Path, photo: Path, *options: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`senet predict` over a list on standard input that never ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "senet_cli", "predict", "--from-file", "-", "-k", "1", *options],
        env=environment,
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin

    def feed(stdin: IO[bytes]) -> None:
        with contextlib.suppress(OSError):
            while True:
                stdin.write(os.fsencode(photo) + b"\n")
                stdin.flush()

    thread = threading.Thread(target=feed, args=[process.stdin])
    thread.start()
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        thread.join()
        for stream in (process.stdin, process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                assert stream
                stream.close()


SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_ends_a_run_in_order(
    environment: dict[str, str], tmp_path: Path, photos: list[Path], number: int, code: int
) -> None:
    with endless(environment, tmp_path, photos[0], "--format", "json") as process:
        assert process.stdout
        assert process.stderr
        head = b"".join(process.stdout.readline() for _ in range(4))
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(20) == code
        assert process.stderr.read() == b""
    found = json.loads(head + rest)
    assert len(found) >= 3
    assert {record["path"] for record in found} == {str(photos[0])}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [*SIGNALS, (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_leaves_the_old_file_and_a_partial_one(
    environment: dict[str, str], tmp_path: Path, photos: list[Path], number: int, code: int
) -> None:
    target, partial = tmp_path / "out.csv", tmp_path / "out.csv.partial"
    target.write_text("older")
    with endless(environment, tmp_path, photos[0], "-o", "out.csv") as process:
        end = time.monotonic() + 60
        while not (partial.exists() and partial.read_bytes().count(b"\n") > 3):
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(number)
        assert process.wait(20) == code
        assert process.stderr
        kept = rb"They are in out\.csv\.partial; the same command with --resume continues\."
        said = rb"" if code < 0 else rb"Interrupted after \d+\. " + kept + rb"\n"
        assert re.fullmatch(said, process.stderr.read())
    assert target.read_text() == "older"
    header, *body = partial.read_bytes().split(b"\r\n")
    assert header == b"path,rank,label,score,id,index,error"
    assert len(body) > 3


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), SIGNALS)
@pytest.mark.parametrize("as_list", [True, False])
def test_a_signal_ends_a_run_that_waits_for_its_input(
    environment: dict[str, str], tmp_path: Path, photos: list[Path], number: int, code: int, as_list: bool
) -> None:
    """A list, or an image from a process substitution, that never comes."""
    read, write = os.pipe()
    pipe = f"/dev/fd/{read}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "senet_cli", "predict", str(photos[0]), "--batch-size", "1"),
            *(["--from-file", pipe] if as_list else [str(photos[1]), pipe]),
        ],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[read],
    )
    try:
        assert process.stdout
        assert process.stdout.readline().startswith(str(photos[0]))
        process.send_signal(number)
        _, error = process.communicate(timeout=10)
        assert process.returncode == code
        assert error == ""
    finally:
        os.close(write)
        os.close(read)
        process.kill()
        process.communicate()


def test_a_terminal_that_goes_away_is_no_matter_under_nohup(
    environment: dict[str, str], tmp_path: Path, photos: list[Path]
) -> None:
    read, write = os.pipe()
    command = [sys.executable, "-m", "senet_cli", "predict", "--from-file", f"/dev/fd/{read}", "-k", "1"]
    process = subprocess.Popen(
        ["nohup", *command, "--batch-size", "1"],
        env=environment,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=[read],
    )
    os.close(read)
    try:
        assert process.stdout
        os.write(write, os.fsencode(photos[0]) + b"\n")
        assert process.stdout.readline().startswith(os.fsencode(photos[0]))
        process.send_signal(signal.SIGHUP)
        os.write(write, os.fsencode(photos[1]) + b"\n")
        os.close(write)
        assert process.stdout.read().startswith(os.fsencode(photos[1]))
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_terminal_that_is_closed_ends_a_run_that_writes_to_it(
    environment: dict[str, str], tmp_path: Path, photos: list[Path]
) -> None:
    """The signal comes twice, and nothing can be written any more."""
    program = """
import os, pty, signal, sys, time
pid, leader = pty.fork()
if not pid:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, "-m", "senet_cli", "predict", *sys.argv[1:]])
os.read(leader, 1)
os.close(leader)
try:
    os.kill(pid, signal.SIGHUP)
except ProcessLookupError:
    pass
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    listed = tmp_path / "list.txt"
    listed.write_bytes(os.fsencode(photos[0]) + b"\n")
    listed.write_bytes(listed.read_bytes() * 5000)
    arguments = ["--from-file", str(listed), "--format", "json", "-k", "1", "-q"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "129\n"


def test_strict_stops_at_the_first_failure(predict: Senet, few: Path) -> None:
    photo = next(few.iterdir())
    done = predict(photo, "gone.jpg", *[photo] * 40, "--strict", "-k", 1)
    assert done.returncode == 1
    assert [(row[0], row[6]) for row in rows(done)] == [(str(photo), ""), ("gone.jpg", "missing")]
    assert done.stderr == "1 of 2 images could not be classified, stopped there (--strict)\n"
    fine = predict(photo, photo, "--strict", "-k", 1)
    assert (fine.returncode, len(rows(fine))) == (0, 2)
