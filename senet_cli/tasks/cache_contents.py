"""What the caches hold, and removing what was not used for a while."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from senet_cli.catalogue.resolve import Catalogue
from senet_cli.errors import SenetError
from senet_cli.settings import Settings
from senet_cli.store.contents import Held, contents, forget, remove

_DAY = 86_400.0
_SHOWN = 12
"""Digits of a digest where there is no name."""


@dataclass(frozen=True, slots=True)
class CacheContents:
    """What one cache holds.

    Args:
        root: its folder.
        own: False for one that is only read.
        held: what lies there, each with the names of its models.
        free: bytes that are free on its disk; None if that cannot be found out.
    """

    root: Path
    own: bool
    held: tuple[Held, ...]
    free: int | None

    @property
    def size(self) -> int:
        """Bytes of all."""
        return sum(each.size for each in self.held)


def cache_contents(settings: Settings) -> list[CacheContents]:
    """List what the user's cache holds, and what those below it do, which are only read.

    Raises:
        DiskError: the user's cache cannot be read.
    """
    found, known = [], _names_by_digest(settings)
    for root in (settings.cache, *settings.cache_path):
        held = tuple(_named(each, known) for each in contents(root))
        found.append(CacheContents(root, root == settings.cache, held, free_bytes(root)))
    return found


def remove_unused(settings: Settings, days: int, now: float | None = None) -> int:
    """Remove what was not used for so many days from the user's cache; returns the bytes that were freed.

    A conversion and the file that it was made from are used each by itself: where the conversion is enough,
    the file goes. So do partial downloads and files that were put aside.

    Raises:
        DiskError: something cannot be deleted.
    """
    before = (time.time() if now is None else now) - days * _DAY
    old = [held for held in contents(settings.cache) if held.used < before]
    freed = sum(map(remove, old))
    forget(settings.cache, {held.digest for held in old})
    return freed


def free_bytes(folder: Path) -> int | None:
    """Find how much is free on the disk of a folder that need not be there yet."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except OSError:
            continue
    return None


def _names_by_digest(settings: Settings) -> dict[str, list[str]]:
    """Names of all known models by what is published of their files."""
    found: dict[str, list[str]] = {}
    try:
        for model in Catalogue.load(settings).all():
            for file in model.checkpoint.files:
                found.setdefault(file.digest.value, []).append(model.name)
    except SenetError:  # a broken manifest of the user's: there are other commands that say so
        pass
    return found


def _named(held: Held, known: dict[str, list[str]]) -> Held:
    """Find the names of the models that something belongs to; else its digest stands for them."""
    names = held.names or tuple(known.get(held.digest, ())) or (f"(SHA-256 {held.digest[:_SHOWN]})",)
    return replace(held, names=names)
