"""Processes that are killed, that run at the same time, and locks that do not work."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faultserver import Behaviour, FaultServer
from tests.store.worlds import (
    FINAL,
    NAME,
    PAYLOAD,
    SHA256,
    Nursery,
    contents,
    download,
    entry,
    kept,
    leave_behind,
    only_installed,
    published,
    sha256,
    write_manifest,
)

GOOD = Behaviour(PAYLOAD)
HALF = len(PAYLOAD) // 2
KILLS = 50

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system"),
]


def partial_files(root: Path) -> list[Path]:
    return sorted((root / "partial").glob("*.part"))


def watch(root: Path, seconds: float) -> None:
    """Look again and again for a while; what has the final name must be right each time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (root / FINAL).exists():
            assert (root / FINAL).read_bytes() == PAYLOAD
        time.sleep(0.001)


# --- kills ---


def test_kill_at_random_bytes(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """Killed 50 times at a random moment: of the start, of the transfer, or of the wait for more bytes.

    Each run is served a random number of bytes before the server falls silent, too few for the file to be
    complete. Nothing but what was under way at the moment of a kill is ever served twice.
    """
    chance = random.Random(50)
    data = chance.randbytes(24 * 2**20)
    whole = Behaviour(data, etag='"one"')
    slow = replace(whole, piece=2**13, pause=0.001, ending="hang")
    most = len(data) // KILLS
    server.files["/a.pth"] = [replace(slow, stop_after=chance.randrange(most)) for _ in range(KILLS)]
    final = root / f"checkpoints/{sha256(data)}.pth"
    manifest = write_manifest(tmp_path / "m.json", {NAME: entry(server.url("/a.pth"), data=data)})
    arrived = 0
    with Nursery(root, tmp_path / "log") as nursery:
        for number in range(KILLS):
            asked = len(server.requests)
            pid = nursery.start("download", NAME, "--manifest", manifest)
            while number % 2 and len(server.requests) == asked:  # every other one comes as far as this
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.1))
            assert nursery.end(pid, signal.SIGKILL) == -signal.SIGKILL
            parts = partial_files(root)
            assert len(parts) <= 1
            assert not final.exists()
            before, arrived = arrived, parts[0].stat().st_size if parts else 0
            assert arrived >= before
        assert data.startswith(partial_files(root)[0].read_bytes())

        server.files["/a.pth"] = whole
        pid = nursery.start("download", NAME, "--manifest", manifest)
        assert nursery.end(pid) == 0
        assert "going on after" in nursery.said()
    assert only_installed(root, data)
    assert sum(request.sent for request in server.requests) <= len(data) + KILLS * 2**15
    for request in server.requests[1:]:
        assert request.headers.get("if-range") == ('"one"' if "range" in request.headers else None)


