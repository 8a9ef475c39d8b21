"""Connections that drip, fall silent, are reset or never come about.

The docstring of each test says what it adds to its row in docs/reliability.md.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest

from senet_cli.store import transfer
from tests.faultserver import BLACK_HOLE, CONNECTION_RESET, Behaviour, FaultServer, closed_port
from tests.store.worlds import (
    GOOD,
    HALF,
    PAYLOAD,
    contents,
    download,
    kept,
    only_installed,
    published,
    ranges,
)


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


@pytest.mark.parametrize(
    ("pieces", "arrives"),
    [
        ([(20, 20_480)] * 9, True),
        ([(20, 20_479)] * 9, False),
        ([(59, 1), (0, 61_439)] * 9, True),
        ([(1, 100_000)] * 60 + [(30, 1)] * 3, False),
        ([(59, 1)], True),
        ([(10**6, 61_440)], True),
    ],
    ids=["just enough", "just too little", "in bursts", "fast at first", "a short rest", "after a nap"],
)
def test_drips(pieces: list[tuple[float, int]], arrives: bool) -> None:
    """60 KiB in each 60 s are enough, whatever came before; seconds and bytes of each piece are given."""
    elapsed = 0.0
    waits = iter(pieces)

    def read1(_count: int, *, decode_content: bool) -> bytes:
        nonlocal elapsed
        seconds, count = next(waits, (0, 0))
        elapsed += seconds
        return bytes(count)

    response = SimpleNamespace(raw=SimpleNamespace(read1=read1))
    with transfer.open_session() as session:
        body = transfer.HttpTransport(session, clock=lambda: elapsed)._body(response, "https://a.invalid/")
        if arrives:
            assert sum(map(len, body)) == sum(count for _, count in pieces)
        else:
            with pytest.raises(transfer.TransferError, match=r"only .* bytes in \d+ s"):
                list(body)


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
    assert (transfer.TEMPORARY, "five attempts in a row" in page) == (5, True)
    assert (transfer.UNREACHABLE, "(two where no connection comes about)" in page) == (2, True)
