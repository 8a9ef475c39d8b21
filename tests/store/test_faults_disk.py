"""What can be wrong with the disk, the cache folder and the files in it, and who else has a hand in there."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from senet_cli.__main__ import run
from senet_cli.store import fetch, files
from senet_cli.store.cache import Cache
from senet_cli.store.install import import_file
from senet_cli.store.notices import Silence
from senet_cli.store.partial import Partial
from tests.conftest import Senet
from tests.faultserver import Behaviour, FaultServer, flipped
from tests.store.worlds import (
    FINAL,
    INDEX,
    NAME,
    PAYLOAD,
    SHA256,
    contents,
    download,
    entry,
    kept,
    leave_behind,
    only_installed,
    published,
    write_manifest,
)

GOOD = Behaviour(PAYLOAD)
HALF = len(PAYLOAD) // 2
NOBODY = 65534
CANARY = b"not yours"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


# --- too little room ---


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

    def __init__(self, file: object, room: int, number: int) -> None:
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

        def begin(self: Partial, file: object, path: Path) -> None:
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


# --- folders that are not ours to write ---


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can look into, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp(prefix="senet-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


_AS_NOBODY = f"""
import contextlib, io, os, sys
import filelock, platformdirs, requests
import senet_cli.store.install
from senet_cli.__main__ import main, run
from senet_cli.cli.app import app

with contextlib.redirect_stdout(io.StringIO()):
    run(lambda: app(["list"]))  # what is imported on the way may lie where only root can look
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid({NOBODY})
    os.setuid({NOBODY})
main()
"""


@pytest.fixture
def unprivileged() -> Run:
    """Runs `senet` as a user who has no rights but those of everybody."""

    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=os.environ | environment,
            check=False,
        )

    started = call("list", SENET_CACHE="/nowhere")
    if started.returncode:
        pytest.skip(f"another user cannot run senet here: {started.stderr[-200:]}")
    return call


def make_read_only(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


def make_writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.mark.parametrize("index", [True, False], ids=["indexed", "not indexed"])
def test_read_only_cache(
    server: FaultServer, open_folder: Path, unprivileged: Run, tmp_path: Path, index: bool
) -> None:
    """A cached file works; without its index entry it is hashed at each start. Another one cannot be had."""
    server.files["/a.pth"] = GOOD
    other = entry(server.url("/a.pth"), data=b"another file")
    manifest = write_manifest(
        open_folder / "m.json", {NAME: entry(server.url("/a.pth")), "tiny.other": other}
    )
    cache = open_folder / "cache"
    assert download(published(tmp_path, server.url("/a.pth")), cache).code == 0
    if not index:
        (cache / INDEX).unlink()
    before = contents(cache)
    make_read_only(cache)
    names = ("--manifest", str(manifest))
    try:
        done = unprivileged("download", NAME, *names, SENET_CACHE=str(cache))
        assert done.returncode == 0
        assert done.stdout == f"{NAME}\t{cache / FINAL}\n"
        done = unprivileged("download", "tiny.other", *names, SENET_CACHE=str(cache))
        assert done.returncode == 7
        assert "Permission denied" in done.stderr
        assert "hint: Set SENET_CACHE to a folder that can be written" in done.stderr
        assert contents(cache) == before
        assert len(server.requests) == 1
    finally:
        make_writable(cache)


def test_folder_where_no_cache_can_be_made(server: FaultServer, open_folder: Path, unprivileged: Run) -> None:
    server.files["/a.pth"] = GOOD
    manifest = write_manifest(open_folder / "m.json", {NAME: entry(server.url("/a.pth"))})
    open_folder.chmod(0o555)
    done = unprivileged("download", NAME, "--manifest", manifest, SENET_CACHE=str(open_folder / "a" / "b"))
    assert done.returncode == 7
    assert "hint: Set SENET_CACHE to a folder that can be written" in done.stderr
    assert server.requests == []
    assert contents(open_folder) == {"m.json"}


def test_cache_is_a_file(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = GOOD
    root.write_bytes(CANARY)
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 7
    assert "hint: Set SENET_CACHE to a folder that can be written" in outcome.said
    assert server.requests == []
    assert root.read_bytes() == CANARY


def test_cache_is_within_a_file(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CANARY)
    outcome = download(published(tmp_path, server.url("/a.pth")), tmp_path / "file" / "cache")
    assert outcome.code == 7
    assert "SENET_CACHE" in outcome.said


@pytest.mark.parametrize("name", ["c\udcffche", "\N{SNOWMAN}\n'\"$x", "a" * 200])
def test_cache_folder_with_an_odd_name(server: FaultServer, tmp_path: Path, name: str) -> None:
    server.files["/a.pth"] = GOOD
    outcome = download(published(tmp_path, server.url("/a.pth")), tmp_path / name)
    assert outcome.code == 0
    assert only_installed(tmp_path / name)


def test_cache_folder_with_too_long_a_name(server: FaultServer, tmp_path: Path) -> None:
    server.files["/a.pth"] = GOOD
    outcome = download(published(tmp_path, server.url("/a.pth")), tmp_path / ("a" * 300))
    assert outcome.code == 7
    assert "File name too long" in outcome.said
    assert "SENET_CACHE" in outcome.said
    assert server.requests == []


@pytest.fixture(params=["to a folder", "to nowhere"])
def foreign_link(root: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The cache folder as a link that someone else made; returns where it leads."""
    if os.geteuid():
        pytest.skip("only root can make a link that belongs to someone else")
    there = tmp_path / "there"
    if request.param == "to a folder":
        there.mkdir()
    root.symlink_to(there)
    os.lchown(root, NOBODY, NOBODY)
    return there


