"""A cache that cannot be read, written, filled or found: told with a way out, and never half used."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Senet
from tests.faultserver import Behaviour, FaultServer, flipped
from tests.store.downloads import PAYLOAD, Publish, contents, file_entry, installed

_WITHOUT_PRIVILEGES = """
import ctypes, os, sys

if os.geteuid() == 0:  # from here on permissions hold for root too, and after the exec
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        if libc.prctl(24, capability, 0, 0, 0) != 0:  # PR_CAPBSET_DROP
            sys.exit(99)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def run_unprivileged(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command as a user whom file permissions bind."""
    if os.name != "posix" or (os.geteuid() == 0 and not sys.platform.startswith("linux")):
        pytest.skip("permissions do not bind this user, and only Linux lets root give that up")
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_PRIVILEGES, "-m", "senet_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 99:
        pytest.skip("this root may not give up its right to pass over permissions")
    return done


@pytest.fixture
def readonly(cache: Path) -> Iterator[Callable[[], None]]:
    """Call it to take the right to write away from the whole cache."""
    folders: list[Path] = []

    def lock() -> None:
        cache.mkdir(exist_ok=True)
        folders.extend([cache, *(path for path in cache.rglob("*") if path.is_dir())])
        for folder in folders:
            folder.chmod(0o500)

    yield lock
    for folder in folders:
        folder.chmod(0o700)


def test_a_cache_that_is_a_file_is_a_disk_error_with_a_way_out(
    here: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    cache.write_text("not a folder")
    done = here("download", "tiny")
    assert done.returncode == 7
    assert "SENET_CACHE" in done.stderr
    assert cache.read_text() == "not a folder"
    assert here("list").returncode == 0


def test_a_readonly_cache_is_a_disk_error_with_a_way_out(
    server: FaultServer, tiny: Path, cache: Path, readonly: Callable[[], None]
) -> None:
    readonly()
    done = run_unprivileged("download", "tiny")
    assert done.returncode == 7, done.stderr
    assert "SENET_CACHE" in done.stderr
    assert contents(cache) == set()


def test_a_readonly_cache_serves_what_it_holds(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, readonly: Callable[[], None]
) -> None:
    here("download", "tiny")
    (cache / "index/tiny.json").unlink()
    readonly()
    done = run_unprivileged("download", "tiny", "--offline")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"tiny\t{cache / installed()}\n"
    assert run_unprivileged("verify", "tiny").returncode == 0


def test_a_readonly_cache_with_a_damaged_file_does_not_serve_it(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, readonly: Callable[[], None]
) -> None:
    here("download", "tiny")
    (cache / installed()).write_bytes(flipped(PAYLOAD))
    readonly()
    for command in ("verify", "download"):
        done = run_unprivileged(command, "tiny")
        assert done.returncode in (6, 7), done.stderr
        assert "\tok\t" not in done.stdout


@pytest.mark.parametrize(
    "command", ["list", "info tiny", "download tiny", "verify tiny", "download tiny --dry-run"]
)
def test_a_cache_that_may_not_be_looked_into_is_not_our_bug(
    server: FaultServer, tiny: Path, cache: Path, command: str
) -> None:
    (cache / "checkpoints").mkdir(parents=True)
    cache.chmod(0)
    try:
        done = run_unprivileged(*command.split())
    finally:
        cache.chmod(0o700)
    assert done.returncode in (0, 7), done.stderr
    only_looks = command.split(maxsplit=1)[0] in ("list", "info") or "--dry-run" in command
    assert only_looks or "SENET_CACHE" in done.stderr


@pytest.mark.parametrize("command", ["list", "info tiny", "download tiny"])
def test_a_cache_with_too_long_a_name_is_not_our_bug(
    senet: Senet, server: FaultServer, tiny: Path, command: str
) -> None:
    done = senet(*command.split(), env={"SENET_CACHE": "/" + "x" * 300})
    assert done.returncode in (0, 7), done.stderr


def test_a_folder_with_a_file_that_may_not_be_read_is_not_our_bug(tiny: Path, cache: Path) -> None:
    folder = tiny.parent / "stick"
    folder.mkdir()
    (folder / "another of the same size").write_bytes(PAYLOAD)
    (folder / "another of the same size").chmod(0)
    done = run_unprivileged("download", "tiny", "--from", folder)
    assert done.returncode in (4, 7), done.stderr


def test_a_cache_folder_with_any_name_works(
    senet: Senet, server: FaultServer, tiny: Path, tmp_path: Path
) -> None:
    odd = os.fsdecode(b"caf\xe9 \xff\n[x]*")
    done = senet("download", "tiny", env={"SENET_CACHE": str(tmp_path / odd)})
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / odd) == {installed(), "index/tiny.json"}


def test_a_prefix_is_found_in_a_cache_folder_with_any_name(
    here: Senet, server: FaultServer, twin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / "a[b]*?"
    monkeypatch.setenv("SENET_CACHE", str(odd))
    here("download", "twin")
    (odd / "index/twin.json").unlink()
    assert here("download", "twin").returncode == 0
    assert len(server.requests) == 1


_ON_A_SMALL_DISK = (
    'mount -t tmpfs -o size=$1 tmpfs "$2" || exit 99; shift 2; "$@"; code=$?; find "$0" -type f; exit $code'
)


def run_on_a_small_disk(size: str, cache: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command with a cache of that size; the files that it leaves there follow on stdout."""
    cache.mkdir()
    shell = ["sh", "-c", _ON_A_SMALL_DISK, str(cache), size, str(cache)]
    command = [sys.executable, "-m", "senet_cli", *map(str, arguments)]
    if shutil.which("unshare") is None:
        pytest.skip("there is no `unshare` to mount a small disk with")
    done = subprocess.run(["unshare", "-m", *shell, *command], capture_output=True, text=True, check=False)
    if done.returncode == 99 or "unshare failed" in done.stderr:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    return done


def test_a_disk_without_room_is_refused_before_the_first_byte(
    server: FaultServer, tiny: Path, cache: Path
) -> None:
    done = run_on_a_small_disk("1m", cache, "download", "tiny")
    assert done.returncode == 7, done.stderr
    assert done.stdout == ""
    assert "SENET_CACHE" in done.stderr
    assert "1 MB left" in done.stderr


def test_a_disk_that_fills_up_is_left_clean(server: FaultServer, publish: Publish, cache: Path) -> None:
    publish(tiny=[file_entry(server.url("/tiny.pth"), bytes=None)])
    server.files["/tiny.pth"] = Behaviour(bytes(80 * 2**20), framing="close")
    done = run_on_a_small_disk("68m", cache, "download", "tiny")
    assert done.returncode == 7, done.stderr
    assert done.stdout == ""
    assert "SENET_CACHE" in done.stderr
    assert "No space left" in done.stderr


def test_a_small_disk_with_room_serves(server: FaultServer, tiny: Path, cache: Path) -> None:
    done = run_on_a_small_disk("80m", cache, "download", "tiny")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"tiny\t{cache / installed()}"
    assert sorted(done.stdout.splitlines()[1:]) == [
        str(cache / installed()),
        str(cache / "index/tiny.json"),
    ]


_HOMELESS = """
import contextlib, io, os
import senet_cli.cli.hints
import senet_cli.output.text
from senet_cli.__main__ import main, run
from senet_cli.cli.app import app

with contextlib.redirect_stdout(io.StringIO()):
    run(lambda: app(["cache", "dir"]))  # what it imports may lie where only root can read
for name in ("HOME", "SENET_CACHE", "XDG_CACHE_HOME"):
    os.environ.pop(name, None)
os.chdir("/")
os.setgid(54321)
os.setuid(54321)  # a user that no password file knows
main()
"""


def test_without_a_home_the_cache_must_be_named(tmp_path: Path) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can become a user without a home")
    environment = {name: value for name, value in os.environ.items() if name != "SENET_CACHE"}
    done = subprocess.run(
        [sys.executable, "-c", _HOMELESS, "cache", "dir"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 7, (done.stdout, done.stderr)
    assert "SENET_CACHE" in done.stderr
    assert "Traceback" not in done.stderr
