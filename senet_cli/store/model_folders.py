"""Folders that hold one model: training runs, imported models, the model that comes with the package.

<folder>/model.json          a manifest with one checkpoint; written last, it makes the folder a model
<folder>/model.safetensors   the weights (imported: <sha256>.safetensors, so that they can be replaced;
                             of a run that is not finished: epoch-N-of-M.safetensors, imported
                             epoch-N-of-M.<first half of sha256>.safetensors)
<folder>/held-back.json      which images the model was and was not trained on, where that is known

Imported models lie in the user's data folder, not in the cache, which may be emptied:

<root>/<name>/               the folder of a model
<root>/.<name>.lock          held while a process changes that model
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from senet_cli.catalogue.entries import Checkpoint, CheckpointFile, Digest
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.lookup import MODEL_FILE, imported_files
from senet_cli.catalogue.write import manifest_of
from senet_cli.errors import DiskError
from senet_cli.settings import Settings
from senet_cli.store.files import write_atomically
from senet_cli.store.locks import advisory_lock

WEIGHTS_FILE = "model.safetensors"
STATE_FILE = "state.pt"
"""Of a run: what it goes on from."""
HELD_BACK_FILE = "held-back.json"
_HINT = "Set SENET_MODELS to a folder that can be written."
_UNFINISHED = re.compile(r"epoch-(\d{1,9})-of-(\d{1,9})(?:\.[0-9a-f]{32})?\.safetensors")
_OURS = re.compile(rf"[0-9a-f]{{64}}\.safetensors|{_UNFINISHED.pattern}|\.new-.*|{re.escape(HELD_BACK_FILE)}")


def unfinished_file(done: int, epochs: int, sha256: str = "") -> str:
    """Name the weights of a run that has done so many of its epochs, with a digest if they are imported."""
    return f"epoch-{done}-of-{epochs}{sha256 and '.'}{sha256[:32]}.safetensors"


def epochs_of(name: str) -> tuple[int, int] | None:
    """Read from the name of a file of weights how many epochs of how many are done; None: it is finished."""
    found = _UNFINISHED.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None


def progress_of(checkpoint: Checkpoint) -> tuple[int, int] | None:
    """Read how many epochs of how many are done of a model's run; None: it is finished, or was no run."""
    paths = [file.path for file in checkpoint.files if file.path is not None]
    return epochs_of(paths[0].name) if paths else None


