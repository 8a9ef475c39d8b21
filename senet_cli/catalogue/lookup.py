"""Finding entries: by name, by alias, by family; and something close where there is none."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from senet_cli.catalogue.entries import Architecture, Checkpoint
from senet_cli.catalogue.fields import Fields, read_json
from senet_cli.catalogue.labels import NO_NAME, LabelSet, is_packaged, load_labels, numbered_labels
from senet_cli.catalogue.lazy_mapping import LazyMapping, overlaid
from senet_cli.catalogue.parse import parse_architecture, parse_checkpoint, parse_label_set, parse_name
from senet_cli.errors import ManifestError, SenetError, UnknownModelError, advise
from senet_cli.settings import BUNDLED_MODEL

SCHEMA = 1
_FILE_NAME = "weights_manifest.json"
MODEL_FILE = "model.json"
"""The manifest in the folder of a training run or of an imported model, with one checkpoint."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All known architectures and checkpoints.

    Args:
        architectures: by key.
        checkpoints: by name.
        defaults: family name -> the checkpoint it stands for.
        aliases: other names of checkpoints -> their names.
        label_sets: names of classes that come with this manifest, by name.
        damaged: imported models that cannot be read, by name, and why; only who asks for one is stopped.
        folders: the own folders of models that have one (imported ones, the bundled one), by name.
    """

    architectures: Mapping[str, Architecture]
    checkpoints: Mapping[str, Checkpoint]
    defaults: dict[str, str]
    aliases: dict[str, str] = field(default_factory=dict)
    label_sets: dict[str, LabelSet] = field(default_factory=dict)
    damaged: dict[str, SenetError] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)

    def checkpoint(self, name: str) -> Checkpoint:
        """Find the checkpoint with this name, alias or family name; case does not matter.

        Raises:
            UnknownModelError: there is none; the hint names the closest.
            ManifestError, DiskError: it was imported, and what describes it is damaged.
        """
        wanted = plain_name(name)
        if wanted in self.damaged:  # never a published model of the same name in its place
            raise self.damaged[wanted]
        target = self._targets().get(wanted)
        if target is None:
            raise UnknownModelError(f"there is no model `{name}`", self._guess(wanted), advise("list-models"))
        return self.checkpoints[target]

    def labels(self, name: str) -> LabelSet:
        """Find the label set of this name, this manifest's own or one of the package's.

        Raises:
            ModelError: there is no such label set.
        """
        return self.label_sets.get(name) or load_labels(name)

    def labels_of(self, entry: Checkpoint | Architecture) -> LabelSet:
        """Find a checkpoint's label set, or an architecture's usual one; indices if it has no names.

        Raises:
            ModelError: as `labels`.
        """
        if entry.labels != NO_NAME or NO_NAME in self.label_sets:
            return self.labels(entry.labels)
        architecture = entry.architecture if isinstance(entry, Checkpoint) else entry
        return numbered_labels(architecture.spec.classes)

    def architecture(self, key: str) -> Architecture:
        """Find the architecture with this key.

        Raises:
            UnknownModelError: there is none; the hint names the closest.
        """
        if key in self.architectures:
            return self.architectures[key]
        close = difflib.get_close_matches(key.lower(), self.architectures, n=3, cutoff=0.5)
        guess = f"Did you mean {_either(close)}?" if close else ""
        raise UnknownModelError(f"there is no architecture `{key}`", guess, advise("list-architectures"))

    def knows(self, name: str) -> bool:
        """Return True if this name stands for a model, one that is damaged included."""
        return plain_name(name) in self._targets() or plain_name(name) in self.damaged

    def names(self) -> list[str]:
        """List the names to choose from: the families, then every checkpoint."""
        return [*self.defaults, *self.checkpoints]

    def published_as(self, sha256: str) -> list[Checkpoint]:
        """Find the published checkpoints that a file with this SHA-256 belongs to."""
        return [
            checkpoint
            for checkpoint in self.checkpoints.values()
            if any(file.urls and file.digest.identifies(sha256) for file in checkpoint.files)
        ]

    def family_of(self, name: str) -> str | None:
        """Find the family name that stands for this checkpoint, if one does."""
        return next((family for family, target in self.defaults.items() if target == name), None)

    def merged(self, other: Manifest) -> Manifest:
        """Add the entries of `other`; every name that `other` uses then means its entry."""
        claimed = {*other._targets()}

        def kept(name: str) -> Checkpoint:
            checkpoint = self.checkpoints[name]
            return replace(checkpoint, aliases=tuple(a for a in checkpoint.aliases if a not in claimed))

        names = [name for name in self.checkpoints if name not in claimed]
        known = overlaid(LazyMapping(names, kept), other.checkpoints)
        aliases = {a: name for a, name in self.aliases.items() if not {a, name} & claimed}
        families = {
            family: target
            for family, target in self.defaults.items()
            if family not in claimed and target in known
        }
        return Manifest(
            overlaid(self.architectures, other.architectures),
            known,
            families | other.defaults,
            aliases | other.aliases,
            self.label_sets | other.label_sets,
            self.damaged | other.damaged,
            {name: folder for name, folder in self.folders.items() if name not in claimed} | other.folders,
        )

    def _targets(self) -> dict[str, str]:
        return self.aliases | {name: name for name in self.checkpoints} | self.defaults

    def _guess(self, wanted: str) -> str:
        close = difflib.get_close_matches(wanted, self._targets(), n=3, cutoff=0.6)
        return f"Did you mean {_either(close)}?" if close else ""


def plain_name(name: str) -> str:
    """Normalise a name for comparison: neither case nor blanks around it matter."""
    return name.strip().lower()


def name_elsewhere(name: str) -> str:
    """Find a name for a model where only published and bundled ones are known: its own if it is free."""
    return name if not _bundled().knows(name) and not is_packaged(name) else f"{name[:59]}-copy"


def _either(names: list[str]) -> str:
    return " or ".join(f"`{name}`" for name in names)


BUNDLED_MODELS = Path(__file__).resolve().parent.parent / "data" / "models"
"""The folders of models that come with the package."""


def bundled_manifest() -> Path:
    """Find the manifest of this installation: inside the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / _FILE_NAME
    return inside if inside.exists() else package.parent / _FILE_NAME


