"""Statuses and redirects: which are tried again, which are followed, and which are given up.

The docstring of each test says what it adds to its row in docs/reliability.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.faultserver import Behaviour, FaultServer, redirect, refusal
from tests.store.worlds import GOOD, HALF, MUCH, PAYLOAD, contents, download, kept, only_installed, published

# --- statuses ---


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "answered 401"),
        (403, "answered 403"),
        (404, "answered 404"),
        (407, "answered 407"),
        (410, "answered 410"),
        (451, "answered 451"),
        (501, "answered 501"),
    ],
)
def test_lasting_status_goes_to_the_next_mirror(
    server: FaultServer, root: Path, tmp_path: Path, status: int, words: str
) -> None:
    server.files |= {"/a.pth": refusal(status, Retry_After="1"), "/b.pth": GOOD}
    outcome = download(published(tmp_path, server.url("/a.pth"), server.url("/b.pth")), root)
    assert outcome.code == 0
    assert words in outcome.said
    assert server.paths() == ["/a.pth", "/b.pth"]
    assert outcome.slept == []
    assert only_installed(root)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_passing_status_is_tried_again(server: FaultServer, root: Path, tmp_path: Path, status: int) -> None:
    server.files["/a.pth"] = [refusal(status), refusal(status), GOOD]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert f"answered {status}" in outcome.said
    assert "trying again in 1.0 s" in outcome.said
    assert outcome.slept == [0.5, 1]
    assert len(server.requests) == 3
    assert only_installed(root)


def test_passing_status_for_ever(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = refusal(503)
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 5
    assert "the server answered 503 Service Unavailable" in outcome.said
    assert len(server.requests) == 5
    assert outcome.slept == [0.5, 1, 2, 4]
    assert contents(root) == set()


def test_passing_status_keeps_what_is_there(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = [Behaviour(PAYLOAD, stop_after=HALF), refusal(503)]
    assert download(published(tmp_path, server.url("/a.pth")), root).code == 5
    assert kept(root) == PAYLOAD[:HALF]


def _seconds() -> str:
    return "20"


def _a_date() -> str:
    return formatdate(time.time() + 20, usegmt=True)


@pytest.mark.parametrize("ask", [_seconds, _a_date])
@pytest.mark.parametrize("skew", [-86_400, 0, 86_400])
def test_retry_after_is_honoured(
    server: FaultServer, root: Path, tmp_path: Path, ask: Callable[[], str], skew: float
) -> None:
    """A date counts from the server's own, so it does not matter that this machine's clock is wrong."""
    server.files["/a.pth"] = [refusal(429, Retry_After=ask()), GOOD]
    outcome = download(
        published(tmp_path, server.url("/a.pth")),
        root,
        now=lambda: time.time() + skew,
    )
    assert outcome.code == 0
    assert "trying again in" in outcome.said
    assert outcome.slept == pytest.approx([20], abs=0 if ask is _seconds else 2)
    assert only_installed(root)


def test_retry_after_of_a_day(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files |= {"/a.pth": refusal(429, Retry_After="86400"), "/b.pth": GOOD}
    outcome = download(published(tmp_path, server.url("/a.pth"), server.url("/b.pth")), root)
    assert outcome.code == 0
    assert "answered 429" in outcome.said
    assert server.paths() == ["/a.pth", "/b.pth"]
    assert outcome.slept == []
    assert only_installed(root)


@pytest.mark.parametrize("value", ["soon", "-5", "1e3", "Sun, 99 Foo 2026", "½"])
def test_retry_after_garbage(server: FaultServer, root: Path, tmp_path: Path, value: str) -> None:
    server.files["/a.pth"] = [refusal(503, Retry_After=value), GOOD]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert "trying again in 0.5 s" in outcome.said
    assert outcome.slept == [0.5]
    assert only_installed(root)


# --- redirects ---


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(server: FaultServer, root: Path, tmp_path: Path, status: int) -> None:
    """Relative, absolute, to another server, five in a row; and what is secret in an address is not shown."""
    with FaultServer({"/there.pth": GOOD}) as other:
        server.files |= {
            "/a.pth": redirect("b/c.pth", status),
            "/b/c.pth": redirect("../d.pth", status),
            "/d.pth": redirect(f"//127.0.0.1:{server.port}/e.pth", status),
            "/e.pth": redirect(server.url("/f.pth"), status),
            "/f.pth": redirect(other.url("/there.pth?signature=secret"), status),
        }
        outcome = download(published(tmp_path, server.url("/a.pth?token=secret")), root)
        assert other.paths() == ["/there.pth?signature=secret"]
    assert outcome.code == 0
    assert "installed tiny.test: 0.3 MB" in outcome.said
    assert "secret" not in outcome.said
    assert server.paths() == ["/a.pth?token=secret", "/b/c.pth", "/d.pth", "/e.pth", "/f.pth"]
    assert only_installed(root)


def test_resume_goes_through_the_redirect(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files |= {
        "/a.pth": redirect("/b.pth"),
        "/b.pth": [Behaviour(PAYLOAD, etag='"one"', stop_after=HALF), Behaviour(PAYLOAD, etag='"one"')],
    }
    assert download(published(tmp_path, server.url("/a.pth")), root).code == 0
    assert server.paths() == ["/a.pth", "/b.pth"] * 2
    assert server.requests[3].headers["range"] == f"bytes={HALF}-"
    assert server.requests[3].headers["if-range"] == '"one"'
    assert only_installed(root)


def test_redirect_loop(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files |= {"/a.pth": redirect("/b.pth"), "/b.pth": redirect("/a.pth")}
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 5
    assert "more than 5 redirects" in outcome.said
    assert server.paths() == ["/a.pth", "/b.pth"] * 3
    assert contents(root) == set()


@pytest.mark.timeout(60)
def test_body_of_a_redirect_is_not_read(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files |= {
        "/a.pth": Behaviour(bytes(MUCH), 302, {"Location": "/b.pth"}, ending="hang"),
        "/b.pth": GOOD,
    }
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert "installed" in outcome.said
    assert server.requests[0].sent < MUCH / 2
    assert only_installed(root)


@pytest.mark.parametrize(
    "location",
    [
        "http://[",
        "http://127.0.0.1:99999/a.pth",
        "http://127.0.0.1:port/a.pth",
        "http://two..dots.invalid/a.pth",
        "http://" + "long" * 20 + ".invalid/a.pth",
        "http://with space/a.pth",
        "http://%zz/a.pth",
        "http://\xff\xfe/a.pth",
        "file:///etc/passwd",
        "ftp://127.0.0.1/a.pth",
        "javascript:alert(1)",
    ],
)
def test_redirect_to_nonsense(server: FaultServer, root: Path, tmp_path: Path, location: str) -> None:
    server.files["/a.pth"] = redirect(location)
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 5
    assert "could not be downloaded" in outcome.said
    assert outcome.slept == []
    assert len(server.requests) == 1
    assert contents(root) == set()


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "many", "300000.0", "²"])
def test_length_that_is_nonsense(server: FaultServer, root: Path, tmp_path: Path, length: str) -> None:
    """As good as none: the published size and the end of the connection say the same."""
    server.files["/a.pth"] = Behaviour(PAYLOAD, headers={"Content-Length": length})
    assert download(published(tmp_path, server.url("/a.pth")), root).code == 0
    assert only_installed(root)


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # urllib3's own: it gives up in a constructor
def test_lengths_that_disagree(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = Behaviour(PAYLOAD, headers={"Content-Length": "300000, 5"})
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 5
    assert contents(root) == set()
