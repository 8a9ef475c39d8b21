"""When to try again: pure functions, so all of it can be asked."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from senet_cli.store.retry import MAX_WAIT, backoff, parse_retry_after, wait_before_retry

DATE = "Fri, 31 Jan 2026 12:00:00 GMT"
LATER = "Fri, 31 Jan 2026 12:00:30 GMT"
NOON = 1769860800.0
"""`DATE` in seconds since 1970."""


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (6, 10), (10**6, 10)]
)
def test_backoff_doubles_up_to_ten_seconds(attempt: int, longest: float) -> None:
    """And the jitter is full: anything from nothing to that."""
    assert backoff(attempt, 0.0) == 0
    assert backoff(attempt, 0.5) == longest / 2
    assert backoff(attempt, 1.0) == longest


@settings(deadline=None)
@given(st.integers(1, 10**9), st.floats(0, 1))
def test_backoff_has_bounds(attempt: int, jitter: float) -> None:
    assert 0 <= backoff(attempt, jitter) <= 10


@pytest.mark.parametrize(
    ("tries", "idle", "asked", "wait"),
    [
        (5, 1, None, 0.5),
        (5, 4, None, 4.0),
        (5, 5, None, None),
        (5, 6, None, None),
        (2, 1, None, 0.5),
        (2, 2, None, None),
        (1, 1, None, None),
        (1, 1, 1.0, None),  # what lasts is not tried again, whatever the server says
        (5, 1, 0.0, 0.0),
        (5, 1, 7.0, 7.0),
        (5, 5, 7.0, None),
        (5, 1, MAX_WAIT, MAX_WAIT),
        (5, 1, MAX_WAIT + 1, None),
        (5, 1, math.inf, None),
    ],
)
def test_wait_before_retry(tries: int, idle: int, asked: float | None, wait: float | None) -> None:
    assert wait_before_retry(tries=tries, idle_attempts=idle, asked=asked, jitter=0.5) == wait


@settings(deadline=None)
@given(
    tries=st.integers(1, 10),
    idle=st.integers(1, 20),
    asked=st.none() | st.floats(0, allow_nan=False),
    jitter=st.floats(0, 1),
)
def test_no_wait_is_longer_than_a_minute(tries: int, idle: int, asked: float | None, jitter: float) -> None:
    wait = wait_before_retry(tries=tries, idle_attempts=idle, asked=asked, jitter=jitter)
    assert wait is None or 0 <= wait <= MAX_WAIT
    assert (wait is None) == (idle >= tries or (asked or 0) > MAX_WAIT)


@pytest.mark.parametrize("value", ["0", "7", " 30 ", "86400", "9" * 5000])
def test_retry_after_in_seconds(value: str) -> None:
    assert parse_retry_after(value, DATE, now=0) == float(value)


@pytest.mark.parametrize(
    "value",
    [
        LATER,
        "Friday, 31-Jan-26 12:00:30 GMT",
        "Fri Jan 31 12:00:30 2026",
        "Fri, 31 Jan 2026 13:00:30 +0100",
    ],
    ids=["RFC 9110", "RFC 850", "asctime", "with an offset"],
)
@pytest.mark.parametrize("now", [0, NOON, 2 * NOON])
def test_retry_after_as_a_date_counts_from_the_servers_own(
    value: str, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All three forms of RFC 9110 section 5.6.7 are UTC, wherever this machine stands."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "Elsewhere+11")
        time.tzset()
        assert time.timezone == 11 * 3600
        seconds = parse_retry_after(value, DATE, now)
    time.tzset()
    assert seconds == 30


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_retry_after_as_a_date_without_the_servers_own(date: str | None) -> None:
    assert parse_retry_after(LATER, date, NOON) == 30


def test_retry_after_in_the_past() -> None:
    assert parse_retry_after(DATE, LATER, NOON) == 0


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "soon",
        "-1",
        "1.5",
        "1e3",
        "²",
        "Fri, 99 Jan 2026 12:00:30 GMT",
        "Fri, 31 Jan 99999999999 12:00:30 GMT",
        "\0",
    ],
)
def test_retry_after_garbage_is_none(value: str | None) -> None:
    assert parse_retry_after(value, DATE, NOON) is None


@settings(deadline=None)
@given(st.text(), st.none() | st.text(), st.floats(0, 1e11))
def test_retry_after_never_fails(value: str, date: str | None, now: float) -> None:
    seconds = parse_retry_after(value, date, now)
    assert seconds is None or seconds >= 0
