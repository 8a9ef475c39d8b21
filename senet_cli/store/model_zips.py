"""One model in one file: what its folder holds, in a zip archive.

model.json          a manifest with one checkpoint
model.safetensors   the weights
held-back.json      which images the model was and was not trained on, where that is known
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from senet_cli.catalogue.entries import Checkpoint
from senet_cli.catalogue.labels import LabelSet
from senet_cli.catalogue.lookup import MODEL_FILE
from senet_cli.errors import CheckpointError, DiskError
from senet_cli.store.archives import MAX_BYTES, UNREADABLE
from senet_cli.store.model_folders import HELD_BACK_FILE, WEIGHTS_FILE, ModelFolder

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest date of a zip archive: the same model gives the same bytes."""
_MOST_BYTES = {".json": 2**28, ".safetensors": MAX_BYTES}


def packed(
    checkpoint: Checkpoint, labels: LabelSet | None, weights: bytes, beside: Mapping[str, bytes]
) -> bytes:
    """Pack a model.

    Args:
        checkpoint: all about it but its file.
        labels: names of its classes, where they do not come with the package.
        weights: a safetensors file in our own key layout.
        beside: contents of other files of the model, by name.

    Returns:
        A zip archive; weights do not shrink, so they are stored as they are.

    Raises:
        DiskError: there is no room for it in the folder of temporary files.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="senet-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            ModelFolder(folder).write(checkpoint, labels, weights, beside=beside)
            data = io.BytesIO()
            with zipfile.ZipFile(data, "w") as archive:
                for file in (MODEL_FILE, WEIGHTS_FILE, *beside):
                    about = zipfile.ZipInfo(file, _EPOCH)
                    about.external_attr = 0o644 << 16
                    archive.writestr(about, (folder / file).read_bytes())
    except OSError as error:
        raise DiskError.from_os_error(error, "packing the model") from error
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

    Only the files that belong to a model are unpacked, under our own names; none of them may be larger than
    a model's file can be.

    Raises:
        CheckpointError: the archive holds no model, or is damaged.
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
    for member in archive.infolist():
        place = PurePosixPath(member.filename)
        name, most = place.name, _MOST_BYTES.get(place.suffix)
        ours = name in {MODEL_FILE, HELD_BACK_FILE} or place.suffix == ".safetensors"
        if place.parent != inside or not ours or most is None or "\\" in name:
            continue
        if member.file_size > most:
            raise CheckpointError(
                f"`{name}` in `{path}` is too large for a model: {member.file_size:,} bytes"
            )
        with archive.open(member) as source, (folder / name).open("xb") as target:
            shutil.copyfileobj(source, target)


def _manifest(archive: zipfile.ZipFile) -> zipfile.ZipInfo | None:
    """Find the one `model.json`, also where somebody packed a whole folder."""
    found = [each for each in archive.infolist() if PurePosixPath(each.filename).name == MODEL_FILE]
    return found[0] if len(found) == 1 else None