def test_kill_around_the_installation(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """Between the last bytes and the end of the process: the file is there and right, or not there yet."""
    chance = random.Random(25)
    server.files["/a.pth"] = Behaviour(PAYLOAD, etag='"one"')
    manifest = write_manifest(tmp_path / "m.json", {NAME: entry(server.url("/a.pth"))})
    installed = killed = 0
    with Nursery(root, tmp_path / "log") as nursery:
        for _ in range(25):
            leave_behind(root, PAYLOAD[:-1000])
            requests = len(server.requests)
            pid = nursery.start("download", NAME, "--manifest", manifest)
            while len(server.requests) == requests and not (root / FINAL).exists():
                time.sleep(0.0005)  # no request is needed if the last kill came after the last byte
            watch(root, chance.uniform(0, 0.02))
            killed += nursery.end(pid, signal.SIGKILL) == -signal.SIGKILL
            assert len(partial_files(root)) <= 1
            if (root / FINAL).exists():
                assert (root / FINAL).read_bytes() == PAYLOAD
                (root / FINAL).unlink()
                installed += 1
        assert killed > 0
        pid = nursery.start("download", NAME, "--manifest", manifest)
        assert nursery.end(pid) == 0
    temporary = {name for name in contents(root) if name.startswith("index/.new-")}
    for name in temporary:  # of an index entry; the one thing that a kill may leave behind
        (root / name).unlink()
    assert only_installed(root)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_interrupted_download_is_resumed(
    server: FaultServer, root: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    server.files["/a.pth"] = [Behaviour(PAYLOAD, stop_after=HALF, ending="hang"), GOOD]
    manifest = write_manifest(tmp_path / "m.json", {NAME: entry(server.url("/a.pth"))})
    with Nursery(root, tmp_path / "log") as nursery:
        pid = nursery.start("download", NAME, "--manifest", manifest)
        wait_for_bytes(root, 1)
        assert nursery.end(pid, number) == code
        done = len(kept(root))
        pid = nursery.start("download", NAME, "--manifest", manifest)
        assert nursery.end(pid) == 0
        assert "going on after" in nursery.said()
    assert server.requests[1].headers["range"] == f"bytes={done}-"
    assert only_installed(root)


def wait_for_bytes(root: Path, count: int) -> None:
    """Until a partial file has so many; a deadline of its own is that of the test."""
    while sum(path.stat().st_size for path in partial_files(root)) < count:
        time.sleep(0.005)


def test_living_owner_keeps_its_partial_file(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """Without locks a second process begins anew beside a first that is only slow; both are right."""
    server.files["/a.pth"] = [Behaviour(PAYLOAD, piece=10_000, pause=0.05), GOOD]
    manifest = write_manifest(tmp_path / "m.json", {NAME: entry(server.url("/a.pth"))})
    with Nursery(root, tmp_path / "log", patch=LYING) as nursery:
        slow = nursery.start("download", NAME, "--manifest", manifest)
        wait_for_bytes(root, 1)
        assert nursery.end(nursery.start("download", NAME, "--manifest", manifest)) == 0
        assert len(partial_files(root)) == 1
        assert nursery.end(slow) == 0
    assert ["range" in request.headers for request in server.requests] == [False, False]
    assert only_installed(root)


# --- many at once ---

IMPATIENT = "import senet_cli.store.locks; senet_cli.store.locks._NOTICE_SECONDS = 0.1"
LYING = "import fcntl; fcntl.flock = lambda *_: None"
MISSING = f"""
import fcntl
def flock(*_):
    raise OSError({errno.ENOSYS}, "there are no locks here")
fcntl.flock = flock
"""


def all_at_once(nursery: Nursery, count: int, barrier: Path, manifest: Path) -> list[int]:
    """Exit codes of as many downloads of the same file, which begin together."""
    pids = [nursery.start("download", NAME, "--manifest", manifest, barrier=barrier) for _ in range(count)]
    barrier.touch()
    return [nursery.end(pid) for pid in pids]


def test_sixteen_processes(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """One fetches, the others wait, say so, and use its file."""
    server.files["/a.pth"] = Behaviour(PAYLOAD, piece=10_000, pause=0.03)
    manifest = write_manifest(tmp_path / "m.json", {NAME: entry(server.url("/a.pth"))})
    with Nursery(root, tmp_path / "log", patch=IMPATIENT) as nursery:
        assert all_at_once(nursery, 16, tmp_path / "go", manifest) == [0] * 16
        said = nursery.said()
    assert "another process is fetching tiny.test; waiting for it" in said
    assert said.count(f"{NAME}\t{root / FINAL}\n") == 16
    assert [request.sent for request in server.requests] == [len(PAYLOAD)]
    assert only_installed(root)


def test_the_first_of_many_is_killed(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """The next one in line goes on from where it was."""
    server.files["/a.pth"] = [Behaviour(PAYLOAD, stop_after=HALF, ending="hang"), GOOD]
    manifest = write_manifest(tmp_path / "m.json", {NAME: entry(server.url("/a.pth"))})
    with Nursery(root, tmp_path / "log") as nursery:
        first = nursery.start("download", NAME, "--manifest", manifest)
        wait_for_bytes(root, HALF)
        others = [nursery.start("download", NAME, "--manifest", manifest) for _ in range(3)]
        time.sleep(0.1)
        assert nursery.end(first, signal.SIGKILL) == -signal.SIGKILL
        assert [nursery.end(pid) for pid in others] == [0] * 3
    assert [request.headers.get("range") for request in server.requests] == [None, f"bytes={HALF}-"]
    assert only_installed(root)


@pytest.mark.parametrize("patch", [LYING, MISSING], ids=["lying", "missing"])
def test_lying_locks(server: FaultServer, root: Path, tmp_path: Path, patch: str) -> None:
    """All fetch at the same time, each into a file of its own; the last to end does no harm to the first."""
    server.files["/a.pth"] = Behaviour(PAYLOAD, piece=30_000, pause=0.05)
    leave_behind(root, PAYLOAD[:10_000])
    leave_behind(root, PAYLOAD[:20_000])
    manifest = write_manifest(tmp_path / "m.json", {NAME: entry(server.url("/a.pth"))})
    with Nursery(root, tmp_path / "log", patch=patch) as nursery:
        assert all_at_once(nursery, 8, tmp_path / "go", manifest) == [0] * 8
        said = nursery.said()
    assert "installed" in said
    assert said.count(f"{NAME}\t{root / FINAL}\n") == 8
    assert 1 < len(server.requests) <= 8
    assert only_installed(root)


@contextlib.contextmanager
def held_lock(root: Path) -> Iterator[Path]:
    """Someone else has the lock, such as a process that hangs; afterwards it is still theirs."""
    lock = root / "partial" / f"{SHA256}.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield lock
    lock.unlink()


def test_lock_that_is_never_released(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """It is waited for as long as SENET_LOCK_TIMEOUT says."""
    server.files["/a.pth"] = GOOD
    with held_lock(root):
        began = time.monotonic()
        outcome = download(published(tmp_path, server.url("/a.pth")), root, lock_timeout=0.3)
        waited = time.monotonic() - began
    assert outcome.code == 0
    assert "another process is fetching tiny.test; waiting for it" in outcome.said
    assert 0.3 <= waited < 10
    assert len(server.requests) == 1
    assert only_installed(root)


def test_lock_timeout_comes_from_the_environment(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = GOOD
    manifest = write_manifest(tmp_path / "m.json", {NAME: entry(server.url("/a.pth"))})
    with held_lock(root), Nursery(root, tmp_path / "log", SENET_LOCK_TIMEOUT="0") as nursery:
        assert nursery.end(nursery.start("download", NAME, "--manifest", manifest)) == 0
    assert only_installed(root)


def test_waiting_for_an_address_without_a_file_name(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/"] = GOOD
    with held_lock(root):
        outcome = download(published(tmp_path, server.url("/")), root, lock_timeout=0.1)
    assert outcome.code == 0
    assert only_installed(root)
