"""Files that appear under their name when they are complete, and what is written as it is.

While it is written, a file is `FILE.partial` in the same folder. It appears there already locked, so that the
lock tells a file in use from one that a killed run left behind. The latter, and any other file of that name,
stays as it is: the next free one of `FILE.partial-2`, `FILE.partial-3`, ... is taken. Where no file can be
made beside FILE, or FILE cannot be replaced (a file that is mounted on its own, a folder that may not be
written), FILE itself is written in place.

Replacing keeps mode, owner, group and extended attributes where the system lets us. It is a new file all the
same: other hard links go on showing the old content, as with `sed -i`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from senet_cli.errors import DiskError, Terminated
from senet_cli.output.claims import claim, in_use, lock, partial_name
from senet_cli.output.targets import ANOTHER, Target, check_target
from senet_cli.store.files import sync_folder

if TYPE_CHECKING:
    from senet_cli.output.journal import Journal
    from senet_cli.output.recording import Earlier

Tell = Callable[[str], None]

_CHUNK = 2**20
_WRITE = os.O_WRONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NOT_BESIDE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""No file may be made in the folder; the file in question may still be one that can be written."""
_NOT_REPLACED = frozenset(
    {errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES, errno.EROFS, errno.ETXTBSY, errno.ENOENT}
)
"""The file cannot be replaced, but may still be one that can be written in place."""
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})
"""What file systems answer that have nothing to synchronise."""


def ignore(_text: str) -> None:
    """Tell nobody."""


class Sink(Protocol):
    """Where bytes go.

    Attributes:
        name: for messages.
        descriptor: what to write to.
        journal: of the records that are written; None where none is kept.
    """

    name: str
    descriptor: int
    journal: Journal | None

    def begin(self) -> None:
        """Get ready for the first byte.

        Raises:
            OSError: that failed.
        """
        ...

    def finish(self) -> None:
        """Make what was written the complete file. Everything is in the descriptor by now.

        Raises:
            DiskError: that failed; the message or its hint says where the bytes lie.
        """
        ...

    def abandon(self, *, empty: bool) -> str:
        """Close without completing.

        Args:
            empty: True if there is nothing that would be worth keeping.

        Returns:
            Where that lies which was written; empty if it is nowhere, or went on to somebody else.
        """
        ...


def open_sink(target: Target, tell: Tell = ignore, *, earlier: Earlier | None = None) -> Sink:
    """Open what a target is.

    Args:
        target: where output goes.
        tell: gets what people should know.
        earlier: for a file with a journal: what becomes of the records of an earlier run; None: no journal.

    Raises:
        DiskError: it cannot be opened, or another run writes it; or see `claim_recorded`.
        UsageError: see `claim_recorded`.
    """
    if not target.is_file:
        return _AsItIs(target)
    try:
        return _Partial(target, tell, earlier)
    except OSError as error:
        if target.status is None or error.errno not in _NOT_BESIDE:
            raise DiskError.from_os_error(error, f"writing `{target.given}`", ANOTHER) from error
        tell(f"no file can be made beside `{target.given}` ({error.strerror}): it is written in place")
        return _InPlace(target)


def write_file(path: Path, data: bytes, inputs: Iterable[str | Path] = (), *, picture: bool = False) -> None:
    """Write a whole file by the rules at the top of this module.

    Args:
        path: where; see `check_target` for what is refused.
        data: its content.
        inputs: files that this run reads.
        picture: True if it is a picture of ours.

    Raises:
        UsageError, DiskError: see `check_target` and `Sink.finish`.
    """
    sink = open_sink(check_target(path, inputs, picture=picture))
    begun = False
    try:
        sink.begin()
        begun = not isinstance(sink, _Partial)
        with open(sink.descriptor, "wb", closefd=False) as file:
            file.write(data)
            file.flush()
            _synchronise(sink.descriptor)
    except BaseException as error:
        where = sink.abandon(empty=not begun)
        if isinstance(error, OSError):
            hint = f"What was written so far is in `{where}`." if where else ""
            raise DiskError.from_os_error(error, f"writing `{path}`", hint) from error
        raise
    sink.finish()


# --- descriptors and special files --------------------------------------------------------------


class _AsItIs:
    """A descriptor of this process, shared with whoever gave it, or a pipe or device."""

    journal: Journal | None = None

    def __init__(self, target: Target) -> None:
        self.name = f"`{target.given}`"
        try:
            if target.descriptor is None:
                self.descriptor = os.open(target.path, _WRITE | getattr(os, "O_NOCTTY", 0))
            else:
                self.descriptor = _copy_of(target.descriptor)
        except OSError as error:
            raise DiskError.from_os_error(error, f"writing {self.name}", ANOTHER) from error

    def begin(self) -> None:
        """See `Sink`."""

    def finish(self) -> None:
        """See `Sink`."""
        os.close(self.descriptor)

    def abandon(self, *, empty: bool) -> str:
        """See `Sink`."""
        os.close(self.descriptor)
        return ""


