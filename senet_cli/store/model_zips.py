"""One model in one file: what its folder holds, in a zip archive.

model.json          a manifest with one checkpoint
model.safetensors   the weights; of a run that is not finished: epoch-N-of-M.safetensors
held-back.json      which images the model was and was not trained on, where that is known
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from senet_cli.catalogue.entries import Checkpoint
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.lookup import MODEL_FILE
from senet_cli.errors import CheckpointError, DiskError
from senet_cli.store.archives import MAX_BYTES, UNREADABLE, check_growth
from senet_cli.store.model_folders import HELD_BACK_FILE, WEIGHTS_FILE, model_json, unfinished_file, with_file

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date of a zip archive: the same model gives the same bytes."""
_MOST_MANIFEST = 2**23
"""Labels of 20,000 classes take about 1 MiB."""
_MOST_RECORD = 2**26
"""39 bytes an image: of ImageNet about 48 MiB."""


def packed(
    checkpoint: Checkpoint,
    labels: LabelSet | None,
    weights: bytes,
    beside: Mapping[str, bytes],
    done: tuple[int, int] | None = None,
) -> bytes:
    """Pack a model.

    Args:
        checkpoint: all about it but its file.
        labels: names of its classes, where they do not come with the package.
        weights: a safetensors file in our own key layout.
        beside: contents of other files of the model, by name.
        done: how many epochs of how many its run has done; None: it is finished.

    Returns:
        A zip archive; weights do not shrink, so they are stored as they are.
    """
    name = unfinished_file(*done) if done else WEIGHTS_FILE
    manifest = model_json(with_file(checkpoint, weights, Path(name)), labels)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for file, content in {MODEL_FILE: manifest, name: weights, **beside}.items():
            about = zipfile.ZipInfo(file, _EPOCH)
            about.external_attr = 0o644 << 16
            archive.writestr(about, content)
    return data.getvalue()


def holds_model(path: Path) -> bool:
    """Return True for a zip archive with a model's folder in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _manifest(archive) is not None
    except UNREADABLE:
        return False


@contextlib.contextmanager
def unpacked_model(path: Path) -> Iterator[Path]:
    """Provide the folder of a model from an archive, for as long as it is needed (`TMPDIR` says where).

    Three files are unpacked: the manifest, the one file of weights that it names, and the record of images;
    each of them has a bound of its own.

    Raises:
        CheckpointError: the archive holds no model, is damaged, or would grow as no model does.
        DiskError: there is no room to unpack it.
    """
    with tempfile.TemporaryDirectory(prefix="senet-", ignore_cleanup_errors=True) as name:
        try:
            with zipfile.ZipFile(path) as archive:
                _unpack(archive, path, Path(name))
        except UNREADABLE as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise DiskError.from_os_error(error, f"unpacking `{path}`") from error
            raise CheckpointError(f"`{path}` cannot be unpacked: {error}", "Have it sent again.") from error
        yield Path(name)


def _unpack(archive: zipfile.ZipFile, path: Path, folder: Path) -> None:
    manifest = _manifest(archive)
    if manifest is None:
        raise CheckpointError(f"`{path}` holds no model")
    inside = PurePosixPath(manifest.filename).parent
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        place = PurePosixPath(member.filename)
        if place.parent == inside and members.setdefault(place.name, member) is not member:
            raise CheckpointError(f"`{path}` holds two files `{place.name[:80]}`")
    _take(archive, manifest, _MOST_MANIFEST, path, folder / MODEL_FILE)
    weights = _weights_name((folder / MODEL_FILE).read_bytes())
    if weights is None or weights not in members:
        raise CheckpointError(f"`{path}` holds no model: its `{MODEL_FILE}` names no weights beside it")
    _take(archive, members[weights], MAX_BYTES, path, folder / weights)
    if record := members.get(HELD_BACK_FILE):
        _take(archive, record, _MOST_RECORD, path, folder / HELD_BACK_FILE)
        if not isinstance(_parsed((folder / HELD_BACK_FILE).read_bytes()), dict):
            raise CheckpointError(f"`{HELD_BACK_FILE}` in `{path}` is damaged")


def _take(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int, path: Path, target: Path) -> None:
    check_growth(member, most, f"{target.name} in {path}")
    with archive.open(member) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file)


def _weights_name(manifest: bytes) -> str | None:
    """Read the name of the one file of weights; None where it is no plain name of one."""
    try:
        (entry,) = _parsed(manifest)["checkpoints"].values()
        (file,) = entry["files"]
        name = file["path"]
        plain = name == PurePosixPath(name).name and not set("\\:") & set(name) and name.isprintable()
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return name if plain and name.endswith(".safetensors") else None


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _manifest(archive: zipfile.ZipFile) -> zipfile.ZipInfo | None:
    """Find the `model.json` of one place, also where somebody packed a whole folder."""
    found = [each for each in archive.infolist() if PurePosixPath(each.filename).name == MODEL_FILE]
    return found[0] if len({each.filename for each in found}) == 1 else None