def beside(folder: Path) -> dict[str, bytes]:
    """Read what belongs to a model beside its weights, by the names of the files.

    Raises:
        DiskError: it cannot be read.
    """
    try:
        return {HELD_BACK_FILE: (folder / HELD_BACK_FILE).read_bytes()}
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{folder / HELD_BACK_FILE}`") from error


def with_file(checkpoint: Checkpoint, weights: bytes, path: Path) -> Checkpoint:
    """Give a checkpoint its one file: a safetensors file in our own key layout, of these bytes, at `path`."""
    file = CheckpointFile(
        urls=(),
        digest=Digest(hashlib.sha256(weights).hexdigest()),
        size=len(weights),
        format="safetensors",
        layout="senet",
        path=path,
    )
    return replace(checkpoint, files=(file,))


def model_json(checkpoint: Checkpoint, labels: LabelSet | None) -> bytes:
    """Write what makes a folder a model: a manifest with one checkpoint, whose file lies beside it."""
    return as_json(manifest_of(checkpoint, labels))


class ModelFolder:
    """The folder of one model.

    Args:
        path: the folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(
        self,
        checkpoint: Checkpoint,
        labels: LabelSet | None,
        weights: bytes,
        *,
        weights_name: str = WEIGHTS_FILE,
        beside: Mapping[str, bytes] | None = None,
    ) -> Checkpoint:
        """Write a model: its weights, what belongs beside them, and last the manifest that describes it.

        Args:
            checkpoint: all about the model but its file.
            labels: names of its classes, where they do not come with the package.
            weights: a safetensors file in our own key layout.
            weights_name: name of that file.
            beside: contents of other files of the model, by name.

        Returns:
            The checkpoint with its file.

        Raises:
            OSError: it cannot be written; what was there before still is.
        """
        path = self.path / weights_name
        finished = with_file(checkpoint, weights, path.absolute())
        names = (weights_name, *(beside or ()))
        new = [name for name in names if not (self.path / name).exists()]
        before = {name: (self.path / name).read_bytes() for name in names if name not in new}
        try:
            write_atomically(path, weights, shared=True)
            for name, data in (beside or {}).items():
                write_atomically(self.path / name, data, shared=True)
            write_atomically(self.path / MODEL_FILE, model_json(finished, labels), shared=True)
        except BaseException:  # also Ctrl-C: nothing is left behind, nothing else is touched
            for name in new:
                (self.path / name).unlink(missing_ok=True)
            for name, data in before.items():
                with contextlib.suppress(OSError):
                    write_atomically(self.path / name, data, shared=True)
            with contextlib.suppress(OSError):
                self.path.rmdir()  # only if it is empty
            raise
        return finished


class ImportedModels:
    """The folders of imported models. Nothing is created before it is needed.

    Args:
        root: holds them.
        timeout: seconds to wait for another process that changes the same model.
    """

    def __init__(self, root: Path, timeout: float = 600.0) -> None:
        self.root = root
        self._timeout = timeout

    @classmethod
    def from_settings(cls, settings: Settings) -> ImportedModels:
        """Make the folder of this user, as set.

        Raises:
            DiskError: there is no home folder for it.
        """
        if settings.models is None:
            raise DiskError("there is no home folder for imported models", _HINT)
        return cls(settings.models, settings.lock_timeout)

    def names(self) -> list[str]:
        """List all models that were imported, damaged ones included."""
        return [path.parent.name for path in imported_files(self.root)]

    def holds(self, name: str) -> bool:
        """Return True if a model of this name was imported, a damaged one included."""
        return os.path.exists(self.root / name / MODEL_FILE)  # noqa: PTH110 - False where one may not look

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

    def put(
        self,
        checkpoint: Checkpoint,
        labels: LabelSet | None,
        weights: bytes,
        beside: Mapping[str, bytes],
        done: tuple[int, int] | None = None,
    ) -> Path:
        """Keep a model; one of the same name is replaced in one step. See `ModelFolder.write`.

        Args:
            checkpoint, labels, weights, beside: as there.
            done: how many epochs of how many its run has done; None: it is finished.

        Returns:
            Its folder.

        Raises:
            DiskError: it cannot be written; what was there before still is.
        """
        folder = ModelFolder(self.root / checkpoint.name)
        sha256 = hashlib.sha256(weights).hexdigest()
        name = unfinished_file(*done, sha256) if done else f"{sha256}.safetensors"
        with self._disk_errors():
            folder.write(checkpoint, labels, weights, weights_name=name, beside=beside)
            _tidy(folder.path, kept=beside)
        return folder.path

    def remove(self, name: str) -> int:
        """Delete a model, damaged or half there; returns the bytes that were freed.

        Raises:
            DiskError: it cannot be deleted.
        """
        folder = self.root / name
        with self._disk_errors():
            (folder / MODEL_FILE).unlink(missing_ok=True)  # first: from now on there is no such model
            return _tidy(folder)

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DiskError.from_os_error(error, f"writing to `{self.root}`", _HINT) from error


def as_json(about: dict[str, Any]) -> bytes:
    """Write JSON in UTF-8; half a character, which a label may hold, stays JSON's escape for it."""
    text = json.dumps(about, indent=2, ensure_ascii=False) + "\n"
    return text.encode(errors="backslashreplace")


def _tidy(folder: Path, kept: Mapping[str, bytes] | None = None) -> int:
    """Delete files of ours that the manifest does not name: replaced ones, and what a killed process left."""
    try:
        about = (folder / MODEL_FILE).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        about = ""
    freed = 0
    for path in folder.glob("*"):
        if _OURS.fullmatch(path.name) and path.name not in about and path.name not in (kept or ()):
            freed += path.lstat().st_size
            path.unlink()
    with contextlib.suppress(OSError):
        folder.rmdir()  # only if it is empty
    return freed
