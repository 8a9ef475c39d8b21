"""Bodies that end early or are not the published bytes, and what becomes of the download.

The docstring of each test says what it adds to its row in docs/reliability.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faultserver import Behaviour, FaultServer, flipped, refusal, web_page
from tests.store.worlds import (
    GOOD,
    HALF,
    MUCH,
    PAYLOAD,
    contents,
    download,
    kept,
    leave_behind,
    only_installed,
    published,
    ranges,
)

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


def test_losing_and_regaining_is_no_progress(server: FaultServer, root: Path, tmp_path: Path) -> None:
    server.files["/a.pth"] = [
        Behaviour(PAYLOAD, stop_after=stop, ranges="ignored") for stop in (HALF, 1000) * 10
    ]
    outcome = download(published(tmp_path, server.url("/a.pth")), root)
    assert outcome.code == 5
    assert len(server.requests) == 5


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
    assert f"from any of its 2 addresses: {server.url('/a.pth')}: these are not the" in outcome.said


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
        "/a.pth": [Behaviour(flipped(PAYLOAD, 0), etag='"one"', stop_after=HALF), refusal(404)],
        "/b.pth": GOOD,
    }
    outcome = download(published(tmp_path, server.url("/a.pth"), server.url("/b.pth")), root)
    assert outcome.code == 0
    assert server.paths() == ["/a.pth", "/a.pth", "/b.pth", "/b.pth"]
    assert ranges(server) == [None, f"bytes={HALF}-", f"bytes={HALF}-", None]
    assert server.requests[1].headers["if-range"] == '"one"'
    assert "if-range" not in server.requests[2].headers  # a version there says nothing about one here
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
    monkeypatch.setattr("senet_cli.catalogue.entries.MAX_BYTES", 200_000)
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
