"""Downloads against a real server on loopback: what arrives whole is installed, nothing else ever is."""

from __future__ import annotations

import gc
import gzip
import hashlib
import http.client
import io
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from senet_cli.__main__ import run
from senet_cli.cli.app import app
from senet_cli.errors import DigestError, NetworkError
from senet_cli.manifest import load_manifest
from senet_cli.manifest.entries import Checkpoint
from senet_cli.settings import Settings
from senet_cli.store import transfer
from senet_cli.store.cache import Cache
from senet_cli.store.fetch import Fetcher
from senet_cli.store.install import ensure_installed
from senet_cli.store.notices import Silence
from senet_cli.store.transfer import HttpTransport, OfflineTransport, Request
from tests.conftest import Senet
from tests.faultserver import (
    CONNECTION_RESET,
    Behaviour,
    FaultServer,
    closed_port,
    flipped,
    redirect,
    refusal,
    web_page,
)

PAYLOAD = random.Random(0).randbytes(300_000)
TWINS = (b"twin 63152\n", b"twin 69381\n")
"""Two files whose SHA-256 begins with the same eight digits."""

Publish = Callable[..., Path]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def file_entry(*urls: str, data: bytes = PAYLOAD, **changes: object) -> dict[str, Any]:
    """One value of `files` that describes `data`; a change to None removes the field."""
    usual = {"urls": urls, "sha256": sha256(data), "bytes": len(data), "format": "torch", "layout": "cadene"}
    return {name: value for name, value in (usual | changes).items() if value is not None}


def checkpoint_entry(*files: dict[str, Any]) -> dict[str, Any]:
    return {
        "publisher": "this test",
        "architecture": "seresnet18-caffe",
        "preprocess": {
            "resize": 256,
            "crop": 224,
            "interpolation": "bilinear",
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
        },
        "files": list(files),
        "licence": {"name": "none"},
    }


def contents(cache: Path) -> set[str]:
    """Every file below the cache, hidden ones included."""
    return {path.relative_to(cache).as_posix() for path in cache.rglob("*") if not path.is_dir()}


def installed(data: bytes = PAYLOAD, suffix: str = "pth") -> str:
    return f"checkpoints/{sha256(data)}.{suffix}"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The folder that SENET_CACHE names in every test."""
    return tmp_path / "cache"


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Write a manifest with one checkpoint for each keyword and make it the user's."""

    def write(**checkpoints: list[dict[str, Any]]) -> Path:
        path = tmp_path / "manifest.json"
        entries = {name: checkpoint_entry(*files) for name, files in checkpoints.items()}
        path.write_text(json.dumps({"schema": 1, "checkpoints": entries}))
        monkeypatch.setenv("SENET_MANIFEST", str(path))
        return path

    return write


@pytest.fixture
def tiny(server: FaultServer, publish: Publish) -> Path:
    """The manifest of one checkpoint, `tiny`, at `/tiny.pth`, which the server serves without fault."""
    server.files["/tiny.pth"] = Behaviour(PAYLOAD)
    return publish(tiny=[file_entry(server.url("/tiny.pth"))])


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Iterator[Senet]:
    """Like `senet`, but in this process: so many faults need not pay for as many starts.

    A connection that is left open shows as a warning in the test that left it.
    """

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        code = run(lambda: app([*map(str, arguments)], prog_name="senet"))
        return subprocess.CompletedProcess(arguments, int(code), *capsys.readouterr())

    yield call
    gc.collect()


def known(name: str = "tiny") -> Checkpoint:
    """The entry of the user's manifest, for calling functions directly."""
    return load_manifest(Settings.from_environment().manifest).checkpoint(name)


# --- when all goes well -------------------------------------------------------------------------


