"""When to try again, decided without waiting: pure functions of what happened."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

MAX_WAIT = 60.0
"""Seconds; a server that asks for more is left for the next address."""
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 10.0


def backoff(attempt: int, jitter: float) -> float:
    """Return seconds before attempt `attempt` (from 1), with full jitter: `jitter` is random in 0..1."""
    return float(jitter * min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 10)))


def wait_before_retry(*, tries: int, idle_attempts: int, asked: float | None, jitter: float) -> float | None:
    """Return seconds to wait before the same address is tried again, or None: go to the next.

    Args:
        tries: attempts in a row without a new byte that are worth it, for what ended the last one.
        idle_attempts: how many of these there were, the last one included.
        asked: seconds that the server asks to wait, if it does.
        jitter: random in 0..1.
    """
    if idle_attempts >= tries:
        return None
    if asked is None:
        return backoff(idle_attempts, jitter)
    return asked if asked <= MAX_WAIT else None


def parse_retry_after(value: str | None, date: str | None, now: float) -> float | None:
    """Return the seconds that a `Retry-After` header asks for; None if it is missing or makes no sense.

    Args:
        value: the header: seconds, or a date.
        date: the response's `Date`, which a date is relative to, so that a wrong clock here does not matter.
        now: seconds since 1970, used where there is no `Date`.
    """
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value.strip())
    then = _timestamp(value)
    if then is None:
        return None
    start = _timestamp(date) if date else None
    return max(0.0, then - (now if start is None else start))


def _timestamp(text: str) -> float | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()  # HTTP's dates are all UTC
