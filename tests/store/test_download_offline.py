"""Without the network: no socket is opened, and what is here already or at a file address still serves."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from senet_cli.errors import NetworkError
from senet_cli.events import SILENCE
from senet_cli.settings import Settings
from senet_cli.store.install import ensure_installed
from senet_cli.store.transfer import OfflineTransport, Request
from tests.conftest import Senet
from tests.faultserver import FaultServer, flipped
from tests.store.downloads import PAYLOAD, Publish, contents, file_entry, installed, known, sha256

SHIP = Path(__file__).parents[2] / "examples" / "ship.jpg"
_BOMB = """
import socket, sys

class Bomb(socket.socket):
    def __init__(self, *arguments, **options):
        raise AssertionError("a socket was opened")

socket.socket = Bomb
from senet_cli.__main__ import main
main()
"""


def run_with_bomb(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process where opening any socket is an error that shows."""
    return subprocess.run(
        [sys.executable, "-c", _BOMB, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )


def test_the_bomb_goes_off_when_a_download_is_allowed(server: FaultServer, tiny: Path) -> None:
    assert "a socket was opened" in run_with_bomb("download", "tiny").stderr


@pytest.mark.parametrize("command", [("download", "tiny"), ("predict", str(SHIP), "-m", "tiny")])
def test_offline_commands_open_no_socket(
    server: FaultServer, tiny: Path, cache: Path, command: tuple[str, ...]
) -> None:
    for done in (run_with_bomb(*command, "--offline"), run_with_bomb(*command, SENET_OFFLINE="1")):
        assert done.returncode == 5, done.stderr
        assert "a socket was opened" not in done.stderr
        assert "--offline" in done.stderr
        assert "--from" in done.stderr
    assert server.requests == []
    assert contents(cache) == set()


@pytest.mark.parametrize(
    "command",
    [
        ("download", "tiny"),
        ("download", "tiny", "--dry-run"),
        ("download", "seresnet50", "--dry-run"),
        ("verify",),
        ("list",),
        ("info", "tiny"),
        ("cache", "dir"),
        ("cache", "rm", "tiny"),
    ],
    ids=" ".join,
)
def test_only_what_is_missing_needs_a_socket(here: Senet, tiny: Path, command: tuple[str, ...]) -> None:
    assert here("download", "tiny").returncode == 0
    done = run_with_bomb(*command)
    assert done.returncode == 0, done.stderr


def test_a_function_call_opens_no_socket_offline(
    server: FaultServer, tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bomb(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", bomb)
        with pytest.raises(NetworkError, match="offline"):
            ensure_installed(known(), Settings(cache, tiny, offline=True), SILENCE)
    ensure_installed(known(), Settings(cache, tiny), SILENCE)
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", bomb)
        assert ensure_installed(known(), Settings(cache, tiny), SILENCE).sha256 == sha256(PAYLOAD)


@pytest.mark.parametrize("offline", [(), ("--offline",)], ids=["online", "offline"])
def test_a_file_address_needs_no_network(
    here: Senet, publish: Publish, tmp_path: Path, cache: Path, offline: tuple[str, ...]
) -> None:
    origin = tmp_path / "my own weights %41 é.pth"
    origin.write_bytes(PAYLOAD)
    publish(tiny=[file_entry(origin.as_uri())])
    done = here("download", "tiny", *offline)
    assert done.returncode == 0, done.stderr
    assert contents(cache) == {installed(), "index/tiny.json"}
    assert origin.read_bytes() == PAYLOAD


def test_a_file_address_is_verified_like_any_other(
    here: Senet, publish: Publish, tmp_path: Path, cache: Path
) -> None:
    origin = tmp_path / "weights.pth"
    publish(tiny=[file_entry(origin.as_uri())])
    assert here("download", "tiny").returncode == 5
    origin.write_bytes(flipped(PAYLOAD))
    assert here("download", "tiny").returncode == 6
    origin.write_bytes(PAYLOAD + b"x")
    assert here("download", "tiny").returncode == 6
    assert contents(cache) == set()


@pytest.mark.parametrize("url", ["file:///etc/%00", "file:", "file:///"])
def test_a_file_address_that_leads_nowhere_is_a_network_failure(
    here: Senet, publish: Publish, url: str
) -> None:
    publish(tiny=[file_entry(url)])
    done = here("download", "tiny")
    assert done.returncode in (4, 5), done.stderr


def test_files_that_are_not_there_need_no_model(
    here: Senet, server: FaultServer, publish: Publish, cache: Path
) -> None:
    publish(tiny=[file_entry(server.url("/a.pth"))])
    for names in (["nosuch.jpg"], ["no", "such.jpg"], ["a/b/c.png", "d.png"]):
        done = here("predict", *names, "-m", "tiny", "--format", "jsonl", "-v")
        assert done.returncode == 1, done.stderr
        assert [json.loads(line)["error"]["kind"] for line in done.stdout.splitlines()] == ["missing"] * len(
            names
        )
        assert json.loads(done.stdout.splitlines()[0])["model"] == "tiny"
    assert server.paths() == []
    assert here("predict", "nosuch.jpg", "-m", "unheard-of", "-v").returncode == 4


def test_nothing_is_installed_by_a_transport_that_is_offline(tiny: Path) -> None:
    with (
        pytest.raises(NetworkError, match="may not be used"),
        OfflineTransport().open(Request("http://127.0.0.1:9/x")),
    ):
        pytest.fail("it opened something")
