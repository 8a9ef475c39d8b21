"""Cache folders that are not ours to write, oddly named, linked elsewhere or nowhere to be found."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from senet_cli.__main__ import run
from senet_cli.events import Silence
from senet_cli.store.cache import Cache
from senet_cli.store.install import import_file
from tests.faultserver import FaultServer
from tests.store.worlds import (
    CANARY,
    FINAL,
    GOOD,
    INDEX,
    NAME,
    PAYLOAD,
    Run,
    contents,
    download,
    entry,
    only_installed,
    published,
    write_manifest,
)

NOBODY = 65534


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
import senet_cli.cli.hints
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
    assert "a bug in senet" not in started.stderr
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


def test_imported_models_of_somebody_else(unprivileged: Run, open_folder: Path, tmp_path: Path) -> None:
    """A folder that one may not look into is as good as none."""
    private = tmp_path / "models"
    private.mkdir(0o700)
    here = {"SENET_CACHE": str(open_folder), "SENET_MODELS": str(private)}
    assert unprivileged("info", "seresnet50", **here).returncode == 0
    done = unprivileged("info", "mine", **here)
    assert done.returncode == 4
    assert "there is no model `mine`" in done.stderr


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