def load_manifest(extra: Path | None = None, models: Path | None = None) -> Manifest:
    """Load the bundled manifest; imported models and the entries of `extra` are added or take precedence.

    Args:
        extra: a manifest of the user's.
        models: the folder of imported models.

    Raises:
        ManifestError: a rule is broken; the message names file, entry and field.
        DiskError: a file cannot be read.
    """
    manifest = _bundled()
    if models is not None and (paths := imported_files(models)):
        manifest = manifest.merged(_imported(paths, manifest))
    if extra is not None:
        manifest = manifest.merged(parse_manifest(read_json(extra), manifest, extra.absolute().parent))
    return manifest


@functools.cache
def _bundled() -> Manifest:
    """Read the bundled manifest. The tests have read the whole of it, so one entry may do here."""
    manifest = _read_manifest(read_json(bundled_manifest()), None, BUNDLED_MODELS.joinpath)
    return replace(manifest, folders={BUNDLED_MODEL: BUNDLED_MODELS / BUNDLED_MODEL})


def imported_files(models: Path) -> list[Path]:
    """List the manifests of the imported models; a folder that cannot be listed holds none."""
    try:
        return sorted(models.glob(f"*/{MODEL_FILE}"))
    except OSError:
        return []


def _imported(paths: list[Path], base: Manifest) -> Manifest:
    """Read the models that these files describe; a damaged one does not keep the others from use.

    Their architectures stay theirs: `--arch` means the same whatever was imported.
    """
    checkpoints: dict[str, Checkpoint] = {}
    aliases: dict[str, str] = {}
    label_sets: dict[str, LabelSet] = {}
    damaged: dict[str, SenetError] = {}
    folders: dict[str, Path] = {}
    for path in paths:
        name = path.parent.name
        try:
            if not path.is_file():  # reading a planted pipe would never end
                raise ManifestError(f"`{path}` is not a file")
            own = parse_manifest(read_json(path), base, path.absolute().parent)
            if list(own.checkpoints) != [name]:
                raise ManifestError(f"`{path}` must hold one checkpoint, `{name}`, the name of its folder")
        except SenetError as error:
            damaged[name] = type(error)(error.message, advise("mend-import", name=name))
        else:
            checkpoints |= own.checkpoints
            aliases |= own.aliases
            label_sets |= own.label_sets
            folders[name] = path.parent
    return Manifest({}, checkpoints, {}, aliases, label_sets, damaged, folders)


