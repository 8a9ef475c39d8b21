"""Patterns such as `photos/**/*.jpg`, with the meaning that bash gives them with `globstar`.

What a single name matches is wcmatch's to say. Going through the folders is not: it tries all ways to share
out a path's folders among several `**`, goes deeper by recursion, and finds files in no order.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from glob import has_magic

from senet_cli.images.walk import Found, Reach, Step, traverse

_Matches = Callable[[str], bool]
_ANY_DEPTH = "**"


def is_pattern(text: str) -> bool:
    """Return True if this is a pattern: it has `*`, `?` or `[` in it, and no file has that name."""
    return has_magic(text) and not os.path.lexists(text)


@dataclass(slots=True)
class Pattern:
    """A pattern, and whether anything matched it yet.

    `**` goes through folders of any depth but hidden ones and, unlike bash's, through links to folders, as a
    walk does, but for loops. Hidden names only match what begins with a dot. Folders that match are wanted
    with all that they hold.

    Args:
        text: as it is typed.
        recursive: True if of the folders that match also those within them are wanted.
        matched: True as soon as something matched.
    """

    text: str
    recursive: bool = True
    matched: bool = False
    _base: str = field(init=False)
    _parts: Sequence[_Part] = field(init=False)
    _folders_only: bool = field(init=False)

    def __post_init__(self) -> None:
        parts = self.text.split("/")
        plain = next(number for number, part in enumerate(parts) if has_magic(part))
        self._base = "/".join(parts[:plain]) + ("/" if plain and not parts[plain - 1] else "")
        self._folders_only = parts[-1] == ""
        self._parts = [_part(part) for part in parts[plain:] if part]

    def found(self) -> Iterator[Found]:
        """Find what matches, and what lies in folders that match: each file once, sorted as `walk` sorts."""
        if not os.path.isdir(self._base or "."):
            return
        start = self._closed([0])
        itself = bool(self._base) and len(self._parts) in start
        self.matched = itself
        for found in traverse(self._base, self, Reach(start, inside=itself)):
            self.matched = True
            yield found

    def names(self, reach: Reach) -> Sequence[str] | None:
        """Tell the only names that can match in a folder, where the pattern has plain names for it."""
        parts = [self._parts[place] for place in reach.places if place < len(self._parts)]
        if any(part.name is None for part in parts):
            return None
        return sorted({str(part.name) for part in parts})

    def step(self, reach: Reach, name: str, *, is_folder: bool) -> Step:
        """Decide about an entry of a folder."""
        by_name, by_depth = [], []
        for place in reach.places:
            if place == len(self._parts):
                continue
            part = self._parts[place]
            if part.any_depth:
                if not name.startswith("."):
                    by_depth.append(place)
            elif part.matches(name):
                by_name.append(place + 1)
        end = len(self._parts)
        if not is_folder:  # behind a file there is nothing, not even what `**` stands for
            return Step(named=not self._folders_only and (end in by_name or end - 1 in by_depth))
        named = self._closed(by_name)
        reached = named | self._closed(by_depth)
        hit = end in reached
        self.matched |= hit
        inside = reach.inside and self.recursive
        return Step(
            onward=_reach(reached, inside=hit or inside),
            round=_reach(named, inside=end in named),
        )

    def _closed(self, places: Iterable[int]) -> frozenset[int]:
        """With the places behind `**`, which may stand for nothing."""
        closed = set(places)
        for place in sorted(closed):
            while place < len(self._parts) and self._parts[place].any_depth:
                place += 1  # noqa: PLW2901
                closed.add(place)
        return frozenset(closed)


def _reach(places: frozenset[int], *, inside: bool) -> Reach | None:
    return Reach(places, inside) if places or inside else None


@dataclass(frozen=True, slots=True)
class _Part:
    """What stands between two slashes: `**`, a plain name, or a pattern of names."""

    matches: _Matches
    name: str | None = None
    any_depth: bool = False


def _part(text: str) -> _Part:
    if text == _ANY_DEPTH:
        return _Part(lambda _: False, any_depth=True)
    if not has_magic(text):
        return _Part(text.__eq__, name=text)
    from wcmatch import fnmatch

    return _Part(fnmatch.compile(text).match)
