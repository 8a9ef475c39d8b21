"""Remove downloaded models and what was converted from them."""

from __future__ import annotations

from collections.abc import Sequence

from senet_cli.catalogue.resolve import Catalogue
from senet_cli.events import ModelKept, Reporter
from senet_cli.settings import Settings
from senet_cli.store.cache import Cache
from senet_cli.store.converted import ConvertedStore


def clear_cache(settings: Settings) -> int:
    """Remove every download and conversion; returns the bytes that were freed.

    Raises:
        DiskError: something cannot be deleted.
    """
    return Cache.from_settings(settings).clear() + ConvertedStore(settings).clear()


def remove_downloads(names: Sequence[str], settings: Settings, reporter: Reporter) -> int:
    """Remove the downloads and conversions of some models; returns the bytes that were freed.

    Models that are the user's own or come with the package stay.

    Raises:
        UnknownModelError: a name that stands for no model.
        DiskError: something cannot be deleted.
    """
    catalogue, cache, conversions = (
        Catalogue.load(settings),
        Cache.from_settings(settings),
        ConvertedStore(settings),
    )
    models = [catalogue.resolve(name) for name in names]
    digests = [digest for model in models for digest in cache.digests(model.checkpoint)]
    freed = sum(map(conversions.remove, dict.fromkeys(digests)))
    freed += sum(cache.remove(model.checkpoint) for model in models)
    for model in models:
        if any(file.path for file in model.checkpoint.files):
            imported = settings.models is not None and model.folder == settings.models / model.name
            reporter.report(ModelKept(model.name, imported))
    return freed