def test_a_download_is_one_file_under_its_digest_and_one_index_entry(
    senet: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    done = senet("download", "tiny")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"tiny\t{cache / installed()}\n"
    assert contents(cache) == {installed(), "index/tiny.json"}
    assert (cache / installed()).read_bytes() == PAYLOAD
    index = json.loads((cache / "index/tiny.json").read_text())
    assert (index["sha256"], index["size"]) == (sha256(PAYLOAD), len(PAYLOAD))
    assert [request.path for request in server.requests] == ["/tiny.pth"]
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_a_manifest_given_as_an_option_comes_before_the_environment(
    senet: Senet, tiny: Path, cache: Path
) -> None:
    done = senet("download", "tiny", "--manifest", tiny, env={"SENET_MANIFEST": "/nowhere.json"})
    assert done.returncode == 0, done.stderr
    assert installed() in contents(cache)


def test_what_is_there_is_not_fetched_again(senet: Senet, server: FaultServer, tiny: Path) -> None:
    first, second = senet("download", "tiny"), senet("download", "tiny")
    assert (first.returncode, second.returncode) == (0, 0)
    assert second.stdout == first.stdout
    assert len(server.requests) == 1


@pytest.mark.parametrize("framing", ["close", "chunked"])
def test_a_server_need_not_announce_the_length(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, framing: Any
) -> None:
    server.files["/tiny.pth"] = Behaviour(PAYLOAD, framing=framing)
    assert here("download", "tiny").returncode == 0
    assert contents(cache) == {installed(), "index/tiny.json"}


def test_a_file_that_drips_in_arrives(here: Senet, server: FaultServer, tiny: Path, cache: Path) -> None:
    server.files["/tiny.pth"] = Behaviour(PAYLOAD, piece=30_000, pause=0.02)
    assert here("download", "tiny").returncode == 0
    assert (cache / installed()).read_bytes() == PAYLOAD


def test_one_model_that_fails_does_not_keep_the_others_from_arriving(
    here: Senet, server: FaultServer, publish: Publish, cache: Path
) -> None:
    server.files["/good.pth"] = Behaviour(PAYLOAD)
    publish(
        gone=[file_entry(server.url("/gone.pth"))],
        good=[file_entry(server.url("/good.pth"))],
    )
    done = here("download", "gone", "good")
    assert done.returncode == 5
    assert done.stdout == f"good\t{cache / installed()}\n"
    assert "`gone` could not be downloaded" in done.stderr


# --- the wrong bytes ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 150_000, -1])
def test_a_flipped_bit_is_a_digest_mismatch(
    senet: Senet, server: FaultServer, tiny: Path, cache: Path, place: int
) -> None:
    server.files["/tiny.pth"] = Behaviour(flipped(PAYLOAD, place))
    done = senet("download", "tiny")
    assert done.returncode == 6
    assert done.stdout == ""
    assert sha256(flipped(PAYLOAD, place)) in done.stderr
    assert contents(cache) == set()


def test_a_cut_body_of_unpublished_size_is_a_digest_mismatch(
    here: Senet, server: FaultServer, publish: Publish, cache: Path
) -> None:
    publish(tiny=[file_entry(server.url("/tiny.pth"), bytes=None)])
    server.files["/tiny.pth"] = Behaviour(PAYLOAD, framing="close", stop_after=1000)
    assert here("download", "tiny").returncode == 6
    assert contents(cache) == set()


def test_a_body_without_end_is_not_read_to_its_end(
    here: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    endless = PAYLOAD + bytes(64 * 2**20)
    server.files["/tiny.pth"] = Behaviour(endless, framing="close")
    done = here("download", "tiny")
    assert done.returncode == 6
    assert "300,000" in done.stderr
    assert contents(cache) == set()
    server.stop()
    assert 0 < server.requests[0].sent < len(endless)


def test_a_length_that_differs_is_refused_before_the_first_byte(
    here: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    server.files["/tiny.pth"] = Behaviour(PAYLOAD + b"x")
    done = here("download", "tiny")
    assert done.returncode == 6
    assert "300,001" in done.stderr
    assert "300,000" in done.stderr
    assert contents(cache) == set()


def test_an_unpublished_size_has_a_cap(
    server: FaultServer, publish: Publish, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("senet_cli.manifest.entries.MAX_BYTES", 100_000)
    publish(tiny=[file_entry(server.url("/tiny.pth"), bytes=None)])
    for framing in ("length", "close"):
        server.files["/tiny.pth"] = Behaviour(PAYLOAD, framing=framing)
        with pytest.raises(DigestError, match="100,000"):
            Fetcher(Cache(cache), HttpTransport(), Silence()).fetch(known())
    assert contents(cache) == set()


@pytest.mark.parametrize("size", [len(PAYLOAD), None], ids=["size published", "size not published"])
@pytest.mark.parametrize("framing", ["length", "close"])
def test_a_web_page_in_place_of_the_file_is_called_one(
    here: Senet, server: FaultServer, publish: Publish, cache: Path, size: int | None, framing: Any
) -> None:
    publish(tiny=[file_entry(server.url("/tiny.pth"), bytes=size)])
    server.files["/tiny.pth"] = replace(web_page(), framing=framing)
    done = here("download", "tiny")
    assert done.returncode in (5, 6)
    assert contents(cache) == set()
    assert "text/html" in done.stderr


def test_a_file_that_comes_compressed_is_refused(
    here: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    server.files["/tiny.pth"] = Behaviour(gzip.compress(PAYLOAD), headers={"Content-Encoding": "gzip"})
    done = here("download", "tiny")
    assert done.returncode == 5
    assert "gzip" in done.stderr
    assert contents(cache) == set()


# --- addresses that fail ------------------------------------------------------------------------


@pytest.mark.parametrize("status", [403, 404, 410])
def test_the_mirror_is_asked_when_the_first_address_fails(
    here: Senet, server: FaultServer, publish: Publish, cache: Path, status: int
) -> None:
    server.files |= {"/a.pth": refusal(status), "/b.pth": Behaviour(PAYLOAD)}
    publish(tiny=[file_entry(server.url("/a.pth"), server.url("/b.pth"))])
    done = here("download", "tiny")
    assert done.returncode == 0
    assert str(status) in done.stderr
    assert server.paths() == ["/a.pth", "/b.pth"]
    assert contents(cache) == {installed(), "index/tiny.json"}


@pytest.mark.parametrize(
    "fault",
    [
        Behaviour(flipped(PAYLOAD)),
        Behaviour(PAYLOAD, stop_after=1000),
        Behaviour(PAYLOAD, stop_after=1000, ending="reset"),
        CONNECTION_RESET,
        web_page(),
        redirect("/a.pth"),
        Behaviour(PAYLOAD + b"x", framing="close"),
    ],
    ids=["wrong", "cut", "reset on the way", "reset", "web page", "loop", "longer"],
)
def test_the_mirror_is_asked_whatever_is_wrong_with_the_first_address(
    here: Senet, server: FaultServer, publish: Publish, cache: Path, fault: Behaviour
) -> None:
    server.files |= {"/a.pth": fault, "/b.pth": Behaviour(PAYLOAD)}
    publish(tiny=[file_entry(server.url("/a.pth"), server.url("/b.pth"))])
    done = here("download", "tiny")
    assert done.returncode == 0, done.stderr
    assert contents(cache) == {installed(), "index/tiny.json"}


def test_when_no_address_has_it_the_code_is_that_of_the_network(
    senet: Senet, server: FaultServer, publish: Publish, cache: Path
) -> None:
    publish(tiny=[file_entry(server.url("/a.pth"), server.url("/b.pth?key=secret"))])
    done = senet("download", "tiny")
    assert done.returncode == 5
    assert "any of its 2 addresses" in done.stderr
    assert "404" in done.stderr
    assert "secret" not in done.stderr
    assert server.paths() == ["/a.pth", "/b.pth?key=secret"]
    assert contents(cache) == set()


def test_the_exit_code_of_a_wrong_file_is_worse_news(
    here: Senet, server: FaultServer, publish: Publish
) -> None:
    server.files["/a.pth"] = Behaviour(flipped(PAYLOAD))
    publish(tiny=[file_entry(server.url("/a.pth"), server.url("/gone.pth"))])
    assert here("download", "tiny").returncode == 6


def test_a_port_that_nobody_listens_on_is_a_network_failure(here: Senet, publish: Publish) -> None:
    with closed_port() as port:
        publish(tiny=[file_entry(f"http://127.0.0.1:{port}/tiny.pth")])
        done = here("download", "tiny")
    assert done.returncode == 5
    assert f"127.0.0.1:{port}" in done.stderr
    assert "HTTPS_PROXY" in done.stderr


def test_a_server_that_falls_silent_is_given_up(
    server: FaultServer, tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_READ_SECONDS", 0.3)
    server.files["/tiny.pth"] = Behaviour(PAYLOAD, stop_after=1000, ending="hang")
    with pytest.raises(NetworkError, match=r"in time|timed out"):
        Fetcher(Cache(cache), HttpTransport(), Silence()).fetch(known())
    assert {name.partition("/")[0] for name in contents(cache)} == {"partial"}


@pytest.mark.parametrize("length", ["\xb2", "-1", "9" * 5000, "300000, 300000", "0x10", ""])
def test_nonsense_for_a_length_is_not_our_bug(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, length: str
) -> None:
    server.files["/tiny.pth"] = Behaviour(PAYLOAD, headers={"Content-Length": length})
    done = here("download", "tiny")
    assert done.returncode in (0, 5, 6), done.stderr
    assert contents(cache) <= {installed(), "index/tiny.json"}


# --- redirects ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("hops", "code"), [(1, 0), (5, 0), (6, 5)])
def test_five_redirects_are_followed_and_no_more(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, hops: int, code: int
) -> None:
    server.files = {f"/hop{n}": redirect(f"/hop{n + 1}") for n in range(1, hops)}
    server.files |= {"/tiny.pth": redirect("/hop1"), f"/hop{hops}": Behaviour(PAYLOAD)}
    done = here("download", "tiny")
    assert done.returncode == code, done.stderr
    assert server.paths() == ["/tiny.pth", *(f"/hop{n}" for n in range(1, min(hops, 5) + 1))]
    assert contents(cache) == ({installed(), "index/tiny.json"} if code == 0 else set())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_every_kind_of_redirect_is_followed(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, status: int
) -> None:
    server.files |= {"/tiny.pth": redirect("other/place.pth?a=b", status)}
    server.files["/other/place.pth"] = Behaviour(PAYLOAD)
    assert here("download", "tiny").returncode == 0
    assert server.paths() == ["/tiny.pth", "/other/place.pth?a=b"]


def test_a_redirect_may_lead_to_another_server(
    here: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    with FaultServer({"/there.pth": Behaviour(PAYLOAD)}) as other:
        server.files["/tiny.pth"] = redirect(other.url("/there.pth"))
        assert here("download", "tiny").returncode == 0
        assert other.paths() == ["/there.pth"]
    assert installed() in contents(cache)


def test_a_redirect_loop_ends(here: Senet, server: FaultServer, tiny: Path, cache: Path) -> None:
    server.files |= {"/tiny.pth": redirect("/b"), "/b": redirect("/tiny.pth")}
    done = here("download", "tiny")
    assert done.returncode == 5
    assert "redirects" in done.stderr
    assert len(server.requests) == 6
    assert contents(cache) == set()


@pytest.mark.parametrize(
    "location",
    ["file:///etc/hostname", "ftp://127.0.0.1/x", "http://[::1", "http://127.0.0.1:99999/x", "http:///x", ""],
)
def test_a_redirect_to_something_odd_is_a_network_failure(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, location: str
) -> None:
    server.files["/tiny.pth"] = redirect(location)
    done = here("download", "tiny")
    assert done.returncode == 5, done.stderr
    assert contents(cache) == set()


def test_a_redirect_without_an_address_is_a_network_failure(
    here: Senet, server: FaultServer, tiny: Path
) -> None:
    server.files["/tiny.pth"] = Behaviour(status=302)
    done = here("download", "tiny")
    assert done.returncode == 5
    assert "302" in done.stderr


def test_https_never_leads_to_http() -> None:
    with pytest.raises(NetworkError, match="not https"):
        transfer._redirected("https://example.org/a", "http://example.org/b")
    assert transfer._redirected("https://example.org/a/b", "c") == "https://example.org/a/c"


# --- digests of which only a prefix is published ------------------------------------------------


@pytest.fixture
def twin(server: FaultServer, publish: Publish) -> str:
    """A checkpoint published with eight digits, which two files share; returns the name of the first."""
    one, two = map(sha256, TWINS)
    assert one != two
    assert one[:8] == two[:8]
    server.files["/twin.pth"] = Behaviour(TWINS[0])
    publish(twin=[file_entry(server.url("/twin.pth"), sha256=None, sha256_prefix=one[:8], bytes=None)])
    return installed(TWINS[0])


def test_a_prefix_pins_the_full_digest(here: Senet, server: FaultServer, twin: str, cache: Path) -> None:
    done = here("download", "twin")
    assert done.returncode == 0
    assert done.stdout == f"twin\t{cache / twin}\n"
    assert contents(cache) == {twin, "index/twin.json"}
    assert json.loads((cache / "index/twin.json").read_text())["sha256"] == sha256(TWINS[0])
    assert here("verify", "twin").stdout == f"twin\tok\t{sha256(TWINS[0])}\n"
    assert here("download", "twin").stdout == done.stdout
    assert len(server.requests) == 1


def test_another_file_with_the_same_prefix_is_noticed(
    here: Senet, server: FaultServer, twin: str, cache: Path
) -> None:
    here("download", "twin")
    (cache / twin).write_bytes(TWINS[1])
    assert here("verify", "twin").returncode == 6
    assert contents(cache) == {twin.replace(".pth", ".bad"), "index/twin.json"}


def test_a_file_with_another_prefix_is_refused(
    here: Senet, server: FaultServer, twin: str, cache: Path
) -> None:
    server.files["/twin.pth"] = Behaviour(b"something else")
    assert here("download", "twin").returncode == 6
    assert contents(cache) == set()


def test_a_prefix_is_found_without_its_index(
    here: Senet, server: FaultServer, twin: str, cache: Path
) -> None:
    here("download", "twin")
    (cache / "index/twin.json").unlink()
    assert here("download", "twin").stdout == f"twin\t{cache / twin}\n"
    assert len(server.requests) == 1


@pytest.mark.parametrize("digest", ["../../victim", f"{sha256(TWINS[0])[:8]}/../../../victim"])
def test_an_index_cannot_lead_out_of_the_cache(
    here: Senet, server: FaultServer, twin: str, tmp_path: Path, cache: Path, digest: str
) -> None:
    victim = tmp_path / "victim.pth"
    victim.write_bytes(b"precious")
    (cache / "index").mkdir(parents=True)
    (cache / "checkpoints" / sha256(TWINS[0])[:8]).mkdir(parents=True)
    (cache / "index/twin.json").write_text(json.dumps({"sha256": digest, "size": 8, "mtime_ns": 0}))
    assert here("download", "twin").stdout == f"twin\t{cache / twin}\n"
    assert here("cache", "rm", "twin").returncode == 0
    assert victim.read_bytes() == b"precious"


def test_a_manifest_with_another_prefix_gets_another_file(
    here: Senet, server: FaultServer, publish: Publish, twin: str, cache: Path
) -> None:
    here("download", "twin")
    server.files["/twin.pth"] = Behaviour(PAYLOAD)
    digits = sha256(PAYLOAD)[:8]
    publish(twin=[file_entry(server.url("/twin.pth"), sha256=None, sha256_prefix=digits, bytes=None)])
    assert here("download", "twin").stdout == f"twin\t{cache / installed()}\n"


# --- alternatives -------------------------------------------------------------------------------


def test_another_file_of_the_same_checkpoint_is_used_when_the_first_cannot_be_had(
    here: Senet, server: FaultServer, publish: Publish, cache: Path
) -> None:
    other = b"the same weights in another format"
    server.files["/b.safetensors"] = Behaviour(other)
    publish(
        tiny=[
            file_entry(server.url("/a1.pth"), server.url("/a2.pth")),
            file_entry(server.url("/b.safetensors"), data=other, format="safetensors"),
        ]
    )
    done = here("download", "tiny")
    assert done.returncode == 0
    assert server.paths() == ["/a1.pth", "/a2.pth", "/b.safetensors"]
    assert contents(cache) == {installed(other, "safetensors"), "index/tiny.json"}
    assert here("download", "tiny").stdout == done.stdout
    assert len(server.requests) == 3


# --- without the network ------------------------------------------------------------------------

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


@pytest.mark.parametrize("command", [("download", "tiny"), ("predict", "a.jpg", "-m", "tiny")])
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
            ensure_installed(known(), Settings(cache, tiny, offline=True))
    ensure_installed(known(), Settings(cache, tiny))
    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", bomb)
        assert ensure_installed(known(), Settings(cache, tiny)).sha256 == sha256(PAYLOAD)


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


# --- from a file or a folder --------------------------------------------------------------------


def test_a_file_can_be_carried_here(here: Senet, server: FaultServer, tiny: Path, cache: Path) -> None:
    origin = tiny.parent / "whatever.bin"
    origin.write_bytes(PAYLOAD)
    done = here("download", "tiny", "--from", origin, "--offline")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"tiny\t{cache / installed()}\n"
    assert contents(cache) == {installed(), "index/tiny.json"}
    assert origin.read_bytes() == PAYLOAD
    assert server.requests == []


@pytest.mark.parametrize("data", [flipped(PAYLOAD), PAYLOAD[:-1], PAYLOAD + b"x", b""])
def test_a_wrong_file_is_refused(here: Senet, tiny: Path, cache: Path, data: bytes) -> None:
    origin = tiny.parent / "tiny.pth"
    origin.write_bytes(data)
    for place in (origin, origin.parent):
        assert here("download", "tiny", "--from", place).returncode == 6
    assert contents(cache) == set()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("tiny.pth", None),
        (f"{sha256(PAYLOAD)}.pth", None),
        ("tiny.pth", len(PAYLOAD)),
        ("renamed.bin", len(PAYLOAD)),
    ],
)
def test_a_folder_is_searched_by_name_by_digest_and_by_size(
    here: Senet,
    server: FaultServer,
    publish: Publish,
    tmp_path: Path,
    cache: Path,
    name: str,
    size: int | None,
) -> None:
    publish(tiny=[file_entry(server.url("/tiny.pth"), bytes=size)])
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / name).write_bytes(PAYLOAD)
    (folder / "another of the same size").write_bytes(flipped(PAYLOAD))
    (folder / "folder.pth").mkdir()
    done = here("download", "tiny", "--from", folder)
    assert done.returncode == 0, done.stderr
    assert contents(cache) == {installed(), "index/tiny.json"}
    assert server.requests == []


def test_a_folder_without_the_file_says_what_it_looked_for(here: Senet, tiny: Path, cache: Path) -> None:
    (tiny.parent / "stick").mkdir()
    (tiny.parent / "stick" / "same size").write_bytes(flipped(PAYLOAD))
    done = here("download", "tiny", "--from", tiny.parent / "stick")
    assert done.returncode == 4
    assert "tiny.pth" in done.stderr
    assert contents(cache) == set()


def test_a_place_that_does_not_exist_is_a_disk_error(here: Senet, tiny: Path) -> None:
    done = here("download", "tiny", "--from", tiny.parent / "nowhere")
    assert done.returncode == 7
    assert "nowhere" in done.stderr


def test_one_file_cannot_be_two_models(here: Senet, tiny: Path) -> None:
    assert here("download", "tiny", "seresnet50", "--from", tiny).returncode == 2


def test_all_from_a_folder_installs_what_is_there(
    here: Senet, server: FaultServer, publish: Publish, tmp_path: Path, cache: Path
) -> None:
    other = b"another"
    publish(
        one=[file_entry("https://one.invalid/one.pth")],
        two=[file_entry("https://two.invalid/two.pth", data=other)],
        three=[file_entry("https://three.invalid/three.pth", data=b"not there")],
    )
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "one.pth").write_bytes(PAYLOAD)
    (folder / "renamed").write_bytes(other)
    done = here("download", "--all", "--from", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"one\t{cache / installed()}\ntwo\t{cache / installed(other)}\n"
    assert contents(cache) == {installed(), installed(other), "index/one.json", "index/two.json"}


def test_all_from_a_folder_with_a_damaged_file_says_so(
    here: Senet, publish: Publish, tmp_path: Path, cache: Path
) -> None:
    publish(
        one=[file_entry("https://one.invalid/one.pth")],
        two=[file_entry("https://two.invalid/two.pth", data=b"another")],
    )
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "one.pth").write_bytes(PAYLOAD)
    (folder / "two.pth").write_bytes(b"damaged")
    assert here("download", "--all", "--from", folder).returncode == 6
    assert contents(cache) == {installed(), "index/one.json"}


def test_all_from_a_folder_with_nothing_for_us_is_an_error(here: Senet, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    assert here("download", "--all", "--from", tmp_path / "stick").returncode == 4


def test_a_common_file_name_does_not_make_another_model_damaged(
    here: Senet, publish: Publish, tmp_path: Path, cache: Path
) -> None:
    """Many files are called `model.safetensors`; the one that is there is the one, the other is not there."""
    publish(
        one=[file_entry("https://one.invalid/model.safetensors", bytes=None, format="safetensors")],
        two=[
            file_entry("https://two.invalid/model.safetensors", bytes=None, data=b"2", format="safetensors")
        ],
    )
    folder = tmp_path / "stick"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(PAYLOAD)
    done = here("download", "--all", "--from", folder)
    assert done.stdout == f"one\t{cache / installed(suffix='safetensors')}\n"
    assert done.returncode == 0, done.stderr


# --- plans --------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    here: Senet, server: FaultServer, publish: Publish, cache: Path
) -> None:
    server.files["/a.pth"] = Behaviour(PAYLOAD)
    publish(
        here=[file_entry(server.url("/a.pth"))],
        away=[file_entry(server.url("/b.pth"), data=b"another")],
        unsized=[file_entry(server.url("/c.pth"), data=b"third", bytes=None)],
    )
    assert here("download", "here", "away", "unsized", "--dry-run").stdout == (
        f"here\tdownload\t300000\t{server.url('/a.pth')}\n"
        f"away\tdownload\t7\t{server.url('/b.pth')}\n"
        f"unsized\tdownload\t\t{server.url('/c.pth')}\n"
    )
    assert server.requests == []
    assert not cache.exists()
    here("download", "here")
    done = here("download", "here", "away", "--dry-run")
    assert done.returncode == 0
    assert done.stdout == (
        f"here\tpresent\t0\t{cache / installed()}\naway\tdownload\t7\t{server.url('/b.pth')}\n"
    )


# --- shared files -------------------------------------------------------------------------------


@pytest.fixture
def pair(server: FaultServer, publish: Publish) -> Path:
    """Two entries with one and the same file."""
    server.files["/shared.pth"] = Behaviour(PAYLOAD)
    entry = file_entry(server.url("/shared.pth"))
    return publish(one=[entry], two=[entry])


def test_two_entries_share_one_file(here: Senet, server: FaultServer, pair: Path, cache: Path) -> None:
    done = here("download", "one", "two")
    assert done.stdout == f"one\t{cache / installed()}\ntwo\t{cache / installed()}\n"
    assert contents(cache) == {installed(), "index/one.json", "index/two.json"}
    assert len(server.requests) == 1


def test_removing_keeps_a_file_that_another_entry_uses(here: Senet, pair: Path, cache: Path) -> None:
    here("download", "one", "two")
    first = here("cache", "rm", "one")
    assert (first.returncode, first.stdout) == (0, "")
    assert contents(cache) == {installed(), "index/two.json"}
    second = here("cache", "rm", "two")
    assert "0.3 MB freed" in second.stderr
    assert contents(cache) == set()


def test_the_published_pair_shares_its_file() -> None:
    manifest = load_manifest()
    cadene, legacy = manifest.checkpoint("seresnet50.cadene"), manifest.checkpoint("seresnet50.legacy")
    assert cadene.files[0].digest == legacy.files[0].digest
    assert cadene.files[0].digest_name == legacy.files[0].digest_name


def test_removing_all_leaves_nothing(here: Senet, pair: Path, cache: Path) -> None:
    here("download", "one")
    (cache / "checkpoints" / f"{'0' * 64}.bad").write_bytes(b"put aside")
    (cache / "checkpoints" / ".half.part").write_bytes(b"left over")
    assert here("cache", "rm", "--all").returncode == 0
    assert contents(cache) == set()


# --- what happens to a cache --------------------------------------------------------------------


def test_verify_tells_ok_damaged_and_missing(
    here: Senet, server: FaultServer, tiny: Path, cache: Path
) -> None:
    missing = here("verify", "tiny")
    assert (missing.returncode, missing.stdout) == (4, "tiny\tmissing\t\n")
    here("download", "tiny")
    good = here("verify", "tiny")
    assert (good.returncode, good.stdout) == (0, f"tiny\tok\t{sha256(PAYLOAD)}\n")
    assert good.stdout in here("verify").stdout

    before = (cache / installed()).stat()
    (cache / installed()).write_bytes(flipped(PAYLOAD))
    os.utime(cache / installed(), ns=(before.st_atime_ns, before.st_mtime_ns))  # not even the time tells
    assert here("verify", "tiny").returncode == 0
    damaged = here("verify", "--deep", "tiny")
    assert (damaged.returncode, damaged.stdout) == (6, "tiny\tdamaged\t\n")
    assert "senet download tiny" in damaged.stderr
    aside = installed().replace(".pth", ".bad")
    assert contents(cache) == {aside, "index/tiny.json"}
    assert (cache / aside).read_bytes() == flipped(PAYLOAD)

    assert here("download", "tiny").returncode == 0
    assert here("verify", "tiny").returncode == 0
    assert len(server.requests) == 2


@pytest.mark.parametrize("damage", [flipped(PAYLOAD), PAYLOAD[:-1], PAYLOAD + b"x", b""])
def test_a_download_repairs_a_damaged_file(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, damage: bytes
) -> None:
    here("download", "tiny")
    (cache / installed()).write_bytes(damage)
    done = here("download", "tiny")
    assert done.returncode == 0
    assert "has changed" in done.stderr
    assert (cache / installed()).read_bytes() == PAYLOAD


def test_a_file_that_changed_is_not_predicted_with(senet: Senet, tiny: Path, cache: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tiny.parent / "a.png")
    senet("download", "tiny")
    (cache / installed()).write_bytes(flipped(PAYLOAD))
    done = senet("predict", "a.png", "-m", "tiny", "--offline")
    assert done.returncode == 6
    assert done.stdout == ""
    assert "senet download tiny" in done.stderr
    assert installed() not in contents(cache)


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "null", '{"sha256": 1}', '{"sha256": "../../x", "size": 1, "mtime_ns": 1}', "\0"],
)
def test_a_damaged_index_is_no_loss(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, damage: str
) -> None:
    here("download", "tiny")
    whole = json.loads((cache / "index/tiny.json").read_text())
    (cache / "index/tiny.json").write_text(damage)
    done = here("download", "tiny")
    assert done.returncode == 0, done.stderr
    assert json.loads((cache / "index/tiny.json").read_text()) == whole
    assert len(server.requests) == 1


@pytest.mark.parametrize("content", [b"precious", None], ids=["to a file", "to nothing"])
def test_a_planted_link_is_replaced_and_its_target_left_alone(
    here: Senet, tiny: Path, cache: Path, content: bytes | None
) -> None:
    victim = tiny.parent / "victim"
    if content is not None:
        victim.write_bytes(content)
    (cache / "checkpoints").mkdir(parents=True)
    (cache / installed()).symlink_to(victim)
    assert here("download", "tiny").returncode == 0
    assert (victim.read_bytes() if victim.exists() else None) == content
    assert not (cache / installed()).is_symlink()
    assert (cache / installed()).read_bytes() == PAYLOAD


def test_eight_processes_that_want_the_same_file_all_get_it(
    server: FaultServer, tiny: Path, cache: Path
) -> None:
    server.files["/tiny.pth"] = Behaviour(PAYLOAD, piece=30_000, pause=0.05)
    command = [sys.executable, "-m", "senet_cli", "download", "tiny"]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)
    ]
    outcomes = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, outcomes
    assert {out for out, _ in outcomes} == {f"tiny\t{cache / installed()}\n"}
    assert contents(cache) == {installed(), "index/tiny.json"}
    assert (cache / installed()).read_bytes() == PAYLOAD
    index = json.loads((cache / "index/tiny.json").read_text())
    assert (index["sha256"], index["size"]) == (sha256(PAYLOAD), len(PAYLOAD))


