"""What lies in a cache: which files, of which models, how large, last used when; and removing them.

When something was used last is the time of change of a small file beside it, which using it renews: the entry
of a checkpoint in the index, the description of a conversion. A file system may not keep times of access.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from senet_cli.errors import DiskError

Kind = Literal["model", "conversion", "partial", "damaged"]
"""A downloaded file, one that was converted for an engine, part of a download, a file that was put aside."""
_ABOUT = "about.json"
_FULL = 64
"""Digits of a SHA-256."""


@dataclass(frozen=True, slots=True)
class Held:
    """One thing that a cache holds.

    Args:
        kind: what it is.
        names: of the models that it belongs to, as far as the cache knows them.
        digest: of the model's file: its SHA-256, or for a part of it what is published; empty where unknown.
        size: bytes on disk.
        used: when it was used last, seconds since 1970.
        path: the file or folder.
    """

    kind: Kind
    names: tuple[str, ...]
    digest: str
    size: int
    used: float
    path: Path


def mark_used(path: Path) -> None:
    """Remember that what a small file describes was used just now, where the cache can be written."""
    with contextlib.suppress(OSError):
        os.utime(path)


def contents(root: Path) -> list[Held]:
    """List what lies in a cache, what was used last first.

    Raises:
        DiskError: it cannot be read.
    """
    try:
        entries = _entries(root / "index")
        held = [
            *_files(root / "checkpoints", entries),
            *_conversions(root / "converted", entries),
            *_partials(root / "partial"),
        ]
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{root}`") from error
    return sorted(held, key=lambda each: -each.used)


def remove(held: Held) -> int:
    """Delete something that a cache holds; returns the bytes that were freed.

    Raises:
        DiskError: it cannot be deleted.
    """
    try:
        if held.path.is_dir() and not held.path.is_symlink():
            shutil.rmtree(held.path)
        else:
            held.path.unlink(missing_ok=True)
            held.path.with_name(held.path.name + ".json").unlink(missing_ok=True)  # of a partial file
    except OSError as error:
        raise DiskError.from_os_error(error, f"removing `{held.path}`") from error
    return held.size


def forget(root: Path, digests: Collection[str]) -> None:
    """Delete the entries of the index about files of which nothing is left.

    A conversion is found by the entry of its file, which may be gone; so the entry stays as long as either.

    Args:
        root: a cache.
        digests: of the files.

    Raises:
        DiskError: an entry cannot be deleted.
    """
    left = {held.digest for held in contents(root) if held.kind in ("model", "conversion")}
    try:
        for digest, paths in _entries(root / "index").items():
            for path in paths if digest in digests and digest not in left else ():
                path.unlink(missing_ok=True)
    except OSError as error:
        raise DiskError.from_os_error(error, f"writing to `{root}`") from error


def _entries(folder: Path) -> dict[str, list[Path]]:
    """Entries of the index, by the digest that they state; what does not parse states none."""
    found: dict[str, list[Path]] = {}
    for path in sorted(_plain(folder, "*.json")):
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            found.setdefault(str(json.loads(path.read_bytes())["sha256"]), []).append(path)
    return found


def _files(folder: Path, entries: dict[str, list[Path]]) -> Iterator[Held]:
    for path in _plain(folder, "*"):
        digest, damaged = path.stem, path.suffix == ".bad"
        if len(digest) != _FULL:
            continue
        index = () if damaged else tuple(entries.get(digest, ()))
        names = tuple(each.stem for each in index)
        with contextlib.suppress(FileNotFoundError):  # removed meanwhile
            status = path.lstat()
            used = max([status.st_mtime, *(each.stat().st_mtime for each in index)])
            yield Held("damaged" if damaged else "model", names, digest, status.st_size, used, path)


def _conversions(root: Path, entries: dict[str, list[Path]]) -> Iterator[Held]:
    for folder in root.glob("*"):
        about = folder / _ABOUT
        if folder.is_symlink() or not about.is_file():  # one that is being made has none yet
            continue
        with contextlib.suppress(FileNotFoundError):
            try:
                digest = str(json.loads(about.read_bytes())["facts"]["weights"])
            except (ValueError, KeyError, TypeError, RecursionError):
                digest = ""
            size = sum(each.lstat().st_size for each in folder.iterdir())
            names = tuple(each.stem for each in entries.get(digest, ()))
            yield Held("conversion", names, digest, size, about.stat().st_mtime, folder)


def _partials(folder: Path) -> Iterator[Held]:
    for path in _plain(folder, "*.part"):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            yield Held("partial", (), path.name.partition(".")[0], status.st_size, status.st_mtime, path)


def _plain(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield plain files: reading a planted pipe would never end."""
    return (path for path in folder.glob(pattern) if path.is_file() and not path.is_symlink())
