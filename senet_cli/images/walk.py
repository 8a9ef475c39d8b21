"""Going through folders, in order and as deep as they are: with a stack, since Python's own ends at 1,000."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from senet_cli.errors import ImageError
from senet_cli.images.source import Source

_Identity = tuple[int, int]
_Listed = tuple[str, bool]
"""A name and whether it is a folder."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a route has come in a folder.

    Args:
        places: in a pattern.
        inside: True where all files are wanted.
    """

    places: frozenset[int] = frozenset()
    inside: bool = False


class Route(Protocol):
    """Which files are wanted, and which folders are entered."""

    def names(self, reach: Reach) -> Sequence[str] | None:
        """Tell the only names that are of interest in a folder; None: all."""

    def step(self, reach: Reach, name: str, *, is_folder: bool) -> Step:
        """Decide about an entry of a folder."""


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of an entry.

    Args:
        named: True for a file that is wanted by its own name.
        onward: how to go through it if it is a folder; None: not at all.
        round: the same for a folder that one is in already, by a loop of links.
    """

    named: bool = False
    onward: Reach | None = None
    round: Reach | None = None


@dataclass(frozen=True, slots=True)
class _Everything:
    recursive: bool

    def names(self, reach: Reach) -> None:
        del reach

    def step(self, reach: Reach, name: str, *, is_folder: bool) -> Step:
        del name, is_folder
        return Step(onward=reach if self.recursive else None)


@dataclass(frozen=True, slots=True)
class Found:
    """A file, or a folder that cannot be listed.

    Args:
        source: of it.
        named: True if its own name is wanted, False if it lies in a folder of which all is.
    """

    source: Source
    named: bool


def walk(folder: str, *, recursive: bool = True) -> Iterator[Source]:
    """Find all files below `folder`, sorted by the bytes of their paths.

    Links to folders are followed, loops broken. A folder that cannot be listed is a source with that problem,
    so that nothing below it goes missing without a word.
    """
    for found in traverse(folder, _Everything(recursive), Reach(inside=True)):
        yield found.source


@dataclass(frozen=True, slots=True)
class _Level:
    folder: str
    reach: Reach
    identity: _Identity
    rest: Iterator[_Listed]


def traverse(folder: str, route: Route, start: Reach) -> Iterator[Found]:
    """Go through a folder by a route, in the order of `walk`.

    Args:
        folder: as it is typed; empty for the present one, whose files are named without it.
        route: decides.
        start: how far it has come at `folder`.
    """
    levels: list[_Level] = []
    above: Counter[_Identity] = Counter()
    onward: Step = Step(onward=start)
    while True:
        try:
            level = _entered(folder, route, onward, above)
        except OSError as error:
            reason = f"the folder cannot be listed: {error.strerror or error}"
            yield Found(Source(folder, problem=ImageError("unreadable", reason, passing=True)), named=True)
            level = None
        if level is not None:
            levels.append(level)
            above[level.identity] += 1
        while levels:
            level = levels[-1]
            name, is_folder = next(level.rest, (None, False))
            if name is None:
                levels.pop()
                above[level.identity] -= 1
                continue
            path = os.path.join(level.folder, name)
            step = route.step(level.reach, name, is_folder=is_folder)
            if not is_folder and (step.named or level.reach.inside):
                yield Found(Source(path), step.named)
            if is_folder and step.onward is not None:
                folder, onward = path, step
                break
        else:
            return


def _entered(folder: str, route: Route, step: Step, above: Counter[_Identity]) -> _Level | None:
    """List the folder; None if it is one of those above it and the route does not insist."""
    status = os.stat(folder or ".")
    identity = (status.st_dev, status.st_ino)
    reach = step.round if above[identity] else step.onward
    if reach is None:
        return None
    names = None if reach.inside else route.names(reach)
    if names is None:
        with os.scandir(folder or ".") as listing:
            entries = [_listed(entry) for entry in listing]
    else:
        paths = ((name, os.path.join(folder, name)) for name in names)
        entries = [(name, os.path.isdir(path)) for name, path in paths if os.path.lexists(path)]
    return _Level(folder, reach, identity, iter(sorted(entries, key=_path_order)))


def _listed(entry: os.DirEntry[str]) -> _Listed:
    try:
        return entry.name, entry.is_dir()
    except OSError:  # a link to itself, say: the record of the file will tell
        return entry.name, False


def _path_order(listed: _Listed) -> bytes:
    """With a slash after folders, sorting the names within each folder sorts whole paths."""
    name, is_folder = listed
    return os.fsencode(name) + (b"/" if is_folder else b"")