def _copy_of(descriptor: int) -> int:
    """Another number for the same open file. Offset and appending stay common with everyone who has it."""
    import fcntl

    stream = {1: sys.stdout, 2: sys.stderr}.get(descriptor)
    if stream is not None:
        stream.flush()
        with contextlib.suppress(OSError, ValueError):  # it has none, in a test or an interactive shell
            descriptor = stream.fileno()  # Python's own: native code may have been cut off from the number
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "it is not open for writing")
    return os.dup(descriptor)


# --- files --------------------------------------------------------------------------------------


class _InPlace:
    """An existing file that cannot be replaced. It stays as it is up to the first byte."""

    journal: Journal | None = None

    def __init__(self, target: Target) -> None:
        self.name = f"`{target.given}`"
        self._path = target.given
        try:
            self._file = os.open(target.path, _WRITE)
        except OSError as error:
            raise DiskError.from_os_error(error, f"writing {self.name}", ANOTHER) from error
        if not lock(self._file):
            os.close(self._file)
            raise in_use(target)
        self.descriptor = os.open(os.devnull, os.O_WRONLY)

    def begin(self) -> None:
        """See `Sink`."""
        os.ftruncate(self._file, 0)
        os.dup2(self._file, self.descriptor, inheritable=False)

    def finish(self) -> None:
        """See `Sink`."""
        try:
            _synchronise(self._file)
        except OSError as error:
            raise DiskError.from_os_error(error, f"writing {self.name}") from error
        finally:
            self._close()

    def abandon(self, *, empty: bool) -> str:
        """See `Sink`."""
        self._close()
        return "" if empty else str(self._path)

    def _close(self) -> None:
        os.close(self.descriptor)
        os.close(self._file)


class _Partial:
    """A file that gets its name when it is complete.

    Raises:
        OSError: none can be made beside the target.
        DiskError: another run writes it.
    """

    def __init__(self, target: Target, tell: Tell, earlier: Earlier | None) -> None:
        self._target, self._tell = target, tell
        self.journal: Journal | None = None
        if earlier is None:
            self.descriptor, self._path = claim(target)
        else:
            from senet_cli.output.recording import claim_recorded

            self.descriptor, self._path, self.journal = claim_recorded(target, earlier)
        self._shown = target.given.with_name(self._path.name)
        self.name = f"`{self._shown}`"
        usual = partial_name(target.path).name
        if self._path.name != usual:
            left = target.given.with_name(usual)
            tell(f"`{left}` is there already and stays as it is; until it is complete, this is {self.name}")

    def begin(self) -> None:
        """See `Sink`."""
        if self.journal is not None:
            self.journal.ready()

    def finish(self) -> None:
        """See `Sink`."""
        try:
            _synchronise(self.descriptor)
            self._move()
        except OSError as error:
            raise DiskError.from_os_error(error, f"writing {self.name}") from error
        except (KeyboardInterrupt, Terminated):
            if self._is_ours():
                self._tell(f"the results lie in {self.name}")
            raise
        finally:
            os.close(self.descriptor)
            if self.journal is not None:  # last: whenever this is killed, what is there can be gone on with
                self.journal.close(remove=not self._is_there())

    def abandon(self, *, empty: bool) -> str:
        """See `Sink`."""
        gone = False
        try:
            gone = not self._is_ours()
            if not gone and empty and os.name == "posix":  # elsewhere open files cannot be deleted
                self._path.unlink()
                gone = True
        except OSError:
            pass
        finally:
            os.close(self.descriptor)
            if self.journal is not None:
                self.journal.close(remove=gone)
        return "" if gone else str(self._shown)

    def _move(self) -> None:
        if os.name != "posix":  # open files cannot be moved there
            os.close(self.descriptor)
            self.descriptor = os.open(os.devnull, os.O_RDONLY)
            self._path.replace(self._target.path)
            return
        if self._is_ours():
            try:
                self._path.replace(self._target.path)
            except OSError as error:
                if error.errno not in _NOT_REPLACED:
                    where = f"The results lie in {self.name}."
                    raise DiskError.from_os_error(error, f"writing `{self._target.given}`", where) from error
                self._copy(error)
            else:
                sync_folder(self._target.path.parent)
        else:
            self._copy(OSError(errno.ENOENT, f"{self.name} is gone"))

    def _copy(self, reason: OSError) -> None:
        """Write the target in place: one that is a mount of its own, say, cannot be replaced."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK
            with open(os.open(self._target.path, flags, 0o666), "wb") as file:  # noqa: PTH123 - it is not a path
                file.truncate()
                os.lseek(self.descriptor, 0, os.SEEK_SET)
                while chunk := os.read(self.descriptor, _CHUNK):
                    file.write(chunk)
                file.flush()
                _synchronise(file.fileno())
        except OSError as error:
            where = f"The results lie in {self.name}." if self._is_ours() else ""
            raise DiskError.from_os_error(error, f"writing `{self._target.given}`", where) from reason
        if self._is_ours():
            self._path.unlink()

    def _is_there(self) -> bool:
        return os.path.lexists(self._path)

    def _is_ours(self) -> bool:
        """Return True if the name still stands for the file that was written."""
        try:
            return os.path.samestat(self._path.lstat(), os.fstat(self.descriptor))
        except OSError:
            return False


def _synchronise(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
