"""What someone planted in the cache or changed there, and clocks that jump."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.conftest import Senet
from tests.faultserver import Behaviour, FaultServer, flipped
from tests.store.worlds import (
    CANARY,
    FINAL,
    GOOD,
    HALF,
    INDEX,
    NAME,
    PAYLOAD,
    SHA256,
    contents,
    download,
    leave_behind,
    only_installed,
    published,
)

# --- what someone planted, or time has changed ---


def plant_link(name: Path, victim: Path) -> None:
    name.symlink_to(victim)


def plant_dangling_link(name: Path, victim: Path) -> None:
    name.symlink_to(victim.with_name("nothing"))


def plant_hard_link(name: Path, victim: Path) -> None:
    name.hardlink_to(victim)


def plant_pipe(name: Path, _victim: Path) -> None:
    os.mkfifo(name)


def own_names(root: Path) -> dict[str, Sequence[Path]]:
    """The names under which we open files, as far as they can be foreseen."""
    part = leave_behind(root, b"")
    part.unlink()
    return {
        "final": [root / FINAL],
        "index": [root / INDEX],
        "lock": [root / "partial" / f"{SHA256}.lock"],
        "partial": [part],
        "note": [part.with_name(part.name + ".json")],
    }


@pytest.mark.timeout(60)
@pytest.mark.parametrize("plant", [plant_link, plant_dangling_link, plant_hard_link, plant_pipe])
@pytest.mark.parametrize("where", ["final", "index", "lock", "partial", "note"])
def test_planted_names(
    server: FaultServer,
    root: Path,
    tmp_path: Path,
    plant: Callable[[Path, Path], None],
    where: str,
) -> None:
    """At the final name, the index, the lock, a partial file that can be adopted, and its note."""
    server.files["/a.pth"] = GOOD
    victim = tmp_path / "victim"
    victim.write_bytes(CANARY)
    victim.chmod(0o640)
    (name,) = own_names(root)[where]
    name.parent.mkdir(exist_ok=True)
    plant(name, victim)
    if where == "note":
        name.with_suffix("").write_bytes(PAYLOAD[:HALF])
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert "installed" in outcome.said
    assert only_installed(root)
    for path in (root / FINAL, root / INDEX):
        assert stat.S_ISREG(path.lstat().st_mode)
        assert path.stat().st_nlink == 1
    assert victim.read_bytes() == CANARY
    assert victim.stat().st_nlink == 1
    assert stat.S_IMODE(victim.stat().st_mode) == 0o640
    assert not (tmp_path / "nothing").exists()


def test_folder_at_the_final_name(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """Nobody's to remove without being asked."""
    (root / FINAL).mkdir(parents=True)
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 7
    assert "Is a directory" in outcome.said
    assert (root / FINAL).is_dir()


def test_changed_file_is_put_aside(server: FaultServer, root: Path, tmp_path: Path, senet: Senet) -> None:
    server.files["/a.pth"] = GOOD
    checkpoint = published(tmp_path, server.url("/a.pth"))
    assert download(checkpoint, root).code == 0
    (root / FINAL).write_bytes(flipped(PAYLOAD))
    done = senet("verify", NAME, "--manifest", tmp_path / "manifest.json")
    assert done.returncode == 6
    assert "it was put aside as" in done.stderr
    assert done.stdout == f"{NAME}\tdamaged\t\n"
    aside = f"checkpoints/{SHA256}.bad"
    assert contents(root) == {aside, INDEX}
    assert (root / aside).read_bytes() == flipped(PAYLOAD)

    assert download(checkpoint, root).code == 0
    assert only_installed(root)
    assert len(server.requests) == 2


def test_changed_file_is_noticed_by_a_download(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = GOOD
    checkpoint = published(tmp_path, server.url("/a.pth"))
    assert download(checkpoint, root).code == 0
    (root / FINAL).write_bytes(PAYLOAD[:HALF])
    outcome = download(checkpoint, root)
    assert outcome.code == 0
    assert "warning: the cached file of `tiny.test` has changed" in outcome.said
    assert only_installed(root)


def test_change_that_leaves_no_trace_is_found_by_a_deep_look(
    server: FaultServer, root: Path, tmp_path: Path, senet: Senet
) -> None:
    """Same size, same times, as when the medium goes bad."""
    server.files["/a.pth"] = GOOD
    assert download(published(tmp_path, server.url("/a.pth")), root).code == 0
    status = (root / FINAL).stat()
    (root / FINAL).write_bytes(flipped(PAYLOAD))
    os.utime(root / FINAL, ns=(status.st_atime_ns, status.st_mtime_ns))
    manifest = ("--manifest", tmp_path / "manifest.json")
    assert senet("verify", NAME, *manifest).returncode == 0
    assert senet("verify", "--deep", NAME, *manifest).returncode == 6


def test_damaged_layer_below(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """A shared cache is never written, so its damaged file stays; a good one of ours is found first."""
    server.files["/a.pth"] = GOOD
    checkpoint = published(tmp_path, server.url("/a.pth"))
    shared = tmp_path / "shared"
    assert download(checkpoint, shared).code == 0
    assert download(checkpoint, root, below=(shared,), offline=True).code == 0
    (shared / FINAL).write_bytes(flipped(PAYLOAD))
    before = contents(shared)
    outcome = download(checkpoint, root, below=(shared,))
    assert outcome.code == 0
    assert "installed" in outcome.said
    assert only_installed(root)
    assert contents(shared) == before
    assert (shared / FINAL).read_bytes() == flipped(PAYLOAD)
    assert download(checkpoint, root, below=(shared,), offline=True).code == 0
    assert len(server.requests) == 2


# --- clocks ---

DAY = 86_400


@pytest.mark.parametrize("skew", [-DAY, DAY, 100 * 365 * DAY])
def test_clock_jumps(
    server: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skew: int
) -> None:
    """The clock is off, and jumps back and forth at every look; files seem to come from another time."""
    honest = time.time
    jumps = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: honest() + skew * (next(jumps) % 2))
    server.files["/a.pth"] = [Behaviour(PAYLOAD, stop_after=HALF + 10_000), GOOD]
    part = leave_behind(root, PAYLOAD[:10_000], url=server.url("/a.pth"))
    (root / "partial" / f"{SHA256}.lock").touch()
    for path in [*part.parent.iterdir()]:
        os.utime(path, (honest() + skew,) * 2)
    checkpoint = published(tmp_path, server.url("/a.pth"))
    outcome = download(checkpoint, root)
    assert outcome.code == 0
    assert "installed" in outcome.said
    assert [request.headers["range"] for request in server.requests] == [
        "bytes=10000-",
        f"bytes={HALF + 20_000}-",
    ]
    assert only_installed(root)

    os.utime(root / FINAL, (honest() + skew,) * 2)
    assert download(checkpoint, root).code == 0
    assert len(server.requests) == 2
    assert only_installed(root)
