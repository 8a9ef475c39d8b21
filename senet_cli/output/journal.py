"""What a partial file holds, record by record, so that a run that was stopped can go on.

Beside FILE.partial lies FILE.partial.journal. Its first line says what made the records, then comes a line
for each: ordinal, name, size and time of change of the image, where its bytes in the partial file end, their
CRC-32, the kind of its failure, its first label, and the message of a failure that may pass. The bytes of a
record are written before its line, and the line proves them; so a record counts when both are there, and what
was cut off either file, at any byte, costs the records from there on. Nothing is synced for each record: a
power cut costs what the system had not written yet.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import stat
import zlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from senet_cli.errors import DiskError, UsageError, advise
from senet_cli.images.source import Source, Stamp
from senet_cli.inference.records import ImageFailure, Record
from senet_cli.output.claims import is_own
from senet_cli.output.stream import output_errors
from senet_cli.output.tally import Tally, outcome

FORM = 1
"""Version of the journal; one of another is not read."""
_OURS = b'{"senet-journal": '
"""What every journal begins with."""
_LONGEST = 2**20
"""Bytes of a line; paths are much shorter."""
_CHUNK = 2**20
_OPEN = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Header:
    """What made the records.

    Args:
        version: of senet.
        facts: model and options that decide the records, by what people call them.
        sources: what was asked to be classified, as it was typed.
    """

    version: str
    facts: dict[str, str]
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that is complete in both files.

    Args:
        name: of its image.
        stamp: of its image, taken before it was read.
        end: offset of the byte after its last one in the partial file.
        line_end: the same in the journal.
        kind: of its failure; None if there was none.
        label: of its first prediction; None if there is none.
        passing: message of a failure that the image's bytes are not the reason for; None if it was none.
    """

    name: str
    stamp: Stamp
    end: int
    line_end: int
    kind: str | None
    label: str | None
    passing: str | None = None