# --- a cache that cannot be used ----------------------------------------------------------------

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
import senet_cli.writers.text
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


# --- a whole model, as people use it ------------------------------------------------------------


@pytest.fixture(scope="module")
def seresnet101() -> bytes:
    """A random SE-ResNet-101 as Cadene's file would hold it."""
    import torch

    from senet_cli.models.layouts import CADENE
    from senet_cli.models.network import build_network

    torch.manual_seed(0)
    network = build_network(load_manifest().architecture("seresnet101-caffe").spec)
    buffer = io.BytesIO()
    torch.save({CADENE.key(key): value for key, value in network.state_dict().items()}, buffer)
    return buffer.getvalue()


def publish_seresnet101(server: FaultServer, data: bytes, path: Path) -> None:
    """A manifest in which Cadene's SE-ResNet-101 is this file on this server."""
    entry = checkpoint_entry(file_entry(server.url("/se_resnet101.pth"), data=data))
    entry["architecture"] = "seresnet101-caffe"
    path.write_text(json.dumps({"schema": 1, "checkpoints": {"seresnet101.cadene": entry}}))


def test_download_then_predict_into_head(
    data: Path, tmp_path: Path, cache: Path, server: FaultServer, seresnet101: bytes
) -> None:
    """The example of the README: a model by its family name, 200 photographs, a reader that has enough."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash to ask for PIPESTATUS")
    server.files["/se_resnet101.pth"] = Behaviour(seresnet101)
    publish_seresnet101(server, seresnet101, tmp_path / "m.json")
    script = f"""
        senet() {{ '{sys.executable}' -m senet_cli "$@"; }}
        senet download seresnet101 --manifest m.json || exit
        senet predict '{data}/photos' -m seresnet101 --manifest m.json --format jsonl | head -n 5
        echo "${{PIPESTATUS[@]}}" >status
    """
    done = subprocess.run(
        ["bash", "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "error" not in done.stderr
    assert (tmp_path / "status").read_text() == "141 0\n"
    first, *lines = done.stdout.splitlines()
    assert first == f"seresnet101.cadene\t{cache / installed(seresnet101)}"
    records = [json.loads(line) for line in lines]
    photos = sorted((data / "photos").glob("*.*"), key=os.fsencode)
    assert [record["path"] for record in records] == [str(path) for path in photos[:5]]
    for record in records:
        assert record["model"] == "seresnet101.cadene"
        assert [best["rank"] for best in record["predictions"]] == [1, 2, 3, 4, 5]
    assert len(server.requests) == 1
    kept = {name for name in contents(cache) if not name.startswith("converted/")}
    assert kept == {installed(seresnet101), "index/seresnet101.cadene.json"}


def test_a_flipped_byte_in_a_whole_model_installs_nothing(
    senet: Senet, tmp_path: Path, cache: Path, server: FaultServer, seresnet101: bytes
) -> None:
    server.files["/se_resnet101.pth"] = Behaviour(flipped(seresnet101, len(seresnet101) // 2))
    publish_seresnet101(server, seresnet101, tmp_path / "m.json")
    done = senet("download", "seresnet101", "--manifest", tmp_path / "m.json")
    assert done.returncode == 6
    assert done.stdout == ""
    assert contents(cache) == set()
    gone = senet("predict", "a.jpg", "-m", "seresnet101", "--manifest", tmp_path / "m.json", "--offline")
    assert gone.returncode == 5


# --- the server that plays all this -------------------------------------------------------------


def get(server: FaultServer, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """GET `/tiny.pth`; header names are written with `_` for `-`."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", "/tiny.pth", headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("wanted", "part", "span"),
    [
        ("bytes=0-", slice(None), "0-9"),
        ("bytes=4-", slice(4, None), "4-9"),
        ("bytes=4-6", slice(4, 7), "4-6"),
        ("bytes=4-99", slice(4, None), "4-9"),
        ("bytes=-3", slice(-3, None), "7-9"),
        ("bytes=-99", slice(None), "0-9"),
    ],
)
def test_the_server_speaks_ranges(server: FaultServer, wanted: str, part: slice, span: str) -> None:
    server.files["/tiny.pth"] = Behaviour(b"0123456789")
    status, headers, body = get(server, Range=wanted)
    assert (status, body) == (206, b"0123456789"[part])
    assert headers["Content-Range"] == f"bytes {span}/10"
    assert headers["Content-Length"] == str(len(body))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Range": "bytes=6-4"}, 200),
        ({"Range": "bytes=1-2,4-5"}, 200),
        ({"Range": "lines=1-2"}, 200),
        ({"Range": "bytes=10-"}, 416),
        ({"Range": "bytes=-0"}, 416),
        ({"Range": "bytes=4-", "If_Range": '"now"'}, 206),
        ({"Range": "bytes=4-", "If_Range": '"then"'}, 200),
    ],
)
def test_the_server_knows_when_a_range_does_not_count(
    server: FaultServer, headers: dict[str, str], status: int
) -> None:
    server.files["/tiny.pth"] = Behaviour(b"0123456789", etag='"now"')
    answered, given, body = get(server, **headers)
    assert answered == status
    assert body == {200: b"0123456789", 206: b"456789", 416: b""}[status]
    assert given["ETag"] == '"now"'
    assert given.get("Content-Range") == {200: None, 206: "bytes 4-9/10", 416: "bytes */10"}[status]


