"""A disk that is too small, fills up or fails: told before or on the way, and left clean."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from senet_cli.store import fetch, files
from senet_cli.store.partial import Partial
from tests.faultserver import Behaviour, FaultServer
from tests.store.worlds import (
    FINAL,
    GOOD,
    HALF,
    NAME,
    PAYLOAD,
    SHA256,
    Run,
    contents,
    download,
    entry,
    kept,
    leave_behind,
    only_installed,
    published,
    write_manifest,
)


def test_too_little_space_is_noticed_before(
    server: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "_SPARE_BYTES", 2**60)
    server.files["/a.pth"] = GOOD
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 7
    assert "MB are needed" in outcome.said
    assert "hint: Free some space, or set SENET_CACHE" in outcome.said
    assert server.requests == []
    assert contents(root) == set()


def test_too_little_space_keeps_what_is_there(
    server: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files["/a.pth"] = GOOD
    leave_behind(root, PAYLOAD[:HALF], url=server.url("/a.pth"))
    with monkeypatch.context() as small:
        small.setattr(fetch, "_SPARE_BYTES", 2**60)
        assert download(published(tmp_path, server.url("/a.pth")), root).code == 7
    assert kept(root) == PAYLOAD[:HALF]


@pytest.fixture
def on_small_disk(tmp_path: Path) -> Run:
    """Runs a command with a file system of its own size at a folder, and lists what it left there.

    Only that process and its children see the file system; it is gone when they are.
    """
    script = """
        mount -t tmpfs -o "size=$1" none "$2" || exit 99
        folder=$2; list=$3; shift 3
        "$@"; code=$?
        cd "$folder" && find . ! -type d > "$list"
        exit $code
    """

    def call(size: str, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
        folder.mkdir()
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", size, folder, tmp_path / "list", *command],
            capture_output=True,
            text=True,
            env=os.environ | {"SENET_CACHE": str(folder)},
            check=False,
        )
        if done.returncode == 99:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        return done

    if not shutil.which("unshare") or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("`unshare -m` is not permitted here")
    return call


def senet_download(manifest: Path) -> list[str]:
    return [sys.executable, "-m", "senet_cli", "download", NAME, "--manifest", str(manifest)]


def test_small_disk_is_noticed_before(
    server: FaultServer, root: Path, tmp_path: Path, on_small_disk: Run
) -> None:
    server.files["/a.pth"] = GOOD
    manifest = write_manifest(tmp_path / "m.json", {NAME: entry(server.url("/a.pth"))})
    done = on_small_disk("32m", root, *senet_download(manifest))
    assert done.returncode == 7
    assert "has 34 MB left, 67 MB are needed" in done.stderr
    assert server.requests == []
    assert (tmp_path / "list").read_text() == ""


def test_small_disk_fills_up(server: FaultServer, root: Path, tmp_path: Path, on_small_disk: Run) -> None:
    """The size is not known beforehand; a disk of 66 MiB has room to begin, and none to go on."""
    server.files["/a.pth"] = Behaviour(bytes(72 * 2**20), framing="close")
    file = entry(server.url("/a.pth"), bytes=None)
    manifest = write_manifest(tmp_path / "m.json", {NAME: file})
    done = on_small_disk("66m", root, *senet_download(manifest))
    assert done.returncode == 7
    assert "No space left on device" in done.stderr
    assert "hint: Free some space" in done.stderr
    assert len(server.requests) == 1
    assert (tmp_path / "list").read_text() == ""


class FailingFile:
    """Stands for the partial file's; from some byte on the disk has no room, or fails.

    Like a real one it keeps what it could not write, and fails again when that is flushed.
    """

    def __init__(self, file: Any, room: int, number: int) -> None:
        self._file = file
        self._room = room
        self._error = OSError(number, os.strerror(number))
        self._stuck = False

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        self._stuck = self._room < 0
        self._flush()
        return self._file.write(data)

    def seek(self, *arguments: int) -> int:
        self._flush()
        return self._file.seek(*arguments)

    def truncate(self, *arguments: int) -> int:
        self._flush()
        return self._file.truncate(*arguments)

    def close(self) -> None:
        self._file.close()
        self._flush()

    def _flush(self) -> None:
        if self._stuck:
            raise self._error

    def __getattr__(self, name: str) -> object:
        return getattr(self._file, name)


@pytest.fixture
def failing_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    def fail(room: int, number: int) -> None:
        original = Partial.__init__

        def begin(self: Partial, file: Any, path: Path) -> None:
            original(self, FailingFile(file, room, number), path)

        monkeypatch.setattr(Partial, "__init__", begin)

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_disk_full_on_the_way(
    server: FaultServer,
    root: Path,
    tmp_path: Path,
    failing_disk: Callable[[int, int], None],
    number: int,
) -> None:
    """Bytes that cannot be completed do not keep the disk full; there is no second try."""
    failing_disk(HALF, number)
    server.files["/a.pth"] = Behaviour(PAYLOAD, piece=10_000)
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 7
    assert os.strerror(number) in outcome.said
    assert "hint: Free some space" in outcome.said
    assert len(server.requests) == 1
    assert contents(root) == set()


def test_failing_disk(
    server: FaultServer, root: Path, tmp_path: Path, failing_disk: Callable[[int, int], None]
) -> None:
    """What was written stays: it is hashed before it is used."""
    failing_disk(HALF, errno.EIO)
    server.files["/a.pth"] = Behaviour(PAYLOAD, piece=10_000, pause=0.001)
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 7
    assert "Input/output error" in outcome.said
    assert PAYLOAD.startswith(kept(root))


def test_disk_full_at_the_installation(
    server: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system finds out late: the last bytes are there, their name is not."""

    def full(_source: object, _target: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    server.files["/a.pth"] = GOOD
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 7
    assert "No space left on device" in outcome.said
    assert contents(root) == set()


def test_file_size_limit(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """`ulimit -f`: what fits is kept, and completed once the limit is gone."""
    server.files["/a.pth"] = GOOD
    manifest = write_manifest(tmp_path / "m.json", {NAME: entry(server.url("/a.pth"))})

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    command = senet_download(manifest)
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, check=False)
    assert done.returncode == 7
    assert "File too large" in done.stderr
    assert "hint: Free some space" in done.stderr
    assert PAYLOAD.startswith(kept(root))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout == f"{NAME}\t{root / FINAL}\n"
    assert only_installed(root)


def test_synced_before_it_gets_its_name(
    server: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut at any moment leaves the complete file under its name, or none."""
    events: list[tuple[str, str]] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        events.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def note_replace(source: Path, target: Path) -> None:
        events.append(("name", Path(target).name))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    server.files["/a.pth"] = GOOD
    assert download(published(tmp_path, server.url("/a.pth")), root).code == 0
    (first, part), *others = events
    assert first == "sync"
    assert part.startswith(SHA256)
    assert part.endswith(".part")
    assert others[:2] == [("name", f"{SHA256}.pth"), ("sync", "checkpoints")]
    assert [event for event, _ in others[2:]] == ["sync", "name", "sync"]  # the same for the index


def test_small_files_are_replaced_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure leaves the old content, and no temporary file."""
    target = tmp_path / "index" / "a.json"
    files.write_atomically(target, b"old")

    def fail(*_arguments: object) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        files.write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert contents(tmp_path) == {"index/a.json"}
