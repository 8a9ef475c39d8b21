"""Converted networks in the cache: complete, under a key of what decides them, checked like checkpoints.

<root>/converted/<key>/          a folder appears under its name when it is complete
    about.json                   what was converted, digests and state of the other files
    network.xml, network.bin     or what else the converter writes
<root>/converted/<key>.lock      held while one process converts and others wait
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senet_cli.errors import DiskError
from senet_cli.settings import Settings
from senet_cli.store.cache import Cache
from senet_cli.store.contents import mark_used
from senet_cli.store.files import sha256_of, sync_folder, write_atomically
from senet_cli.store.locks import advisory_lock

_ABOUT = "about.json"
ConversionKey = Mapping[str, str | int]
"""All that decides a conversion, by name."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A verified conversion.

    Args:
        folder: holds its files.
        notes: what its maker added, such as the number of classes.
    """

    folder: Path
    notes: dict[str, Any]


class ConvertedStore:
    """The conversions in the user's cache, and in those below it, which are only read.

    Args:
        settings: where the caches lie.
    """

    def __init__(self, settings: Settings) -> None:
        self._cache = Cache.from_settings(settings)
        self._timeout = settings.lock_timeout
        self._own = settings.cache / "converted"
        self._below = tuple(root / "converted" for root in settings.cache_path)

    def find(self, key: ConversionKey) -> Converted | None:
        """Find the verified conversion with this key, or None. Files that changed since are hashed again.

        One that is damaged is as good as none; `put` replaces it.
        """
        name = _folder_name(key)
        for root in (self._own, *self._below):
            folder = root / name
            about = _read(folder)
            if about is not None and _verified(folder, about, remember=root is self._own):
                if root is self._own:
                    mark_used(folder / _ABOUT)
                return Converted(folder, about["notes"])
        return None

    @contextlib.contextmanager
    def locked(self, key: ConversionKey, waiting: Callable[[], None]) -> Iterator[None]:
        """Wait until no other process makes this conversion, for a while; clear away what a killed one left.

        Raises:
            DiskError: the cache cannot be written.
        """
        with _disk_errors(self._own):
            self._cache.prepare()
            self._own.mkdir(mode=0o700, exist_ok=True)
        name = _folder_name(key)
        with advisory_lock(self._own / f"{name}.lock", self._timeout, waiting) as held:
            for left in self._own.glob(f".new-{name}-*") if held else ():
                shutil.rmtree(left, ignore_errors=True)
            yield

    def put(self, key: ConversionKey, write: Callable[[Path], dict[str, Any]]) -> Converted:
        """Keep a conversion.

        Args:
            key: what decides it.
            write: puts its files into a folder and returns notes.

        Raises:
            DiskError: the cache cannot be written.
        """
        name = _folder_name(key)
        target = self._own / name
        with _disk_errors(self._own):
            self._cache.prepare()
            self._own.mkdir(mode=0o700, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f".new-{name}-", dir=self._own))
            try:
                notes = write(folder)
                states = {path.name: _state(path) for path in sorted(folder.iterdir())}
                about = {"facts": dict(key), "notes": notes, "files": states}
                write_atomically(folder / _ABOUT, json.dumps(about, indent=1).encode())
                if found := self.find(key):  # another process was faster, without a lock
                    return found
                shutil.rmtree(target, ignore_errors=True)  # a damaged one
                folder.rename(target)
                sync_folder(self._own)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
        return Converted(target, notes)

    def remove(self, sha256: str) -> int:
        """Delete the conversions of one file of weights; returns the bytes that were freed."""
        folders = [folder for folder in _folders(self._own) if _made_from(folder, sha256)]
        return sum(map(self._delete, folders))

    def clear(self) -> int:
        """Delete all conversions of the user's cache; returns the bytes that were freed."""
        return sum(map(self._delete, _folders(self._own)))

    def _delete(self, folder: Path) -> int:
        with _disk_errors(self._own):
            size = sum(path.lstat().st_size for path in folder.iterdir())
            shutil.rmtree(folder)
        return size


def _folder_name(key: ConversionKey) -> str:
    import hashlib

    return hashlib.sha256(json.dumps(dict(key), sort_keys=True).encode()).hexdigest()[:40]


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("*") if path.is_dir() and not path.is_symlink())


def _made_from(folder: Path, sha256: str) -> bool:
    about = _read(folder)
    return about is not None and about["facts"].get("weights") == sha256


def _read(folder: Path) -> dict[str, Any] | None:
    """about.json, or None where there is none or it is not what we write."""
    path = folder / _ABOUT
    try:
        if not path.is_file():  # reading a planted pipe would never end
            return None
        about = json.loads(path.read_bytes())
        complete = isinstance(about["facts"], dict) and isinstance(about["notes"], dict) and about["files"]
        return about if complete else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _verified(folder: Path, about: dict[str, Any], *, remember: bool) -> bool:
    """Return True if all files are what was written; only those whose stamp changed are hashed."""
    changed = False
    try:
        for name, known in about["files"].items():
            path = folder / name
            if _stamp(path) == {field: known.get(field) for field in _stamp(path)}:
                continue
            if not path.is_file() or sha256_of(path) != known["sha256"]:
                return False
            about["files"][name] = known | _stamp(path)
            changed = True
        if changed and remember:
            write_atomically(folder / _ABOUT, json.dumps(about, indent=1).encode())
    except (OSError, AttributeError, KeyError, TypeError):
        return False
    return True


def _state(path: Path) -> dict[str, str | int]:
    return {"sha256": sha256_of(path), **_stamp(path)}


def _stamp(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino}


@contextlib.contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError.from_os_error(
            error, f"writing to `{root}`", "Set SENET_CACHE to a folder that can be written."
        ) from error
