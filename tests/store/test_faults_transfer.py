"""What a server or the way to it can do wrong with one file, and what becomes of the download.

The docstring of each test says what it adds to its row in docs/reliability.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from itertools import count
from pathlib import Path

import pytest

from senet_cli.store import fetch, transfer
from tests.faultserver import (
    BLACK_HOLE,
    CONNECTION_RESET,
    Behaviour,
    FaultServer,
    closed_port,
    flipped,
    redirect,
    refusal,
    web_page,
)
from tests.store.worlds import (
    PAYLOAD,
    contents,
    download,
    kept,
    leave_behind,
    only_installed,
    published,
)

HALF = len(PAYLOAD) // 2
MUCH = 48 * 2**20
"""More bytes than the buffers between two sockets on one machine take."""
GOOD = Behaviour(PAYLOAD)


def ranges(server: FaultServer) -> list[str | None]:
    """What each request asked for; None is the whole."""
    return [request.headers.get("range") for request in server.requests]


# --- bodies that end early ---


def test_truncated_body_is_resumed(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = [
        Behaviour(PAYLOAD, etag='"one"', stop_after=100_000),
        Behaviour(PAYLOAD, etag='"one"'),
    ]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert "only 100,000 of 300,000 bytes arrived; trying again" in outcome.said
    assert ranges(server) == [None, "bytes=100000-"]
    assert server.requests[1].headers["if-range"] == '"one"'
    assert [request.sent for request in server.requests] == [100_000, 200_000]
    assert all(request.headers["accept-encoding"] == "identity" for request in server.requests)
    assert outcome.slept == [0.5]
    assert only_installed(root)


def test_truncated_for_ever_keeps_the_partial_file(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """A trickle of new bytes is no progress; the next run begins where this one gave up."""
    server.files["/a.pth"] = Behaviour(PAYLOAD, stop_after=1000)
    checkpoint = published(tmp_path, server.url("/a.pth"))
    outcome = download(checkpoint, root)
    assert outcome.code == 5
    assert "only 5,000 of 300,000 bytes arrived" in outcome.said
    assert ranges(server) == [None, *(f"bytes={done}-" for done in (1000, 2000, 3000, 4000))]
    assert outcome.slept == [0.5, 1, 2, 4]
    assert kept(root) == PAYLOAD[:5000]

    server.files["/a.pth"] = GOOD
    assert download(checkpoint, root).code == 0
    assert ranges(server)[5:] == ["bytes=5000-"]
    assert only_installed(root)


def test_a_server_that_always_breaks_off_at_the_same_place_is_given_up(
    server: FaultServer, root: Path, tmp_path: Path
) -> None:
    server.files["/a.pth"] = Behaviour(PAYLOAD, stop_after=HALF, ranges="ignored")
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 5
    assert len(server.requests) == 5
    assert kept(root) == PAYLOAD[:HALF]


def test_progress_renews_the_patience(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """Ten breaks are no more than one, if each time 64 KiB or more have arrived."""
    data = PAYLOAD * 3
    server.files["/a.pth"] = Behaviour(data, stop_after=90_000)
    outcome = download(published(tmp_path, server.url("/a.pth"), data=data), root)
    assert outcome.code == 0
    assert len(server.requests) == 10
    assert outcome.slept == [0.5] * 9
    assert only_installed(root, data)


@pytest.mark.parametrize("size", [len(PAYLOAD), None])
@pytest.mark.parametrize("framing", ["close", "chunked"])
def test_truncated_without_length_is_resumed(
    server: FaultServer, root: Path, tmp_path: Path, framing: str, size: int | None
) -> None:
    """Chunks say that they are not the last; where nothing does, the published size is what counts."""
    server.files["/a.pth"] = [Behaviour(PAYLOAD, framing=framing, stop_after=100_000), GOOD]
    outcome = download(published(tmp_path, server.url("/a.pth"), bytes=size), root)
    if framing == "close" and size is None:  # the end of the file cannot be told from a fault
        assert outcome.code == 6
        assert contents(root) == set()
        return
    assert outcome.code == 0
    assert "trying again" in outcome.said
    assert ranges(server) == [None, "bytes=100000-"]
    assert only_installed(root)


# --- bytes that are not the published ones ---


@pytest.mark.parametrize("size", [len(PAYLOAD), None])
def test_flipped_bit_installs_nothing(
    server: FaultServer, root: Path, tmp_path: Path, size: int | None
) -> None:
    server.files["/a.pth"] = Behaviour(flipped(PAYLOAD, HALF))
    outcome = download(published(tmp_path, server.url("/a.pth"), bytes=size), root)
    assert outcome.code == 6
    assert "not the published bytes" in outcome.said
    assert ranges(server) == [None]
    assert contents(root) == set()


def test_flipped_bit_then_good_mirror(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files |= {"/a.pth": Behaviour(flipped(PAYLOAD)), "/b.pth": GOOD}
    outcome = download(published(tmp_path, server.url("/a.pth"), server.url("/b.pth")), root)
    assert outcome.code == 0
    assert f"{server.url('/a.pth')}: these are not the published bytes" in outcome.said
    assert server.paths() == ["/a.pth", "/b.pth"]
    assert ranges(server) == [None, None]
    assert outcome.slept == []
    assert only_installed(root)


def test_a_wrong_file_is_worse_news_than_a_missing_one(
    server: FaultServer, root: Path, tmp_path: Path
) -> None:
    server.files["/a.pth"] = Behaviour(flipped(PAYLOAD))
    outcome = download(published(tmp_path, server.url("/a.pth"), server.url("/none.pth")), root)
    assert outcome.code == 6
    assert "from any of its 2 addresses" in outcome.said


@pytest.mark.parametrize("done", [HALF, len(PAYLOAD)], ids=["half", "all"])
def test_damaged_partial_file_is_fetched_again(
    server: FaultServer, root: Path, tmp_path: Path, done: int
) -> None:
    """Also one that is complete, such as after a power cut that left zeros for its last bytes."""
    server.files["/a.pth"] = GOOD
    leave_behind(root, PAYLOAD[: done - 1000] + bytes(1000))
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert "going on after" in outcome.said
    assert ranges(server) == ([None] if done == len(PAYLOAD) else [f"bytes={done}-", None])
    assert only_installed(root)


def test_pieces_of_two_mirrors_that_do_not_fit(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """The first mirror's half is wrong: the second is asked for its half, then for the whole."""
    server.files |= {
        "/a.pth": [Behaviour(flipped(PAYLOAD, 0), stop_after=HALF), refusal(404)],
        "/b.pth": GOOD,
    }
    outcome = download(published(tmp_path, server.url("/a.pth"), server.url("/b.pth")), root)
    assert outcome.code == 0
    assert server.paths() == ["/a.pth", "/a.pth", "/b.pth", "/b.pth"]
    assert ranges(server) == [None, f"bytes={HALF}-", f"bytes={HALF}-", None]
    assert "if-range" not in server.requests[2].headers
    assert only_installed(root)


