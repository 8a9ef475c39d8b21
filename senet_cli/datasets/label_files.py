"""Labels that the user brings along: a file with names, or the name of a label set."""

from __future__ import annotations

import json
from pathlib import Path

from senet_cli.catalogue.labels import LabelSet, labels_for_classes
from senet_cli.catalogue.lookup import Manifest
from senet_cli.catalogue.parse import is_name
from senet_cli.errors import DiskError, ModelError, UsageError

_MAX_LABEL_BYTES = 64 * 2**20


def read_labels(given: str, manifest: Manifest) -> LabelSet:
    """A label set by its name, or from a file: one name a line, or a JSON list of names.

    WordNet ids of ImageNet become its names; the classes of a known label set become that set.

    Raises:
        UsageError: neither, or a file that holds something else.
        DiskError: the file cannot be read.
    """
    if is_name(given):
        try:
            return manifest.labels(given)
        except ModelError:
            pass
    path = Path(given)
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_LABEL_BYTES)
        text = data.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(
            f"`{given[:200]}` is neither a file nor a label set that is known",
            "Give a file with one name a line, or say imagenet-1k or cifar-10.",
        ) from error
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading the labels `{path}`") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the labels `{path}` are not UTF-8 text: {error}") from error
    names = _json_names(text, path) if text.lstrip().startswith(("[", "{")) else _lines(text)
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise UsageError(f"`{path}`: name {number} of {len(names)} is empty")
    if not names:
        raise UsageError(f"`{path}` holds no names")
    return labels_for_classes([name.strip() for name in names])


def _lines(text: str) -> list[str]:
    return text.strip().splitlines()


def _json_names(text: str, path: Path) -> list[str]:
    try:
        names = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the labels `{path}` are not valid JSON: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError(
            f"the labels `{path}` are no JSON list of names",
            'Write ["cat", "dog", ...] in the order of the model\'s outputs.',
        )
    return names
