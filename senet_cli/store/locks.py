"""Advisory locks: they save transfers, nothing depends on them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

_NOTICE_SECONDS = 3.0


@contextlib.contextmanager
def advisory_lock(path: Path, timeout: float, waiting: Callable[[], None]) -> Iterator[bool]:
    """Hold the lock at `path` if it can be had.

    Args:
        path: the lock's file.
        timeout: seconds to wait for another holder; then the work goes on without the lock.
        waiting: called when the wait takes longer than a moment.

    Yields:
        True if the lock is held; False if it was not to be had, or this file system has no locks.
    """
    from filelock import FileLock, Timeout

    # a soft lock would outlive a killed process and stop everybody else
    lock = FileLock(path, fallback_to_soft=False)
    try:
        try:
            lock.acquire(timeout=min(timeout, _NOTICE_SECONDS))
        except Timeout:
            waiting()
            with contextlib.suppress(Timeout):
                lock.acquire(timeout=max(0.0, timeout - _NOTICE_SECONDS))
    except PermissionError:
        pass  # another user's
    except (OSError, NotImplementedError):  # the latter from filelock, where the file system has no locks
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)  # what cannot be locked, such as a planted link, is held by nobody
    try:
        yield lock.is_locked
    finally:
        with contextlib.suppress(OSError):
            if lock.is_locked:
                path.unlink(missing_ok=True)  # while it is held: another holder's file is not ours to remove
        with contextlib.suppress(OSError):
            lock.release()
