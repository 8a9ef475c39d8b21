"""Mirrors, redirects and other files of the same checkpoint: where else to ask when an address fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from senet_cli.errors import NetworkError
from senet_cli.events import Silence
from senet_cli.store import transfer
from senet_cli.store.cache import Cache
from senet_cli.store.fetch import Fetcher
from senet_cli.store.transfer import HttpTransport
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
from tests.store.downloads import PAYLOAD, Publish, contents, file_entry, installed, known

# --- addresses that fail ------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long a pause before another attempt is, other tests say."""
    monkeypatch.setattr("senet_cli.store.retry.backoff", lambda attempt, jitter: 0.01 * attempt * jitter)


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