def parse_manifest(fields: Fields, base: Manifest | None = None, folder: Path = Path()) -> Manifest:
    """Parse a manifest; its checkpoints and defaults may refer to `base`, its files lie in `folder`.

    Raises:
        ManifestError: a rule is broken.
    """
    read = _read_manifest(fields, base, lambda _: folder)
    manifest = replace(read, architectures=dict(read.architectures), checkpoints=dict(read.checkpoints))
    _check_names(manifest, fields.where)
    return manifest


def _read_manifest(fields: Fields, base: Manifest | None, folder_of: Callable[[str], Path]) -> Manifest:
    """As `parse_manifest`, but what is wrong in an architecture or checkpoint comes out when it is used.

    `folder_of` gives the folder in which the files of a checkpoint lie, by its name.
    """
    schema = fields.take("schema")
    if type(schema) is not int or schema != SCHEMA:
        fields.fail(f"`schema` is not {SCHEMA}, the one that this version of senet reads: update senet")
    fields.take("$schema", None)
    networks, files = fields.unread("architectures"), fields.unread("checkpoints")
    architectures = LazyMapping(networks, lambda key: parse_architecture(key, networks[key]()))
    known = overlaid(base.architectures, architectures) if base else architectures
    checkpoints = LazyMapping(
        files, lambda name: parse_checkpoint(name, files[name](), known, folder_of(name))
    )
    labels = fields.unread("label_sets")
    label_sets = {name: parse_label_set(name, labels[name]()) for name in labels}
    defaults = _defaults(fields, {*checkpoints, *(base.checkpoints if base else ())})
    fields.done()
    aliases = {alias: name for name in files for alias in files[name]().texts("aliases", [])}
    return Manifest(architectures, checkpoints, defaults, aliases, label_sets)


def _defaults(fields: Fields, targets: set[str]) -> dict[str, str]:
    if "defaults" not in fields:
        return {}
    child = fields.child("defaults")
    defaults: dict[str, str] = {}
    for family in child.left():
        target = child.text(family)
        if target not in targets:
            child.fail(f"`{family[:80]}` stands for `{target[:80]}`, which is not a checkpoint")
        defaults[parse_name(family, child)] = target
    return defaults


def _check_names(manifest: Manifest, where: str) -> None:
    """No name may stand for two checkpoints."""
    taken: dict[str, str] = {name: name for name in manifest.checkpoints}
    for family, target in manifest.defaults.items():
        if taken.setdefault(family, target) != target:
            raise ManifestError(f"{where}: `{family}` is both a checkpoint and a default for `{target}`")
        if target in manifest.aliases:
            owner = manifest.aliases[target]
            raise ManifestError(f"{where}: `{family}` stands for `{target}`, an alias of `{owner}` here")
    for checkpoint in manifest.checkpoints.values():
        for alias in checkpoint.aliases:
            owner = taken.setdefault(alias, checkpoint.name)
            if owner != checkpoint.name:
                raise ManifestError(
                    f"{where}: `{alias}` is an alias of `{checkpoint.name}` and stands for `{owner}` too"
                )
