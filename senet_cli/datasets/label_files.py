"""Labels that the user brings along: a file with names, or the name of a label set."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from senet_cli.catalogue.labels import LabelSet, labels_for_classes
from senet_cli.catalogue.lookup import Manifest
from senet_cli.catalogue.parse import is_name
from senet_cli.errors import DiskError, ModelError, UsageError

_MAX_LABEL_BYTES = 64 * 2**20
_WITHIN = ("id2label", "label2id", "class_to_idx", "idx_to_class", "label_names", "classes", "labels")
"""Where other programs' settings hold the names (`config.json` of Hugging Face's hub and of timm)."""
_FORMS = 'Write ["cat", "dog"] in the order of the outputs, {"cat": 0, "dog": 1} or {"0": "cat", "1": "dog"}.'
_INDEX = re.compile(r"[0-9]{1,9}")
_WORDNET_ID = re.compile(r"n[0-9]{8}")


def read_labels(given: str, manifest: Manifest) -> LabelSet:
    """Read a label set by its name, or from a file: one name a line, or JSON.

    In JSON: a list of names; an object of names and their indices (`class_to_idx`, `label2id`) or of indices
    and their names (`id2label`), or one that holds such an object or list, as a `config.json`.
    WordNet ids of ImageNet become its names; the classes of a known label set become that set.

    Raises:
        UsageError: neither, or a file that holds something else; the indices are not 0 to one less than
            there are names, each once.
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


# --- JSON ---------------------------------------------------------------------------------------


def _json_names(text: str, path: Path) -> list[str]:
    try:
        held = json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, path))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"the labels `{path}` are not valid JSON: {error}") from error
    settings = held if isinstance(held, dict) else {}
    within = {key: settings[key] for key in _WITHIN if isinstance(settings.get(key), dict | list)}
    if not within:
        return _names(held, path)
    first, *others = within
    names = _names(within[first], path)
    for other in others:
        if not _agrees(within[other], names, path):
            raise UsageError(
                f"`{first}` and `{other}` in `{path}` name the classes differently",
                "Give the right one alone.",
            )
    return names


def _agrees(held: Any, names: list[str], path: Path) -> bool:
    """Return True if another list or object in the file says the same; it may hold repeated names once."""
    if isinstance(held, dict) and all(type(index) is int for index in held.values()):
        return all(0 <= index < len(names) and names[index] == name for name, index in held.items())
    return _names(held, path) == names


def _object(pairs: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    """Make an object of JSON's pairs.

    Raises:
        UsageError: a key stands in it twice, of which JSON's readers would keep one.
    """
    held: dict[str, Any] = {}
    for key, value in pairs:
        if key in held:
            raise UsageError(f"the labels `{path}` have `{key[:80]}` twice", _FORMS)
        held[key] = value
    return held


def _names(held: Any, path: Path) -> list[str]:
    """Names in the order of their indices, from a list or an object.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(held, list) and all(isinstance(name, str) for name in held):
        return held
    if isinstance(held, dict):
        if all(type(index) is int for index in held.values()):
            return _in_order(((index, name) for name, index in held.items()), path)
        names = {key: _name(value) for key, value in held.items()}
        if all(_INDEX.fullmatch(key) and name is not None for key, name in names.items()):
            return _in_order(((int(key), str(name)) for key, name in names.items()), path)
    raise UsageError(
        f"the labels `{path}` are neither a JSON list of names nor an object of names and indices", _FORMS
    )


def _name(value: Any) -> str | None:
    """Take the name from `"tench"`, or from `["n01440764", "tench"]` as in Keras's list for ImageNet."""
    if isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value):
        identifier, name = value
        known = _WORDNET_ID.fullmatch(identifier) and labels_for_classes([identifier]).ids != (None,)
        return identifier if known else str(name)
    return value if isinstance(value, str) else None


def _in_order(pairs: Iterable[tuple[int, str]], path: Path) -> list[str]:
    """Names by their indices.

    Raises:
        UsageError: an index is missing, or there twice, or not one at all.
    """
    names: dict[int, str] = {}
    for index, name in pairs:
        if index in names:
            raise UsageError(
                f"the labels `{path}` give the index {index} to both `{names[index][:80]}` and `{name[:80]}`",
                "Each class has an index of its own, from 0 on.",
            )
        names[index] = name
    missing = next((index for index in range(len(names)) if index not in names), None)
    if missing is None:
        return [names[index] for index in range(len(names))]
    odd = next(index for index in names if not 0 <= index < len(names))
    raise UsageError(
        f"the labels `{path}` name {len(names)} classes, but none has the index {missing}: "
        f"`{names[odd][:80]}` has {odd}",
        f"The indices must be 0 to {len(names) - 1}, each once.",
    )