class Journal:
    """The journal of one partial file, which this process has locked.

    `begin`, then `entries` and `keep` for what holds, then `cut`, then `watched`, `ready` and `add` for what
    is new. Up to `ready` nothing changes that an earlier run left.

    Args:
        path: of the journal.
        partial: the file of records.
        descriptor: of that file, open for writing.
        shown: name of that file for people.
        header: of the journal that is there; None: a new one is begun, over whatever is there.

    Attributes:
        begun: True once it is known whether the records that are there can be kept.
        tally: of all records that count so far.
    """

    def __init__(self, path: Path, partial: Path, descriptor: int, shown: str, header: Header | None) -> None:
        self.path, self.shown, self.header = path, shown, header
        self._partial, self._records = partial, descriptor
        self._old = os.fstat(descriptor).st_size > 0
        self._descriptor: int | None = None
        if header is not None:
            self._descriptor = self._for_the_same(os.open(path, _OPEN))
        elif not self._old:
            self._descriptor = self._make()
        self._coming: deque[tuple[str, Stamp]] = deque()
        self._end = self._line_end = 0
        self._head: bytes | None = None
        self._ready = self.begun = False
        self.tally = Tally()

    @property
    def holds_nothing(self) -> bool:
        """True if neither an earlier run nor this one has records in the files."""
        return not self.tally.images and (self._ready or not self._old)

    @property
    def size(self) -> int:
        """Bytes of the records that count so far."""
        return self._end

    def begin(self, facts: Mapping[str, str], sources: Sequence[str], version: str) -> None:
        """State what makes the records from here on.

        Raises:
            UsageError: the records that are there were made otherwise; the message says what differs.
            DiskError: it cannot be written.
        """
        if self.header is not None:
            _check_same(self.header.facts, facts, self.shown)
            return
        line = json.dumps(
            {"senet-journal": FORM, "senet": version, "facts": dict(facts), "sources": list(sources)}
        )
        self._head = line.encode() + b"\n"

    def ready(self) -> None:
        """Get both files ready for what is new; what an earlier run left and this one does not keep goes now.

        Raises:
            DiskError: that failed.
        """
        if self._ready:
            return
        with output_errors(self._name):
            os.ftruncate(self._records, self._end)  # first: whatever the journal says then, it is not there
            os.lseek(self._records, self._end, os.SEEK_SET)
            if self._descriptor is None:
                self._descriptor = self._make()
            os.ftruncate(self._descriptor, self._line_end)
            os.lseek(self._descriptor, self._line_end, os.SEEK_SET)
            if self._head is not None:
                self._line_end = _write(self._descriptor, self._head)
        self._ready = self.begun = True

    def entries(self) -> Generator[Entry, None, None]:
        """Read the records that are complete in both files, in order, up to the first that is not.

        Raises:
            DiskError: a file cannot be read.
        """
        try:
            with self.path.open("rb") as lines, self._partial.open("rb") as records:
                self._line_end = line_end = len(lines.readline(_LONGEST))
                end = 0
                for ordinal in itertools.count():
                    line = lines.readline(_LONGEST)
                    line_end += len(line)
                    entry = _entry(line, ordinal, end, line_end, records)
                    if entry is None:
                        return
                    end = entry.end
                    yield entry
        except OSError as error:
            raise DiskError.from_os_error(error, f"reading {self.shown}") from error

    def keep(self, entry: Entry) -> None:
        """Count a record of `entries` as one of this run's."""
        self._end, self._line_end = entry.end, entry.line_end
        self.tally.add(entry.kind, entry.label)

    def cut(self) -> int:
        """Keep no more than was kept; what follows is cut off by `ready`.

        Returns:
            How many records the journal told of, those that are kept among them.

        Raises:
            DiskError: it cannot be read.
        """
        with output_errors(self._name):
            told = self.tally.images + _lines_from(self.path, self._line_end)
        self.begun = True
        return told

    def watched(self, sources: Iterable[Source]) -> Iterator[Source]:
        """Give the sources whose records come next, and take the stamp of each before it is read."""
        for source in sources:
            self._coming.append((source.name, source.stamp()))
            yield source

    def add(self, record: Record, text: str) -> None:
        """Write the line of a record whose text is in the partial file by now.

        Raises:
            DiskError: the disk is full, or another failure.
        """
        self.ready()  # a text may be empty, and then nothing was written before
        assert self._descriptor is not None
        data = text.encode("utf-8", "surrogateescape")
        name, stamp = self._coming.popleft()
        kind, label = outcome(record)
        fields = [self.tally.images, name, *stamp, self._end + len(data), zlib.crc32(data), kind, label]
        if isinstance(record, ImageFailure) and record.passing:
            fields.append(record.message)
        with output_errors(self._name):
            _write(self._descriptor, json.dumps(fields).encode() + b"\n")
        self._end += len(data)
        self.tally.add(kind, label)

    def close(self, *, remove: bool) -> None:
        """Close it; remove it where there is nothing left that it tells of."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            remove = remove and os.path.samestat(self.path.lstat(), os.fstat(self._descriptor))
        os.close(self._descriptor)  # first: elsewhere than on POSIX open files cannot be deleted
        if remove:
            with contextlib.suppress(OSError):
                self.path.unlink()

    def _make(self) -> int:
        """Make another file, so that nobody who is done with an old one removes it."""
        self.path.unlink(missing_ok=True)
        return self._for_the_same(os.open(self.path, _OPEN | os.O_CREAT | os.O_EXCL, 0o600))

    def _for_the_same(self, descriptor: int) -> int:
        """Let those read the journal who may read the records, and nobody else."""
        with contextlib.suppress(OSError, AttributeError):  # elsewhere than on POSIX there is no such mode
            os.fchmod(descriptor, stat.S_IMODE(os.fstat(self._records).st_mode) & 0o777)
        return descriptor

    @property
    def _name(self) -> str:
        return f"`{self.path}`"


def read_header(path: Path) -> Header | None:
    """Read what made the records; None where there is no journal of ours, or its first line is torn.

    Raises:
        UsageError: it was written by a version of senet that keeps other journals.
    """
    head = _head(path)
    if head is None:
        return None
    if head["senet-journal"] != FORM:
        raise UsageError(
            f"`{path}` was written by senet {head.get('senet')}, whose journals this version does not read",
            advise("start-over"),
        )
    return _header(head)


def is_journal(path: Path) -> bool:
    """Return True for a journal of ours whose first line is whole, whether it can be read here or not."""
    head = _head(path)
    return head is not None and (head["senet-journal"] != FORM or _header(head) is not None)


def may_be_written(path: Path) -> bool:
    """Return True if nothing is there, or a journal of ours, whole or torn."""
    line = _first_line(path)
    return not os.path.lexists(path) or (_is_file(path) and line[: len(_OURS)] == _OURS[: len(line)])


def _head(path: Path) -> dict[str, Any] | None:
    """Read the first line of a journal of any form; None if there is none of ours, or it is torn."""
    line = _first_line(path)
    if not line.startswith(_OURS) or not line.endswith(b"\n"):
        return None
    try:
        head: dict[str, Any] = json.loads(line)
    except (ValueError, RecursionError):  # the latter: brackets in brackets, and so on
        return None
    return head


def _header(head: dict[str, Any]) -> Header | None:
    try:
        facts = {str(name): str(value) for name, value in head["facts"].items()}
        return Header(str(head["senet"]), facts, tuple(map(str, head["sources"])))
    except (KeyError, TypeError, AttributeError):
        return None


def _is_file(path: Path) -> bool:
    """Return True for a plain file of this user: what others put there is not believed."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and is_own(status)


