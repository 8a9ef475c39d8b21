"""What to classify: files, folders, patterns, lists and standard input, as one stream of sources."""

from __future__ import annotations

import fnmatch
import glob
import io
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from senet_cli.errors import DiskError, ImageError, UsageError

EXTENSIONS = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".png",
        ".apng",
        ".webp",
        ".avif",
        ".bmp",
        ".dib",
        ".gif",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
    ]
)
"""What a folder is searched for, in any case. A file named explicitly is always tried."""

STDIN = "-"
_CHUNK = 2**16
_MAX_PIPED = 2**30
_PROCESS_SUBSTITUTION = ("/dev/fd/", "/proc/self/fd/")
"""Where a shell's `<(command)` lies; other pipes could block for ever and are refused."""


@dataclass(frozen=True, slots=True)
class Source:
    """One image to be: a path, or bytes that came through a pipe.

    Args:
        name: as records show it.
        data: the bytes, where they do not lie in a file of that name.
        problem: why it cannot be opened, where that is known already.
    """

    name: str
    data: bytes | None = None
    problem: ImageError | None = None

    @classmethod
    def named(cls, name: str) -> Source:
        """The source for a path. What a shell's `<(command)` writes is read here and now."""
        if not name.startswith(_PROCESS_SUBSTITUTION):
            return cls(name)
        try:
            if not stat.S_ISFIFO(os.stat(name).st_mode):
                return cls(name)
            with open(name, "rb", buffering=0) as pipe:
                return cls(name, _read_all(pipe.fileno()))
        except ImageError as error:
            return cls(name, problem=error)
        except OSError as error:
            return cls(name, problem=_os_problem(error))

    @property
    def unmatched(self) -> bool:
        """True for a pattern that no file matches."""
        return self.problem is not None and self.problem.kind == "missing"

    def open(self) -> BinaryIO:
        """The bytes as an open, seekable file.

        Raises:
            ImageError: missing, not a file, or not readable.
        """
        if self.problem:
            raise self.problem
        if self.data is not None:
            return io.BytesIO(self.data)
        try:
            mode = os.stat(self.name).st_mode
            if stat.S_ISREG(mode):
                return open(self.name, "rb")
        except (OSError, ValueError) as error:
            raise _os_problem(error) from error
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, device or socket"
        raise ImageError("not_a_file", f"this is {what}, not a file")


def _os_problem(error: OSError | ValueError) -> ImageError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ImageError("missing", "no such file")
    return ImageError("unreadable", str(getattr(error, "strerror", "") or error))


@dataclass(slots=True)
class Skipped:
    """Files in folders that were passed over because of their extension."""

    count: int = 0
    example: str = ""

    def add(self, name: str) -> None:
        """Count one."""
        self.count += 1
        self.example = self.example or name


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What the user asked to classify.

    Args:
        arguments: files, folders, patterns, or `-` for image bytes on standard input.
        list_file: a file that lists paths, `-` for standard input, or None.
        null: True if the list is separated by NUL bytes instead of line ends.
        recursive: True to look into folders within folders.
        stdin: file descriptor of standard input.
    """

    arguments: Sequence[str] = ()
    list_file: str | None = None
    null: bool = False
    recursive: bool = True
    stdin: int = 0
    skipped: Skipped = field(default_factory=Skipped)

    def check(self) -> None:
        """Find contradictions before any work is done.

        Raises:
            UsageError: nothing was asked for, or standard input would be read twice.
            DiskError: the list cannot be read.
        """
        if not self.arguments and self.list_file is None:
            raise UsageError(
                "there is nothing to classify", "Name a file, a folder, `-` or `--from-file LIST`."
            )
        if self.null and self.list_file is None:
            raise UsageError("`-0` says how a list is separated", "Give the list with `--from-file`.")
        readers = list(self.arguments).count(STDIN) + (self.list_file == STDIN)
        if readers > 1:
            raise UsageError("standard input can be read only once", "Give `-` once.")
        if readers and os.isatty(self.stdin):
            raise UsageError(
                "standard input is the terminal",
                "Pipe something in, as in `cat bird.jpg | senet predict -`.",
            )
        if self.list_file not in (None, STDIN):
            _check_list(str(self.list_file))

    @property
    def repeatable(self) -> bool:
        """True if the stream can be produced twice, as for counting: nothing in it comes through a pipe."""
        list_stays = self.list_file is None or os.path.isfile(self.list_file)
        pipes = any(name == STDIN or name.startswith(_PROCESS_SUBSTITUTION) for name in self.arguments)
        return list_stays and not pipes

    @property
    def single(self) -> bool:
        """True if this is one image only: one file, or the bytes on standard input."""
        if self.list_file is not None or len(self.arguments) != 1:
            return False
        return self.arguments[0] == STDIN or os.path.isfile(self.arguments[0])

    def stream(self) -> Iterator[Source]:
        """All sources: arguments as given, folders sorted by the bytes of their paths, then the list."""
        for argument in self.arguments:
            yield from self._from_argument(argument)
        if self.list_file is not None:
            yield from self._from_list(self.list_file)

    def _from_argument(self, argument: str) -> Iterator[Source]:
        if argument == STDIN:
            yield self._from_stdin()
        elif os.path.isdir(argument):
            yield from self._from_folder(argument)
        elif glob.has_magic(argument) and not os.path.lexists(argument):
            yield from self._from_pattern(argument)
        else:
            yield Source.named(argument)

    def _from_stdin(self) -> Source:
        try:
            return Source(STDIN, _read_all(self.stdin))
        except ImageError as error:
            return Source(STDIN, problem=error)
        except OSError as error:
            return Source(STDIN, problem=_os_problem(error))

    def _from_folder(self, folder: str) -> Iterator[Source]:
        for source in walk(folder, recursive=self.recursive):
            if source.problem or Path(source.name).suffix.lower() in EXTENSIONS:
                yield source
            else:
                self.skipped.add(source.name)

    def _from_pattern(self, pattern: str) -> Iterator[Source]:
        """What the shell would make of it, folders looked into; `**` matches files at any depth."""
        found = False
        for source in _deep_matches(pattern) if "**" in pattern else _matches(pattern):
            found = True
            if source.problem is None and os.path.isdir(source.name):
                yield from self._from_folder(source.name)
            else:
                yield source
        if not found:
            yield Source(pattern, problem=ImageError("missing", "no such file, and nothing matches it"))

    def _from_list(self, list_file: str) -> Iterator[Source]:
        separator = b"\0" if self.null else b"\n"
        try:
            if list_file == STDIN:
                yield from map(Source.named, _entries(_chunks(self.stdin), separator))
                return
            with open(list_file, "rb", buffering=0) as file:
                yield from map(Source.named, _entries(_chunks(file.fileno()), separator))
        except OSError as error:
            raise DiskError.from_os_error(error, f"reading the list `{list_file}`") from error


def _matches(pattern: str) -> Iterator[Source]:
    yield from map(Source, sorted(glob.iglob(pattern), key=os.fsencode))


def _deep_matches(pattern: str) -> Iterator[Source]:
    """Files that a pattern with `**` matches, by `walk`: Python's own way runs round in loops of links."""
    parts = pattern.split("/")
    plain = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    base = "/".join(parts[:plain])
    top = base or ("/" if pattern.startswith("/") else ".")
    for source in walk(top):
        name = source.name.removeprefix("./") if top == "." else source.name
        below = name.removeprefix(base).strip("/").split("/")
        if source.problem or _fits(below, parts[plain:]):
            yield replace(source, name=name)


