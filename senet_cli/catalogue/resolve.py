"""Which model is meant: what a user typed, parsed once and resolved once to a model that is known."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from senet_cli.catalogue.entries import Architecture, Checkpoint
from senet_cli.catalogue.fields import read_json
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.lookup import MODEL_FILE, Manifest, load_manifest, parse_manifest
from senet_cli.errors import ManifestError, SenetError, UnknownModelError, UsageError, advise
from senet_cli.settings import Settings

_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


@dataclass(frozen=True, slots=True)
class ModelRef:
    """What a user typed for a model: a name, or the folder of a model.

    Args:
        text: as typed.
        folder_only: True where `text` can only be a path, such as `./pets` or `runs/pets/`.
    """

    text: str
    folder_only: bool = False

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Read a name or path; a path is told from a name by a leading `.` or `~`, or an outer separator.

        Raises:
            UsageError: nothing was typed.
        """
        if not text.strip():
            raise UsageError("the name of the model is empty")
        return cls(text, text.startswith((".", "~", *_SEPARATORS)) or text.endswith(_SEPARATORS))

    @classmethod
    def to_folder(cls, folder: Path) -> ModelRef:
        """Refer to the folder of a model, whatever names there are."""
        return cls(os.fspath(folder), folder_only=True)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that the catalogue knows, and the way to everything that belongs to it.

    Args:
        checkpoint: files, structure, preprocessing, accuracy.
        manifest: what the checkpoint was found in; it knows the label sets.
        folder: the model's own folder, for a training run, an imported or the bundled model; None: published.
    """

    checkpoint: Checkpoint
    manifest: Manifest
    folder: Path | None = None

    @property
    def name(self) -> str:
        """The checkpoint's full name."""
        return self.checkpoint.name

    @property
    def labels(self) -> LabelSet:
        """Names of the classes; numbers where they have no names.

        Raises:
            ModelError: there is no such label set.
        """
        return self.manifest.labels_of(self.checkpoint)


class Catalogue:
    """Every model that can be asked for: the bundled manifest, imported models, the user's own manifest.

    Args:
        manifest: all of them, merged.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    @classmethod
    def load(cls, settings: Settings) -> Catalogue:
        """Read what the settings name.

        Raises:
            ManifestError: a rule is broken; the message names file, entry and field.
            DiskError: a file cannot be read.
        """
        return cls(load_manifest(settings.manifest, settings.models))

    @property
    def damaged(self) -> dict[str, SenetError]:
        """Imported models that cannot be read, by name, and why."""
        return self.manifest.damaged

    def resolve(self, ref: ModelRef | str) -> KnownModel:
        """Find the model that is meant. A name comes before a folder of the same name.

        Raises:
            UnknownModelError: there is none; the hint names the closest.
            ManifestError, DiskError: what describes it is damaged or cannot be read.
        """
        if isinstance(ref, str):
            ref = ModelRef.parse(ref)
        if ref.folder_only or not self.manifest.knows(ref.text):
            folder = Path(os.path.expanduser(ref.text))  # noqa: PTH111 - without a home folder `~` is a name
            if os.path.isfile(folder / MODEL_FILE):  # noqa: PTH113 - no error where a name is too long for a path
                return self._in_folder(folder)
            if os.path.isfile(folder):  # noqa: PTH113
                raise UnknownModelError(f"`{ref.text}` is a file, not a model", advise("name-run-or-weights"))
            if ref.folder_only and not os.path.isdir(folder):  # noqa: PTH112
                raise UnknownModelError(f"there is no model `{ref.text}`: that folder does not exist")
            if os.path.isdir(folder):  # noqa: PTH112
                raise UnknownModelError(
                    f"the folder `{ref.text}` holds no `{MODEL_FILE}`",
                    advise("finish-run"),
                )
        checkpoint = self.manifest.checkpoint(ref.text)
        return KnownModel(checkpoint, self.manifest, self.manifest.folders.get(checkpoint.name))

    def all(self) -> list[KnownModel]:
        """List every model, in the manifest's order; a damaged import is left out."""
        folders = self.manifest.folders
        return [
            KnownModel(checkpoint, self.manifest, folders.get(checkpoint.name))
            for checkpoint in self.manifest.checkpoints.values()
        ]

    def architecture(self, key: str) -> Architecture:
        """Find an architecture by its key.

        Raises:
            UnknownModelError: there is none; the hint names the closest.
        """
        return self.manifest.architecture(key)

    def spelling_of(self, folder: Path) -> str:
        """Write the path of a model's folder so that no model's name is taken for it."""
        text = os.fspath(folder)
        ref = ModelRef.parse(text)
        return text if ref.folder_only or not self.manifest.knows(text) else os.path.join(os.curdir, text)  # noqa: PTH118

    def _in_folder(self, folder: Path) -> KnownModel:
        file = folder / MODEL_FILE
        own = parse_manifest(read_json(file), self.manifest, file.absolute().parent)
        if len(own.checkpoints) != 1:
            raise ManifestError(f"`{file}` holds {len(own.checkpoints)} checkpoints instead of one")
        (checkpoint,) = own.checkpoints.values()
        return KnownModel(checkpoint, self.manifest.merged(own), folder)
