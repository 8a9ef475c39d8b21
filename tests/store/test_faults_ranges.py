"""What a server can do wrong with the part of a file that it is asked for.

The docstring of each test says what it adds to its row in docs/reliability.md.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faultserver import Behaviour, FaultServer, refusal
from tests.store.worlds import (
    GOOD,
    HALF,
    PAYLOAD,
    contents,
    download,
    kept,
    leave_behind,
    only_installed,
    published,
    ranges,
)


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
