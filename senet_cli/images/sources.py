"""What to classify: files, folders, patterns, lists and standard input, as one stream of sources."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from senet_cli.errors import DiskError, ImageError, UsageError, advise
from senet_cli.images.ends import holds_another
from senet_cli.images.kinds import EXTENSIONS, Skipped, is_apple_double, is_image_name
from senet_cli.images.lists import check_list, names_in
from senet_cli.images.patterns import Pattern, is_pattern
from senet_cli.images.source import (
    PIPES,
    STDIN_NAMES,
    Source,
    chunks_of,
    how_to_fetch,
    is_address,
)
from senet_cli.images.walk import Found, walk

__all__ = ["EXTENSIONS", "STDIN", "Skipped", "Source", "SourceRequest", "walk"]

STDIN = "-"


@dataclass(frozen=True, slots=True)
class SourceRequest:
    """What the user asked to classify.

    Args:
        arguments: files, folders, patterns, or `-` for image bytes on standard input.
        list_file: a file that lists paths, `-` for standard input, or None.
        null: True if the list is separated by NUL bytes instead of line ends.
        recursive: True to look into folders within folders.
        stdin: file descriptor of standard input.
        skipped: what is passed over is counted there.
        ignored: True for what is passed over without a word where it lies in a folder or fits a pattern, as
            files do that the run writes; None: nothing is.
    """

    arguments: Sequence[str] = ()
    list_file: str | None = None
    null: bool = False
    recursive: bool = True
    stdin: int = 0
    skipped: Skipped = field(default_factory=Skipped)
    ignored: Callable[[str], bool] | None = None

    def check(self) -> None:
        """Find contradictions before any work is done.

        Raises:
            UsageError: nothing was asked for, standard input would be read twice, an address is named, or the
                list is not UTF-8.
            DiskError: the list cannot be read.
        """
        if not self.arguments and self.list_file is None:
            raise UsageError("there is nothing to classify", advise("name-sources"))
        if self.null and self.list_file is None:
            raise UsageError("a separator is given, but no list", advise("give-list"))
        readers = sum(name in STDIN_NAMES for name in (*self.arguments, self.list_file))
        if readers > 1:
            raise UsageError("standard input can be read only once", "Give `-` once.")
        if readers and os.isatty(self.stdin):
            raise UsageError("standard input is the terminal", advise("pipe-in"))
        for address in filter(is_address, self.arguments):
            raise UsageError(f"`{address}` is an address, and only files are read", how_to_fetch(address))
        if self.list_file not in (None, STDIN):
            check_list(str(self.list_file), null=self.null)

    @property
    def repeatable(self) -> bool:
        """True if the stream can be produced twice, as for counting: nothing in it comes through a pipe."""
        list_stays = self.list_file is None or os.path.isfile(self.list_file)
        pipes = any(name == STDIN or name.startswith(PIPES) for name in self.arguments)
        return list_stays and not pipes

    @property
    def single(self) -> bool:
        """True if this is one image only: one file, or the bytes on standard input."""
        if self.list_file is not None or len(self.arguments) != 1:
            return False
        return self.arguments[0] in STDIN_NAMES or os.path.isfile(self.arguments[0])

    def stream(self) -> Iterator[Source]:
        """Yield all sources: arguments as given, folders sorted by bytes of their paths, then the list."""
        for argument in self.arguments:
            yield from self._from_argument(argument)
        if self.list_file is not None:
            yield from self._from_list(self.list_file)

    def _from_argument(self, argument: str) -> Iterator[Source]:
        if argument in STDIN_NAMES:
            source = Source.piped(argument, self.stdin)
            self.skipped.more_on_stdin = source.data is not None and holds_another(source.data)
            yield source
        elif os.path.isdir(argument):
            yield from self._wanted(
                Found(source, named=False) for source in walk(argument, recursive=self.recursive)
            )
        elif is_pattern(argument):
            yield from self._from_pattern(Pattern(argument, self.recursive))
        else:
            yield Source.named(argument)

    def _from_pattern(self, pattern: Pattern) -> Iterator[Source]:
        yield from self._wanted(pattern.found())
        if not pattern.matched:
            problem = ImageError("missing", "no such file, and nothing matches it")
            yield Source(pattern.text, problem=problem)

    def _wanted(self, found: Iterable[Found]) -> Iterator[Source]:
        """Select what was named and, of what lies in folders, the images."""
        for each in found:
            source = each.source
            if self.ignored is not None and self.ignored(source.name):
                continue
            wanted = is_image_name(source.name) and not is_apple_double(source.name)
            if each.named or source.problem or wanted:
                yield source
            else:
                self.skipped.add(source.name)

    def _from_list(self, list_file: str) -> Iterator[Source]:
        try:
            if list_file == STDIN:
                yield from map(Source.named, names_in(chunks_of(self.stdin), list_file, null=self.null))
                return
            with open(list_file, "rb", buffering=0) as file:
                yield from map(Source.named, names_in(chunks_of(file.fileno()), list_file, null=self.null))
        except OSError as error:
            raise DiskError.from_os_error(error, f"reading the list `{list_file}`") from error