def test_the_server_plays_its_parts_in_turn_and_keeps_a_record(server: FaultServer) -> None:
    server.files["/tiny.pth"] = [refusal(503, Retry_After="1"), Behaviour(b"0123456789", ranges="ignored")]
    assert get(server)[0] == 503
    for _ in range(2):
        assert get(server, Range="bytes=4-")[2] == b"0123456789"
    server.files["/tiny.pth"] = Behaviour(b"0123456789", ranges="shifted")
    assert get(server, Range="bytes=4-")[2] == b"56789"
    server.files["/tiny.pth"] = Behaviour(b"0123456789", ranges="other_total")
    assert get(server, Range="bytes=4-")[1]["Content-Range"] == "bytes 4-9/11"
    server.stop()
    assert [request.status for request in server.requests] == [503, 200, 200, 206, 206]
    assert [request.sent for request in server.requests][1:] == [10, 10, 5, 6]


def test_nothing_is_installed_by_a_transport_that_is_offline(tiny: Path) -> None:
    with (
        pytest.raises(NetworkError, match="may not be used"),
        OfflineTransport().open(Request("http://127.0.0.1:9/x")),
    ):
        pytest.fail("it opened something")


def test_a_dry_run_of_a_folder_says_what_it_holds(
    here: Senet, server: FaultServer, tiny: Path, cache: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "carried"
    folder.mkdir()
    absent = here("download", "tiny", "--from", folder, "--dry-run")
    assert (absent.returncode, absent.stdout) == (0, f"tiny\tabsent\t\t{folder}\n")
    (folder / "tiny.pth").write_bytes(PAYLOAD)
    held = here("download", "tiny", "--from", folder, "--dry-run")
    assert held.stdout == f"tiny\timport\t{len(PAYLOAD)}\t{folder / 'tiny.pth'}\n"
    assert here("download", "tiny", "--from", tmp_path / "nowhere", "--dry-run").returncode == 7
    assert contents(cache) == set()
    assert not server.requests


def test_printing_addresses_goes_with_nothing_else(here: Senet, tiny: Path) -> None:
    assert here("download", "tiny", "--print-urls", "--dry-run").returncode == 2