@pytest.mark.parametrize("framing", ["close", "chunked"])
def test_longer_body_is_cut_off(server: FaultServer, root: Path, tmp_path: Path, framing: str) -> None:
    server.files["/a.pth"] = Behaviour(PAYLOAD + bytes(MUCH), framing=framing)
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 6
    assert "more bytes arrive than the 300,000 expected" in outcome.said
    assert len(server.requests) == 1
    assert server.requests[0].sent < MUCH / 2
    assert contents(root) == set()


def test_wrong_length_is_refused(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files |= {"/a.pth": Behaviour(PAYLOAD + bytes(MUCH)), "/b.pth": Behaviour(PAYLOAD[:-1])}
    outcome = download(published(tmp_path, server.url("/a.pth"), server.url("/b.pth")), root)
    assert outcome.code == 6
    assert "the server announces 299,999 bytes" in outcome.said
    assert len(server.requests) == 2
    assert server.requests[0].sent < MUCH / 2
    assert contents(root) == set()


def test_unpublished_size_has_a_limit(
    server: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("senet_cli.manifest.entries.MAX_BYTES", 200_000)
    server.files |= {"/a.pth": GOOD, "/b.pth": Behaviour(PAYLOAD, framing="close")}
    checkpoint = published(tmp_path, server.url("/a.pth"), server.url("/b.pth"), bytes=None)
    outcome = download(checkpoint, root)
    assert outcome.code == 6
    assert "announces 300,000 bytes, published are at most 200,000" in outcome.said
    assert "more bytes arrive than the 200,000 expected" in outcome.said
    assert contents(root) == set()


def test_gzip_is_refused(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = Behaviour(PAYLOAD, headers={"Content-Encoding": "gzip"})
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 5
    assert "encoded as gzip" in outcome.said
    assert len(server.requests) == 1
    assert contents(root) == set()


@pytest.mark.parametrize("size", [len(PAYLOAD), None])
def test_login_page(server: FaultServer, root: Path, tmp_path: Path, size: int | None) -> None:
    server.files["/a.pth"] = web_page()
    outcome = download(published(tmp_path, server.url("/a.pth"), bytes=size), root)
    assert outcome.code == 6
    assert "text/html" in outcome.said
    assert len(server.requests) == 1
    assert contents(root) == set()


# --- ranges ---


@pytest.mark.parametrize("etag", ['"one"', None])
def test_range_ignored(server: FaultServer, root: Path, tmp_path: Path, etag: str | None) -> None:
    server.files["/a.pth"] = [
        Behaviour(PAYLOAD, etag=etag, stop_after=HALF),
        Behaviour(PAYLOAD, etag=etag, ranges="ignored"),
    ]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert "trying again" in outcome.said
    assert [(r.status, r.sent) for r in server.requests] == [(200, HALF), (200, len(PAYLOAD))]
    assert only_installed(root)


def test_range_with_wrong_offset(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = [
        Behaviour(PAYLOAD, stop_after=HALF),
        Behaviour(PAYLOAD, ranges="shifted"),
        GOOD,
    ]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert "trying again" in outcome.said
    assert ranges(server) == [None, f"bytes={HALF}-", None]
    assert only_installed(root)


def test_range_of_another_size(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = [Behaviour(PAYLOAD, stop_after=HALF), Behaviour(PAYLOAD, ranges="other_total")]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 6
    assert "the server announces 300,001 bytes" in outcome.said


@pytest.mark.parametrize("status", [206])
def test_part_without_being_asked(server: FaultServer, root: Path, tmp_path: Path, status: int) -> None:
    headers = {"Content-Range": f"bytes 0-{len(PAYLOAD) - 1}/{len(PAYLOAD)}"}
    server.files["/a.pth"] = Behaviour(PAYLOAD, status=status, headers=headers)
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 5
    assert "other bytes than it was asked for" in outcome.said
    assert len(server.requests) == 1
    assert contents(root) == set()


@pytest.mark.parametrize(
    ("before", "after"),
    [({"etag": '"one"'}, {"etag": '"two"'}), ({"date": "a Monday"}, {"date": "a Friday"})],
    ids=["ETag", "Last-Modified"],
)
def test_changed_etag(
    server: FaultServer, root: Path, tmp_path: Path, before: dict[str, str], after: dict[str, str]
) -> None:
    def version(body: bytes, marks: dict[str, str], stop_after: int | None = None) -> Behaviour:
        return Behaviour(
            body,
            etag=marks.get("etag"),
            headers={"Last-Modified": marks.get("date")},
            stop_after=stop_after,
        )

    old = bytes(len(PAYLOAD))
    server.files["/a.pth"] = [version(old, before, HALF), version(PAYLOAD, after)]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert "trying again" in outcome.said
    assert server.requests[1].headers["if-range"] in before.values()
    assert [request.status for request in server.requests] == [200, 200]
    assert only_installed(root)


def test_changed_file_without_etag(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """Nothing tells that the file is another one; the digest does, and all is fetched once more."""
    server.files["/a.pth"] = [Behaviour(bytes(len(PAYLOAD)), stop_after=HALF), GOOD]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert ranges(server) == [None, f"bytes={HALF}-", None]
    assert only_installed(root)


def test_weak_etag_is_not_used(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """RFC 9110 section 13.1.5: `If-Range` takes strong ones only."""
    server.files["/a.pth"] = [Behaviour(PAYLOAD, etag='W/"one"', stop_after=HALF), GOOD]
    assert download(published(tmp_path, server.url("/a.pth")), root).code == 0
    assert "if-range" not in server.requests[1].headers


@pytest.mark.parametrize("size", [len(PAYLOAD), None])
def test_416_for_a_complete_partial_file(
    server: FaultServer, root: Path, tmp_path: Path, size: int | None
) -> None:
    """Where the size is published there is not even a question."""
    server.files["/a.pth"] = GOOD
    leave_behind(root, PAYLOAD)
    outcome = download(published(tmp_path, server.url("/a.pth"), bytes=size), root)
    assert outcome.code == 0
    assert "going on after 0.3 MB" in outcome.said
    assert [(r.status, r.sent) for r in server.requests] == ([] if size else [(416, 0)])
    assert only_installed(root)


@pytest.mark.parametrize("total", [None, "bytes */7", "bytes */*", "nonsense", "bytes */" + "9" * 5000])
def test_416_starts_again(server: FaultServer, root: Path, tmp_path: Path, total: str | None) -> None:
    refused = Behaviour(status=416, headers={"Content-Range": total})
    server.files["/a.pth"] = [Behaviour(PAYLOAD, stop_after=HALF), refused, GOOD]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert "trying again" in outcome.said
    assert ranges(server) == [None, f"bytes={HALF}-", None]
    assert outcome.slept == [0.5]
    assert only_installed(root)


def test_416_for_ever_ends(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = [Behaviour(PAYLOAD, stop_after=HALF), refusal(416)]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 5
    assert ranges(server) == [None, f"bytes={HALF}-", None]
    assert contents(root) == set()


def test_half_a_file_and_416_in_turn_end(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = [Behaviour(PAYLOAD, stop_after=HALF), refusal(416)] * 20
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 5
    assert len(server.requests) == 9
    assert kept(root) == PAYLOAD[:HALF]


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
    assert download(published(tmp_path, server.url("/a.pth")), root).code == 0
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


# --- connections ---


def test_slow_drip(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """The clock is ours: each look at it is 20 s after the last. What drips in is kept."""
    server.files["/a.pth"] = Behaviour(PAYLOAD, piece=1000, pause=0.02)
    ticks = count(step=20)
    outcome = download(published(tmp_path, server.url("/a.pth")), root, clock=lambda: next(ticks))
    assert outcome.code == 5
    assert "bytes in 60 s; trying again" in outcome.said
    assert len(server.requests) == 5
    assert outcome.slept == [0.5, 1, 2, 4]
    done = kept(root)
    assert 0 < len(done) < len(PAYLOAD)
    assert PAYLOAD.startswith(done)


def test_slow_but_steady_is_not_a_drip(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """More than 60 KiB in a minute are enough."""
    server.files["/a.pth"] = Behaviour(PAYLOAD, piece=30_000, pause=0.01)
    ticks = count(step=20)
    outcome = download(published(tmp_path, server.url("/a.pth")), root, clock=lambda: next(ticks))
    assert outcome.code == 0
    assert len(server.requests) == 1
    assert only_installed(root)


def test_reset_is_resumed(server: FaultServer, root: Path, tmp_path: Path) -> None:
    """A reset discards what was not read yet, so how much arrived is known only afterwards."""
    server.files["/a.pth"] = [
        Behaviour(PAYLOAD, stop_after=100_000, piece=10_000, pause=0.01, ending="reset"),
        GOOD,
    ]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert "trying again" in outcome.said
    first, second = server.requests
    arrived = len(PAYLOAD) - second.sent
    assert 0 < arrived <= first.sent == 100_000
    assert second.headers["range"] == f"bytes={arrived}-"
    assert only_installed(root)


def test_reset_before_the_answer(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = [CONNECTION_RESET, Behaviour(mute=True), GOOD]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert outcome.slept == [0.5, 1]
    assert only_installed(root)


def test_black_hole(server: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_READ_SECONDS", 0.1)
    server.files["/a.pth"] = BLACK_HOLE
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 5
    assert "did not answer in time" in outcome.said
    assert len(server.requests) == 5
    assert outcome.slept == [0.5, 1, 2, 4]
    assert contents(root) == set()


def test_silence_in_the_middle_is_resumed(
    server: FaultServer, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "_READ_SECONDS", 0.5)
    server.files["/a.pth"] = [Behaviour(PAYLOAD, stop_after=HALF, ending="hang"), GOOD]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 0
    assert "did not answer in time; trying again" in outcome.said
    assert ranges(server) == [None, f"bytes={HALF}-"]
    assert only_installed(root)


def test_connection_refused(root: Path, tmp_path: Path) -> None:
    with closed_port() as port:
        outcome = download(published(tmp_path, f"http://127.0.0.1:{port}/a.pth"), root)
    assert outcome.code == 5
    assert "the connection failed" in outcome.said
    assert "Connection refused" in outcome.said
    assert outcome.slept == [0.5]
    assert contents(root) == set()


def test_limits_are_those_of_the_page() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "reliability.md").read_text(encoding="utf-8")
    promise = page.partition("6. Limits:")[2].partition("7. Locks")[0]
    assert f"{transfer._CONNECT_SECONDS} s to connect, {transfer._READ_SECONDS} s of silence" in promise
    assert f"less than {transfer._STALL_BYTES // 1024} KiB in {transfer._STALL_SECONDS} s" in promise
    assert (transfer._MAX_REDIRECTS, "five redirects" in promise) == (5, True)
    assert (fetch.TEMPORARY, "five attempts in a row" in page) == (5, True)
    assert (transfer.UNREACHABLE, "(two where no connection comes about)" in page) == (2, True)
