"""Check downloaded models against the published digests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from senet_cli.catalogue.resolve import Catalogue
from senet_cli.errors import CheckpointError, DigestError, SenetError
from senet_cli.settings import Settings
from senet_cli.store.cache import Cache

State = Literal["ok", "missing", "damaged"]


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of checking a model.

    Args:
        name: of the model.
        state: "ok", "missing" or "damaged".
        sha256: of its file, where that is ok.
        error: what is wrong, where that needs words.
    """

    name: str
    state: State
    sha256: str = ""
    error: SenetError | None = None


def verify(
    names: Sequence[str], catalogue: Catalogue, settings: Settings, *, deep: bool
) -> Iterator[Verified]:
    """Check models; a damaged file is put aside, so that the next download fetches it again.

    Args:
        names: of the models; empty: all that are on this machine.
        catalogue: every known model.
        settings: where the caches lie.
        deep: True to hash every file, also those that did not change since they were last hashed.

    Raises:
        UnknownModelError: a name that stands for no model.
    """
    chosen = [catalogue.resolve(name) for name in names] if names else catalogue.all()
    cache = Cache.from_settings(settings)
    for model in chosen:
        try:
            found = cache.verify(model.checkpoint) if deep else cache.find(model.checkpoint)
        except DigestError as error:
            yield Verified(model.name, "damaged", error=error)
        except CheckpointError as error:  # it came with its manifest, and is gone
            yield Verified(model.name, "missing", error=error)
        else:
            if found:
                yield Verified(model.name, "ok", found.sha256)
            elif names:
                yield Verified(model.name, "missing")
