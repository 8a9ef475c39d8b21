"""The file beside FILE that output is written to first: its name, its lock, whose it is.

The lock belongs to the open file (`flock`), so that it ends with the process, however that ends. It tells a
partial file in use from one that was left behind. Whether the latter is ours, and of which run, the lock does
not tell: that takes a description beside it. Systems without such locks (Windows) go without; each run still
has a file of its own there.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from senet_cli.errors import DiskError, advise
from senet_cli.output.targets import Target

_MAX_NAME = 255
NUMBERS = range(1, 10)
"""Numbers that are always looked at, whether those before them are there or not."""
_JOURNAL = ".journal"
_MEANWHILE = re.compile(r".*\.partial(?:-(\d{1,9}))?(\.journal)?", re.DOTALL)
_NAMELESS = re.compile(r"\.new-[0-9a-f]{12}")
_LEFT = (
    os.O_RDWR
    | os.O_APPEND
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def claim(target: Target, *, is_free: Callable[[int], bool] = lambda _number: True) -> tuple[int, Path]:
    """Make a file beside the target that is locked and, if it replaces one, has that one's mode and owner.

    Args:
        target: what it will become.
        is_free: False for a number that shall not be taken, though no partial file has it.

    Returns:
        Its descriptor, open for reading and writing, and its path.

    Raises:
        OSError: none can be made there.
        DiskError: another run writes the target.
    """
    check_unused(target)
    for number in itertools.count(1):
        path = partial_name(target.path, number)
        if not os.path.lexists(path):
            if not is_free(number):
                continue
            with contextlib.suppress(FileExistsError):  # another process was faster
                return _make(path, target), path
        if _is_used(path):
            break
    raise in_use(target)


def check_unused(target: Target) -> None:
    """Make sure that no other run writes the target.

    Raises:
        DiskError: one does.
    """
    if any(_is_used(partial_name(target.path, number)) for number in NUMBERS):
        raise in_use(target)


def take_over(path: Path, target: Target) -> int | None:
    """Lock a partial file that an earlier run left behind, and open it, for appending.

    Args:
        path: of the partial file.
        target: what it will become.

    Returns:
        Its descriptor; None if it is not a plain file of this user alone, or another process was faster.
    """
    try:
        descriptor = os.open(path, _LEFT)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        alone = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        if alone and _may_own(status, target) and lock(descriptor) and os.path.samestat(path.lstat(), status):
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def discard_empty(descriptor: int, path: Path) -> None:
    """Delete an empty file that was taken over, and close it: what is made anew has the right mode and owner.

    Raises:
        OSError: it cannot be deleted.
    """
    try:
        if os.name == "posix":  # elsewhere open files cannot be deleted
            path.unlink()
    finally:
        os.close(descriptor)
    if os.name != "posix":
        path.unlink(missing_ok=True)


def is_own(status: os.stat_result) -> bool:
    """Return True for a file of the user who runs this. Systems without such owners say so of every file."""
    return os.name != "posix" or status.st_uid == os.geteuid()


def journal_name(path: Path, number: int = 1) -> Path:
    """Name the journal of a partial file: `FILE.partial.journal`, and so on."""
    return partial_name(path, number, _JOURNAL)


def partial_name(path: Path, number: int = 1, more: str = "") -> Path:
    """Name `FILE.partial`, then `FILE.partial-2` and so on; of a long name as much as the system takes."""
    ending = (".partial" if number == 1 else f".partial-{number}") + more
    name = path.name
    while len(os.fsencode(name)) + len(ending) > _MAX_NAME:
        name = name[:-1]
    return path.with_name(name + ending)


def belongs_to(path: Path | None) -> Callable[[str], bool]:
    """Tell, of any path, whether it is the output file or one that may be written in its place meanwhile."""
    if path is None:
        return lambda _name: False
    try:
        real = Path(os.path.realpath(path))
    except OSError:  # the working folder is gone
        return lambda _name: False

    def belongs(name: str) -> bool:
        folder, own = os.path.split(name)
        ours = own == real.name or _NAMELESS.fullmatch(own) is not None
        if numbered := _MEANWHILE.fullmatch(own):
            ours = ours or own == partial_name(real, int(numbered[1] or 1), numbered[2] or "").name
        return ours and os.path.realpath(folder) == str(real.parent)

    return belongs


def in_use(target: Target) -> DiskError:
    """Make the error for a target that another run writes."""
    return DiskError(f"another run writes `{target.given}`", "Wait for its end.", advise("another-file"))


def lock(descriptor: int) -> bool:
    """Lock an open file; False if another process has it. Also True where there are no locks."""
    if os.name != "posix":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _may_own(status: os.stat_result, target: Target) -> bool:
    """Return True if a partial file may be ours; the superuser's has the owner of the file it replaces."""
    if is_own(status):
        return True
    return os.geteuid() == 0 and target.status is not None and status.st_uid == target.status.st_uid


def _is_used(path: Path) -> bool:
    """Return True if somebody holds a lock of the file. An unreadable one is as good as left behind."""
    if os.name != "posix":
        return False
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def _make(path: Path, target: Target) -> int:
    """Create, lock, then name it: nobody finds the file under its name without the lock."""
    if os.name != "posix":
        return os.open(path, _NEW, 0o666)
    nameless = path.with_name(f".new-{secrets.token_hex(6)}")
    descriptor = os.open(nameless, _NEW, 0o600 if target.status else 0o666)
    try:
        lock(descriptor)
        resemble(descriptor, target)
        _rename_exclusively(nameless, path)
    except BaseException:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            nameless.unlink()
        raise
    return descriptor


def _rename_exclusively(old: Path, new: Path) -> None:
    """Rename unless the name is taken; in two steps where the file system has no hard links.

    Raises:
        FileExistsError: it is.
    """
    try:
        new.hardlink_to(old)
    except FileExistsError:
        raise
    except OSError:
        os.close(os.open(new, _NEW, 0o600))
        old.replace(new)
    else:
        old.unlink()


def resemble(descriptor: int, target: Target) -> None:
    """Give a file what the one that it replaces has: owner, group, attributes (access lists too), mode.

    Each as far as the system lets us; owner and group first, because changing them changes the mode.
    """
    path, status = target.path, target.status
    if status is None or os.name != "posix":
        return
    for owner in (status.st_uid, -1):
        with contextlib.suppress(OSError):
            os.fchown(descriptor, owner, status.st_gid)
            break
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            for name in os.listxattr(path):
                with contextlib.suppress(OSError):
                    os.setxattr(descriptor, name, os.getxattr(path, name))
    with contextlib.suppress(OSError):
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & 0o777)