def test_cache_is_a_foreign_link(server: FaultServer, root: Path, tmp_path: Path, foreign_link: Path) -> None:
    server.files["/a.pth"] = GOOD
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 7
    assert "is a link that another user made" in outcome.said
    assert server.requests == []
    assert not foreign_link.exists() or not any(foreign_link.iterdir())


def test_a_file_is_not_carried_through_a_foreign_link(root: Path, tmp_path: Path, foreign_link: Path) -> None:
    (tmp_path / "a.pth").write_bytes(PAYLOAD)
    checkpoint = published(tmp_path, "https://nowhere.invalid/a.pth")
    assert run(lambda: import_file(checkpoint, Cache(root), tmp_path / "a.pth", Silence())) == 7
    assert not foreign_link.exists() or not any(foreign_link.iterdir())


def test_cache_is_a_link_of_our_own(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = GOOD
    there = tmp_path / "there"
    there.mkdir()
    root.symlink_to(there)
    assert download(published(tmp_path, server.url("/a.pth")), root).code == 0
    assert only_installed(there)


def test_a_new_cache_is_private(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """However it is filled."""
    server.files["/a.pth"] = GOOD
    checkpoint = published(tmp_path, server.url("/a.pth"))
    (tmp_path / "a.pth").write_bytes(PAYLOAD)
    carried = tmp_path / "carried"
    assert download(checkpoint, root).code == 0
    import_file(checkpoint, Cache(carried), tmp_path / "a.pth", Silence())
    for folder in (root, root / "partial", carried, carried / "partial"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


_WITHOUT_HOME = """
import os, pwd, sys
account = pwd.getpwuid(os.getuid())
home = sys.argv.pop(1)
pwd.getpwuid = lambda _: pwd.struct_passwd((*account[:5], home, *account[6:]))
from senet_cli.__main__ import main
main()
"""


def test_no_home(server: FaultServer, tmp_path: Path) -> None:
    """The account's home, as the system's list of users says: here a pretended one."""
    server.files["/a.pth"] = GOOD
    manifest = write_manifest(tmp_path / "m.json", {NAME: entry(server.url("/a.pth"))})
    home = tmp_path / "home"
    home.mkdir()
    without = {"HOME", "SENET_CACHE", "XDG_CACHE_HOME"}
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_HOME, home, "download", NAME, "--manifest", manifest],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name not in without},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0
    assert f"installed {NAME}" in done.stderr
    path = Path(done.stdout.rstrip("\n").partition("\t")[2])
    assert path.is_relative_to(home)
    assert only_installed(path.parent.parent)


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
