"""Models that the user imported: folders like those of training runs, in the user's data, not in the cache.

<root>/<name>/<sha256>.safetensors   the weights
<root>/<name>/model.json             a manifest with one checkpoint; written last, it makes them a model
<root>/.<name>.lock                  while a process changes that model
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from senet_cli.catalogue.entries import Checkpoint, CheckpointFile, Digest
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.lookup import RUN_FILE, imported_files
from senet_cli.catalogue.write import manifest_of
from senet_cli.errors import DiskError
from senet_cli.settings import Settings
from senet_cli.store.files import write_atomically
from senet_cli.store.locks import advisory_lock

_HINT = "Set SENET_MODELS to a folder that can be written."
_OURS = re.compile(r"[0-9a-f]{64}\.safetensors|\.new-.*")


class ImportedModels:
    """The folder of imported models. Nothing is created before it is needed.

    Args:
        root: the folder.
        timeout: seconds to wait for another process that changes the same model.
    """

    def __init__(self, root: Path, timeout: float = 600.0) -> None:
        self.root = root
        self._timeout = timeout

    @classmethod
    def from_settings(cls, settings: Settings) -> ImportedModels:
        """The folder of this user, as set.

        Raises:
            DiskError: there is no home folder for it.
        """
        if settings.models is None:
            raise DiskError("there is no home folder for imported models", _HINT)
        return cls(settings.models, settings.lock_timeout)

    def names(self) -> list[str]:
        """All models that were imported, damaged ones included."""
        return [path.parent.name for path in imported_files(self.root)]

    def holds(self, name: str) -> bool:
        """True if a model of this name was imported, a damaged one included."""
        return os.path.exists(self.root / name / RUN_FILE)  # noqa: PTH110 - False where one may not look

    @contextlib.contextmanager
    def locked(self, name: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Wait until no other process changes this model, for a while; see `advisory_lock`.

        Raises:
            DiskError: the folder cannot be made.
        """
        with self._disk_errors():
            self.root.mkdir(parents=True, exist_ok=True)
        with advisory_lock(self.root / f".{name}.lock", self._timeout, waiting):
            yield

    def put(self, checkpoint: Checkpoint, labels: LabelSet | None, weights: bytes) -> Path:
        """Keep a model; one of the same name is replaced in one step.

        Args:
            checkpoint: all about it but its file.
            labels: names of its classes, where they do not come with the package.
            weights: a safetensors file in our own key layout.

        Returns:
            Its folder.

        Raises:
            DiskError: it cannot be written; what was there before still is.
        """
        folder = self.root / checkpoint.name
        sha256 = hashlib.sha256(weights).hexdigest()
        path = folder / f"{sha256}.safetensors"
        file = CheckpointFile(
            urls=(),
            digest=Digest(sha256),
            size=len(weights),
            format="safetensors",
            layout="senet",
            path=path.absolute(),
        )
        about = manifest_of(replace(checkpoint, files=(file,)), labels)
        with self._disk_errors():
            already = path.exists()
            try:
                write_atomically(path, weights, shared=True)
                write_atomically(folder / RUN_FILE, _as_json(about), shared=True)
            except BaseException:  # also Ctrl-C: nothing is left behind, nothing else is touched
                if not already:
                    path.unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    folder.rmdir()  # only if it is empty
                raise
            _tidy(folder)
        return folder

    def remove(self, name: str) -> int:
        """Delete a model, damaged or half there; returns the bytes that were freed.

        Raises:
            DiskError: it cannot be deleted.
        """
        folder = self.root / name
        with self._disk_errors():
            (folder / RUN_FILE).unlink(missing_ok=True)  # first: from now on there is no such model
            return _tidy(folder)

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DiskError.from_os_error(error, f"writing to `{self.root}`", _HINT) from error


def _as_json(about: dict[str, Any]) -> bytes:
    """UTF-8; half a character, which a label may hold, stays the escape that JSON has for it."""
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")


def _tidy(folder: Path) -> int:
    """Delete files of ours that the manifest does not name: replaced ones, and what a killed process left."""
    try:
        about = (folder / RUN_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        about = ""
    freed = 0
    for path in folder.glob("*"):
        if _OURS.fullmatch(path.name) and path.name not in about:
            freed += path.lstat().st_size
            path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()  # only if it is empty
    return freed
