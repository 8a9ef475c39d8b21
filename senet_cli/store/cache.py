"""The cache: verified files under their digest, and an index that says which checkpoint is which file.

<root>/checkpoints/<sha256>.<suffix>   complete and verified, always
<root>/checkpoints/<sha256>.bad        was verified once and has changed since
<root>/index/<checkpoint>.json         digest and state of the file when it was last hashed
<root>/partial/                        what has arrived of files that are not complete yet

Below the user's own cache there may be others that are only read, such as a cluster's shared one.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from senet_cli.catalogue.entries import SUFFIXES, Checkpoint, CheckpointFile, EntryName, MemberDigest
from senet_cli.errors import CheckpointError, DigestError, DiskError, advise
from senet_cli.events import Reporter, WaitingForProcess
from senet_cli.settings import Settings
from senet_cli.store import archives
from senet_cli.store.contents import mark_used
from senet_cli.store.files import sha256_of, sync_folder, write_atomically
from senet_cli.store.locks import advisory_lock
from senet_cli.store.published import is_published

if TYPE_CHECKING:
    from senet_cli.store.partial import Partial

_SHA256 = re.compile("[0-9a-f]{64}")
_UNWRITABLE = "Set SENET_CACHE to a folder that can be written."


@dataclass(frozen=True, slots=True)
class _Stamp:
    """State of a file when it was last hashed; once one of these differs it is hashed again."""

    sha256: str
    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> _Stamp:
        status = path.stat()
        return cls(path.stem, status.st_size, status.st_mtime_ns, status.st_ino)


@dataclass(frozen=True, slots=True)
class _Layer:
    """The files below one cache folder."""

    root: Path

    @property
    def index(self) -> Path:
        return self.root / "index"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    def blob(self, sha256: str, file: CheckpointFile) -> Path:
        return self.checkpoints / f"{sha256}.{SUFFIXES[file.format]}"

    def stamp(self, name: str) -> _Stamp | None:
        """Read what the index says; None if it says nothing or is damaged: the file itself is then hashed."""
        path = self.index / f"{name}.json"
        try:
            if not path.is_file():  # reading a planted pipe would never end
                return None
            data = json.loads(path.read_bytes())
            stamp = _Stamp(str(data["sha256"]), int(data["size"]), int(data["mtime_ns"]), int(data["inode"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return stamp if _SHA256.fullmatch(stamp.sha256) else None

    def stamps(self) -> Iterator[_Stamp]:
        """Read what the index says of all checkpoints."""
        for path in self.index.glob("*.json"):
            if stamp := self.stamp(path.stem):
                yield stamp

    def candidates(self, file: CheckpointFile, known: _Stamp | None) -> list[Path]:
        """List where it may lie: under the published digest, or the one that the first download pinned."""
        if file.digest.full:
            return [self.blob(file.digest.value, file)]
        if known and not file.digest.excludes(known.sha256):
            return [self.blob(known.sha256, file)]
        digest = file.digest
        prefix = "" if isinstance(digest, MemberDigest) else digest.value
        pattern = self.blob(f"{prefix}*", file)
        try:
            found = sorted(p for p in self.checkpoints.glob(pattern.name) if _SHA256.fullmatch(p.stem))
            if isinstance(digest, MemberDigest):
                return [path for path in found if archives.holds(path, digest.member)]
            return found
        except OSError:  # what may not be looked into holds nothing for us
            return []


@dataclass(frozen=True, slots=True)
class Installed:
    """A file of the cache that was verified.

    Args:
        path: where it lies.
        sha256: its full digest.
        file: the manifest's description of it.
    """

    path: Path
    sha256: str
    file: CheckpointFile


class Cache:
    """The user's cache, with others below it that are only read. Nothing is created before it is needed.

    Args:
        root: the user's own folder.
        below: more caches, looked into in this order; never written.
        lock_timeout: seconds to wait for another process that fetches the same file.
    """

    def __init__(self, root: Path, below: Iterable[Path] = (), lock_timeout: float = 600.0) -> None:
        self.root = root
        self._own = _Layer(root)
        self._below = tuple(map(_Layer, below))
        self._lock_timeout = lock_timeout

    @classmethod
    def from_settings(cls, settings: Settings) -> Cache:
        """Make the cache of this user, as set."""
        return cls(settings.cache, settings.cache_path, settings.lock_timeout)

    @property
    def partials(self) -> Path:
        """Folder for files that are not complete yet."""
        return self.root / "partial"

    # --- reading ---

    def find(self, checkpoint: Checkpoint) -> Installed | None:
        """Find the checkpoint's verified file, or None. A file that changed since is hashed again.

        Raises:
            DigestError: the file changed and is no longer what was verified; it was put aside.
            DiskError: the cache cannot be read.
        """
        return self._find(checkpoint, deep=False)

    def verify(self, checkpoint: Checkpoint) -> Installed | None:
        """Find as `find`, but hash the file in any case; a damaged one of a cache below is an error too."""
        return self._find(checkpoint, deep=True)

    def holds(self, checkpoint: Checkpoint) -> Path | None:
        """Say where the checkpoint's file is, or None; nothing is hashed, nothing is put aside."""
        beside = (file.path for file in checkpoint.files if file.path)
        places = (path for _, _, path in self._places(checkpoint))
        return next((path for path in (*beside, *places) if _is_there(path)), None)

    def use(self, checkpoint: Checkpoint) -> Installed | None:
        """Find as `find`, and remember that the file was used just now."""
        if installed := self.find(checkpoint):
            mark_used(self._own.index / f"{checkpoint.name}.json")
        return installed

    def digests(self, checkpoint: Checkpoint) -> list[str]:
        """List full digests that the checkpoint's file has, or had when last here; no file is opened."""
        stamps = [layer.stamp(checkpoint.name) for layer in (self._own, *self._below)]
        pinned = [stamp.sha256 for stamp in stamps if stamp]
        return pinned + [file.digest.value for file in checkpoint.files if file.digest.full]

    def _places(self, checkpoint: Checkpoint) -> Iterator[tuple[_Layer, CheckpointFile, Path]]:
        own = self._own.stamp(checkpoint.name)
        for layer in (self._own, *self._below):
            known = own or layer.stamp(checkpoint.name)
            for file in checkpoint.files:
                for path in layer.candidates(file, known):
                    yield layer, file, path

    def _find(self, checkpoint: Checkpoint, *, deep: bool) -> Installed | None:
        if local := next(filter(None, map(_beside_manifest, checkpoint.files)), None):
            return local
        for layer, file, path in self._places(checkpoint):
            try:
                stamp = _Stamp.of(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                if layer is not self._own and not deep:
                    continue  # a cache below that cannot be read is as good as none
                raise DiskError.from_os_error(error, f"reading `{path}`", _UNWRITABLE) from error
            known = (self._own.stamp(checkpoint.name), layer.stamp(checkpoint.name))
            if deep or stamp not in known:
                if not self._still_right(path):
                    if layer is self._own or deep:
                        raise self._put_aside(path, checkpoint.name, own=layer is self._own)
                    continue  # a damaged file below is as good as none
                if not is_published(file, path, stamp.sha256):
                    continue  # another archive with a member of this name
                with contextlib.suppress(DiskError):  # a read-only cache is hashed at every start
                    self._write_stamp(checkpoint.name, stamp)
            return Installed(path, stamp.sha256, file)
        return None

    def _still_right(self, path: Path) -> bool:
        try:
            if not (path.is_file() or path.is_dir()):
                return False  # reading a planted pipe would never end
            return sha256_of(path) == path.stem
        except OSError as error:
            raise DiskError.from_os_error(error, f"reading `{path}`") from error

    def _put_aside(self, path: Path, name: str, *, own: bool) -> DigestError:
        if not own:
            return DigestError(
                f"the file of `{name}` in a cache below is damaged: `{path}`",
                "Tell the owner of that cache; until then it is passed over.",
            )
        aside = path.with_suffix(".bad")
        try:
            path.replace(aside)
        except OSError as error:
            raise DiskError.from_os_error(error, f"putting aside the damaged `{path}`") from error
        return DigestError(
            f"the cached file of `{name}` has changed since it was verified; it was put aside as `{aside}`",
            advise("fetch", name=name),
        )

    # --- writing ---

    def install(self, name: EntryName, file: CheckpointFile, partial: Partial) -> Installed:
        """Make a completely fetched and verified file the one of checkpoint `name`.

        Raises:
            OSError, DiskError: the cache cannot be written.
        """
        sha256 = partial.sha256
        target = self._own.blob(sha256, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.install(target)
        sync_folder(target.parent)
        target.with_suffix(".bad").unlink(missing_ok=True)
        self._write_stamp(name, _Stamp.of(target))
        return Installed(target, sha256, file)

    @contextlib.contextmanager
    def locked(self, name: EntryName, file: CheckpointFile, reporter: Reporter) -> Iterator[bool]:
        """Wait until no other process fetches this file of `name`, for a while; see `advisory_lock`.

        Raises:
            DiskError: the cache folder cannot be trusted.
            OSError: it cannot be made.
        """
        self.prepare()
        path = self.partials / f"{file.digest.value}.lock"
        waiting = WaitingForProcess("fetching", name)
        with advisory_lock(path, self._lock_timeout, lambda: reporter.report(waiting)) as held:
            yield held

    def remove(self, checkpoint: Checkpoint) -> int:
        """Forget a checkpoint and delete its file unless another checkpoint is known to share it.

        Returns:
            Bytes that were freed.

        Raises:
            DiskError: it cannot be deleted.
        """
        known = self._own.stamp(checkpoint.name)
        paths = [path for file in checkpoint.files for path in self._own.candidates(file, known)]
        _delete([self._own.index / f"{checkpoint.name}.json"])
        shared = {stamp.sha256 for stamp in self._own.stamps()}
        return _delete([path for path in paths if path.stem not in shared])

    def clear(self) -> int:
        """Delete all files of the user's cache: those of other manifests, put aside or partial included.

        Returns:
            Bytes that were freed.

        Raises:
            DiskError: one cannot be deleted.
        """
        folders = (self._own.index, self._own.checkpoints, self.partials)
        return _delete(path for folder in folders for path in folder.glob("*"))

    def prepare(self) -> None:
        """Make the folders, private to the user, and refuse a place that someone else controls.

        Raises:
            DiskError: someone else controls it.
            OSError: it cannot be made.
        """
        if os.name == "posix" and self.root.is_symlink():
            owner = self.root.lstat().st_uid
            if owner not in (0, os.geteuid()):
                raise DiskError(
                    f"the cache folder `{self.root}` is a link that another user made",
                    "Set SENET_CACHE to a folder of your own.",
                )
        self.root.parent.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(mode=0o700, exist_ok=True)
        self.partials.mkdir(mode=0o700, exist_ok=True)

    def _write_stamp(self, name: EntryName, stamp: _Stamp) -> None:
        path = self._own.index / f"{name}.json"
        try:
            write_atomically(path, json.dumps(asdict(stamp)).encode())
        except OSError as error:
            raise DiskError.from_os_error(error, f"writing `{path}`", _UNWRITABLE) from error


def _beside_manifest(file: CheckpointFile) -> Installed | None:
    """Find a file that came with its manifest; None if it did not, as it may if it has an address too.

    Such files are small or the user's own, and others may write them: they are hashed at every start.
    """
    if file.path is None:
        return None
    try:
        sha256 = sha256_of(file.path)
    except FileNotFoundError as error:
        if file.urls:
            return None
        raise CheckpointError(f"`{file.path}` is missing", "Its manifest says that it lies there.") from error
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{file.path}`") from error
    if not is_published(file, file.path, sha256):
        raise DigestError(
            f"`{file.path}` is not the file that its manifest describes",
            f"Its SHA-256 is {sha256}, expected {file.digest}.",
            sha256=sha256,
        )
    return Installed(file.path, sha256, file)


def _is_there(path: Path) -> bool:
    """Return False also if looking is forbidden or fails."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def _delete(paths: Iterable[Path]) -> int:
    freed = 0
    for path in paths:
        try:
            size = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise DiskError.from_os_error(error, f"removing `{path}`") from error
        freed += size
    return freed
