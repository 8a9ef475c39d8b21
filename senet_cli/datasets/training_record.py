"""Which images a model was trained on, and which were held back: known by their bytes, not by their names.

The record lies beside `model.json` in the folder of a run or of an imported model, so that it goes where the
model goes. An image is the first 128 bits of the SHA-256 of its file's bytes, or, for CIFAR's published
arrays, of the PPM file that holds the same pixels. The same file is the same image under any name, in a
folder, in a tar or in a list; a photograph that was saved anew is another image.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from senet_cli.datasets.labelled import Labelled
from senet_cli.errors import ImageError
from senet_cli.images.sources import Source
from senet_cli.store.files import chunks_of
from senet_cli.store.model_folders import HELD_BACK_FILE

_SCHEMA = 1
_BYTES = 16
"""Of an identity; among a thousand million images two share one with a probability below 1 in 10**20."""

MANY = 10_000
"""Images whose reading takes so long that it is worth a word."""
_BLOCK = 4096
"""Images that wait for a thread at a time."""


def identities(sources: Iterable[Source], jobs: int) -> list[bytes | None]:
    """Compute the identity of each image, 16 bytes; None if it cannot be read.

    Each file is read once, to its end.

    Args:
        sources: the images.
        jobs: reading threads.
    """
    left, found = iter(sources), list[bytes | None]()
    with ThreadPoolExecutor(jobs, thread_name_prefix="identify") as pool:
        while block := list(itertools.islice(left, _BLOCK)):
            found += pool.map(_identity, block)
    return found


def _identity(source: Source) -> bytes | None:
    try:
        if source.data is not None:
            return hashlib.sha256(source.data).digest()[:_BYTES]
        with source.open() as file:
            digest = hashlib.sha256()
            for chunk in chunks_of(file):
                digest.update(chunk)
            return digest.digest()[:_BYTES]
    except (ImageError, OSError):
        return None


@dataclass(frozen=True, slots=True)
class TrainingRecord:
    """What is known of the images that a model saw.

    Args:
        trained: identities of the images that it, a model that it began with, or a teacher was trained on.
        held_back: identities of images that none of them was trained on.
        unrecorded: names of models that it began with or learned from, whose images are not known.
        problem: why the record says nothing, where it cannot be used.
    """

    trained: frozenset[bytes] = frozenset()
    held_back: frozenset[bytes] = frozenset()
    unrecorded: tuple[str, ...] = ()
    problem: str = ""

    @classmethod
    def read(cls, folder: Path) -> TrainingRecord | None:
        """Read the record in the folder of a model; None if there is no record."""
        path = folder / HELD_BACK_FILE
        if not path.is_file():
            return None
        try:
            return cls._parsed(json.loads(path.read_bytes()))
        except OSError as error:
            return cls(problem=f"`{path}` cannot be read: {error.strerror or error}")
        except (ValueError, KeyError, TypeError, RecursionError):
            return cls(problem=f"`{path}` is damaged")
        except _UnknownForm as error:
            return cls(problem=f"`{path}` {error}")

    @classmethod
    def _parsed(cls, data: object) -> TrainingRecord:
        if not isinstance(data, dict):
            raise TypeError("not a record")
        schema = data.get("schema")
        if schema is None and {"total", "images"} <= data.keys():
            raise _UnknownForm("lists images by name only, as older versions of senet wrote it")
        if schema != _SCHEMA:
            raise _UnknownForm(f"has schema {str(schema)[:20]}, which this version of senet does not read")
        trained, held_back = (frozenset(map(_from_hex, data[key])) for key in ("trained", "held_back"))
        return cls(trained, held_back, tuple(map(str, data["unrecorded"])))

    def as_dict(self) -> dict[str, Any]:
        """Return the record as it is written."""
        return {
            "schema": _SCHEMA,
            "identity": "first 128 bits of the SHA-256 of an image's file",
            "unrecorded": list(self.unrecorded),
            "held_back": sorted(identity.hex() for identity in self.held_back),
            "trained": sorted(identity.hex() for identity in self.trained),
        }

    def with_images(
        self, trained: Iterable[bytes | None], held_back: Iterable[bytes | None]
    ) -> TrainingRecord:
        """Extend the record to a model that saw more images: what was ever trained on is not held back."""
        seen = self.trained.union(identity for identity in trained if identity)
        apart = self.held_back.union(identity for identity in held_back if identity)
        return TrainingRecord(seen, apart - seen, self.unrecorded)

    def unseen(self, labelled: Labelled, jobs: int) -> Labelled:
        """Select the images that are not known to be trained on.

        Args:
            labelled: images from anywhere.
            jobs: reading threads.
        """
        known = identities((source for source, _ in labelled.images), jobs)
        kept = [image for image, one in zip(labelled.images, known, strict=True) if one not in self.trained]
        return Labelled(labelled.classes, kept, labelled.remarks)


def joined(records: Sequence[tuple[str, TrainingRecord | None]]) -> TrainingRecord:
    """Join the records of the models, by name, that a model begins with or learns from."""
    whole = TrainingRecord()
    unrecorded: list[str] = []
    for name, record in records:
        if record is None or record.problem:
            unrecorded.append(name)
        else:
            whole = whole.with_images(record.trained, record.held_back)
            unrecorded += record.unrecorded
    return TrainingRecord(whole.trained, whole.held_back, tuple(dict.fromkeys(unrecorded)))


class _UnknownForm(Exception):  # noqa: N818 - becomes the problem of a record
    """A record in another form."""


def _from_hex(text: str) -> bytes:
    identity = bytes.fromhex(text)
    if len(identity) != _BYTES:
        raise ValueError(f"an identity of {len(identity)} bytes")
    return identity
