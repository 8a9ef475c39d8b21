"""The server that plays all the faults: it speaks ranges, and plays its parts in turn."""

from __future__ import annotations

import http.client

import pytest

from tests.faultserver import Behaviour, FaultServer, refusal


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