def _first_line(path: Path) -> bytes:
    """Read the first line of a plain file; empty where there is none."""
    if not _is_file(path):  # reading a planted pipe would never end
        return b""
    try:
        with path.open("rb") as file:
            return file.readline(_LONGEST)
    except OSError:
        return b""


def _lines_from(path: Path, start: int) -> int:
    """Count the whole lines from an offset on."""
    with path.open("rb") as file:
        file.seek(start)
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(_CHUNK), b""))


def _write(descriptor: int, data: bytes) -> int:
    """Write all of it, in one call unless the system takes less; return how much that is."""
    written = 0
    while written < len(data):
        written += os.write(descriptor, data[written:])
    return written


def _check_same(before: Mapping[str, str], now: Mapping[str, str], shown: str) -> None:
    for name in dict.fromkeys((*before, *now)):
        old, new = before.get(name, "none"), now.get(name, "none")
        if old != new:
            raise UsageError(
                f"the records in {shown} were made with another {name}: {old}, and now it is {new}",
                advise("same-or-start-over"),
            )


def _entry(line: bytes, ordinal: int, start: int, line_end: int, records: BinaryIO) -> Entry | None:
    """Read a line and the bytes that it tells of; None if one of the two is not whole, or not what it was."""
    if not line.endswith(b"\n"):
        return None
    try:
        number, name, size, mtime, end, check, kind, label, *more = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return None
    passing = more[0] if more else None
    typed = isinstance(name, str) and isinstance(end, int)
    typed = typed and all(_or_none(text, str) for text in (kind, label, passing))
    if number != ordinal or not typed or not start <= end or _crc(records, end - start) != check:
        return None
    return Entry(name, Stamp(size, mtime), end, line_end, kind, label, passing)


def _or_none(value: Any, kind: type) -> bool:
    return value is None or isinstance(value, kind)


def _crc(file: BinaryIO, size: int) -> int | None:
    """CRC-32 of the next bytes; None if there are not as many."""
    check = 0
    while size:
        chunk = file.read(min(size, _CHUNK))
        if not chunk:
            return None
        check, size = zlib.crc32(chunk, check), size - len(chunk)
    return check