def _fits(names: Sequence[str], patterns: Sequence[str]) -> bool:
    """True if a path matches, part by part; as in a shell, hidden names only if they are asked for."""
    if not patterns:
        return not names
    first, *rest = patterns
    if first == "**":
        hidden = next((n for n, name in enumerate(names) if name.startswith(".")), len(names))
        return (not rest and hidden == len(names)) or any(
            _fits(names[n:], rest) for n in range(hidden + 1) if rest
        )
    if not names or (names[0].startswith(".") and not first.startswith(".")):
        return False
    return fnmatch.fnmatchcase(names[0], first) and _fits(names[1:], rest)


def walk(folder: str, *, recursive: bool = True) -> Iterator[Source]:
    """All files below `folder`, sorted by the bytes of their paths.

    Links to folders are followed, loops broken. A folder that cannot be listed is a source with that problem,
    so that nothing below it goes missing without a word.
    """
    yield from _walk(folder, recursive, frozenset())


def _walk(folder: str, recursive: bool, above: frozenset[tuple[int, int]]) -> Iterator[Source]:
    try:
        status = os.stat(folder)
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        with os.scandir(folder) as listing:
            entries = sorted(map(_listed, listing), key=_path_order)
    except OSError as error:
        reason = f"the folder cannot be listed: {error.strerror or error}"
        yield Source(folder, problem=ImageError("unreadable", reason))
        return
    for name, is_folder in entries:
        path = os.path.join(folder, name)
        if not is_folder:
            yield Source(path)
        elif recursive:
            yield from _walk(path, recursive, above | {identity})


def _listed(entry: os.DirEntry[str]) -> tuple[str, bool]:
    try:
        return entry.name, entry.is_dir()
    except OSError:  # a link to itself, say: the record of the file will tell
        return entry.name, False


def _path_order(listed: tuple[str, bool]) -> bytes:
    """With a slash after folders, sorting the names within each folder sorts whole paths."""
    name, is_folder = listed
    return os.fsencode(name) + (b"/" if is_folder else b"")


def _check_list(name: str) -> None:
    """Make sure that a list can be read, without opening a pipe: its writer has only one reader to lose."""
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISREG(mode):
            with open(name, "rb"):
                pass
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading the list `{name}`") from error
    if stat.S_ISDIR(mode):
        raise UsageError(f"the list `{name}` is a folder", "Name the folder itself, without --from-file.")


def _read_all(descriptor: int) -> bytes:
    """Everything that comes through a pipe.

    Raises:
        ImageError: it is more than any image needs.
    """
    parts, size = [], 0
    for chunk in _chunks(descriptor):
        parts.append(chunk)
        size += len(chunk)
        if size > _MAX_PIPED:
            raise ImageError("too_large", f"more than {_MAX_PIPED:,} bytes came through the pipe")
    return b"".join(parts)


def _chunks(descriptor: int) -> Iterator[bytes]:
    """Bytes as they come. Not through `sys.stdin`: its lock would hang the exit of a waiting thread."""
    while chunk := os.read(descriptor, _CHUNK):
        yield chunk


def _entries(chunks: Iterable[bytes], separator: bytes) -> Iterator[str]:
    """Names between separators; empty ones and, in lines, a final carriage return are dropped."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(separator)
        yield from _names(whole, separator)
    yield from _names([rest], separator)


def _names(parts: Iterable[bytes], separator: bytes) -> Iterator[str]:
    for part in parts:
        name = part.removesuffix(b"\r") if separator == b"\n" else part
        if name:
            yield os.fsdecode(name)
