"""The cache: verified files under their digest, and an index that says which checkpoint is which file.

<root>/checkpoints/<sha256>.<suffix>   complete and verified, always
<root>/index/<checkpoint>.json         digest, size and time of change when it was last hashed
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from senet_cli.errors import DigestError, DiskError
from senet_cli.manifest.entries import SUFFIXES, Checkpoint, CheckpointFile, EntryName
from senet_cli.store.files import sha256_of, write_atomically

_SHA256 = re.compile("[0-9a-f]{64}")
_UNWRITABLE = "Set SENET_CACHE to a folder that can be written and has room."


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


@dataclass(frozen=True, slots=True)
class _IndexEntry:
    """What was true when the file was last hashed; once one of these differs it is hashed again."""

    sha256: str
    size: int
    mtime_ns: int


class Cache:
    """The cache below one folder. Nothing is created before something is installed.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index = root / "index"
        self._checkpoints = root / "checkpoints"

    def blob(self, sha256: str, file: CheckpointFile) -> Path:
        """Where a file with this digest lies, or would."""
        return self._checkpoints / f"{sha256}.{SUFFIXES[file.format]}"

    def find(self, checkpoint: Checkpoint) -> Installed | None:
        """The checkpoint's verified file, or None. A file that changed since is hashed again.

        Raises:
            DigestError: the file changed and is no longer what was verified; it was put aside.
            DiskError: the cache cannot be read.
        """
        return self._find(checkpoint, rehash=False)

    def holds(self, checkpoint: Checkpoint) -> bool:
        """True if the checkpoint's file is there; nothing is hashed."""
        known = self._read(checkpoint.name)
        return any(path.exists() for file in checkpoint.files for path in self._candidates(file, known))

    def verify(self, checkpoint: Checkpoint) -> Installed | None:
        """As `find`, but the file is hashed in any case."""
        return self._find(checkpoint, rehash=True)

    def _find(self, checkpoint: Checkpoint, *, rehash: bool) -> Installed | None:
        known = self._read(checkpoint.name)
        for file in checkpoint.files:
            for path in self._candidates(file, known):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                except OSError as error:
                    raise DiskError.from_os_error(error, f"reading `{path}`") from error
                sha256 = path.stem
                seen = _IndexEntry(sha256, status.st_size, status.st_mtime_ns)
                if rehash or seen != known:
                    self._rehash(path, sha256, checkpoint.name)
                    self._remember(checkpoint.name, seen)
                return Installed(path, sha256, file)
        return None

    def record(self, name: EntryName, path: Path, sha256: str) -> None:
        """Note that `path` was just verified and is the file of checkpoint `name`."""
        status = path.stat()
        self._write(name, _IndexEntry(sha256, status.st_size, status.st_mtime_ns))

    def remove(self, checkpoint: Checkpoint) -> int:
        """Forget a checkpoint and delete its file unless another checkpoint is known to share it.

        Returns:
            Bytes that were freed.

        Raises:
            DiskError: it cannot be deleted.
        """
        known = self._read(checkpoint.name)
        paths = [path for file in checkpoint.files for path in self._candidates(file, known)]
        _delete([self._index / f"{checkpoint.name}.json"])
        shared = {entry.sha256 for entry in self._entries()}
        return _delete([path for path in paths if path.stem not in shared])

    def clear(self) -> int:
        """Delete all files of the cache, those of other manifests and those put aside included.

        Returns:
            Bytes that were freed.

        Raises:
            DiskError: one cannot be deleted.
        """
        return _delete([*self._index.glob("*.json"), *self._checkpoints.glob("*.*")])

    def _candidates(self, file: CheckpointFile, known: _IndexEntry | None) -> list[Path]:
        """Where it may lie: under the published digest, or the one that the first download pinned."""
        if file.digest.full:
            return [self.blob(file.digest.value, file)]
        if known and _SHA256.fullmatch(known.sha256) and file.digest.matches(known.sha256):
            return [self.blob(known.sha256, file)]
        pattern = self.blob(f"{file.digest.value}*", file)
        return sorted(path for path in pattern.parent.glob(pattern.name) if _SHA256.fullmatch(path.stem))

    # --- index ---

    def _rehash(self, path: Path, sha256: str, name: str) -> None:
        try:
            if sha256_of(path) == sha256:
                return
            aside = path.with_suffix(".bad")
            path.replace(aside)
        except OSError as error:
            raise DiskError.from_os_error(error, f"checking `{path}`") from error
        raise DigestError(
            f"the cached file of `{name}` has changed since it was verified; it was put aside as `{aside}`",
            f"`senet download {name}` fetches it again.",
        )

    def _remember(self, name: EntryName, entry: _IndexEntry) -> None:
        try:
            self._write(name, entry)
        except DiskError:
            return  # a read-only cache still serves what it holds, it is only hashed at every start

    def _read(self, name: str) -> _IndexEntry | None:
        try:
            data = json.loads((self._index / f"{name}.json").read_bytes())
            return _IndexEntry(str(data["sha256"]), int(data["size"]), int(data["mtime_ns"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None  # not there or damaged: the file itself is looked for and hashed

    def _write(self, name: str, entry: _IndexEntry) -> None:
        path = self._index / f"{name}.json"
        try:
            write_atomically(path, json.dumps(asdict(entry)).encode())
        except OSError as error:
            raise DiskError.from_os_error(error, f"writing `{path}`", _UNWRITABLE) from error

    def _entries(self) -> Iterator[_IndexEntry]:
        for path in self._index.glob("*.json"):
            if entry := self._read(path.stem):
                yield entry


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
