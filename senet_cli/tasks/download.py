"""Download checkpoints, or take them from a folder that somebody carried here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from senet_cli.catalogue.entries import Checkpoint
from senet_cli.catalogue.resolve import Catalogue
from senet_cli.errors import CheckpointError, DigestError, SenetError, UsageError
from senet_cli.events import DamagedFilePutAside, DownloadsPlanned, FilesAbsent, Reporter
from senet_cli.settings import Settings
from senet_cli.store.cache import Cache, Installed

Action = Literal["present", "download", "import", "absent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadRequest:
    """Which models to get.

    Args:
        names: of the models; empty for all.
        origin: a file, or a folder that holds files, to take instead of the network.
    """

    names: tuple[str, ...] = ()
    origin: Path | None = None


@dataclass(frozen=True, slots=True)
class PlannedDownload:
    """What would be done for a model.

    Args:
        name: of the model.
        action: "present", "download", "import" (from `origin`) or "absent" (there).
        size: bytes to fetch or copy; None where that is not published.
        place: an address, a path, or "".
    """

    name: str
    action: Action
    size: int | None
    place: str


@dataclass(frozen=True, slots=True)
class Address:
    """A file to fetch on another machine: its address, the name that it must get, a model that needs it."""

    url: str
    file_name: str
    model: str


class Download:
    """Gets the models of a request one after the other.

    Args:
        request: which models.
        settings: where the cache lies and what is allowed.
        reporter: hears of progress.

    Raises:
        UsageError: several models from one file.
        UnknownModelError: a name that stands for no model.
    """

    def __init__(self, request: DownloadRequest, settings: Settings, reporter: Reporter) -> None:
        self._request, self._settings, self._reporter = request, settings, reporter
        self._catalogue = Catalogue.load(settings)
        self._cache = Cache.from_settings(settings)
        self._checkpoints = self._chosen()
        self.errors: list[SenetError] = []

    def addresses(self) -> Iterator[Address]:
        """List what another machine should fetch; a file that models share is named once."""
        named = set()
        for checkpoint in self._checkpoints:
            file = checkpoint.files[0]
            if file.urls and file.digest_name not in named:
                yield Address(file.urls[0], file.digest_name, checkpoint.name)
                named.add(file.digest_name)

    def plan(self) -> Iterator[PlannedDownload]:
        """Say for each model what would be done.

        Raises:
            DiskError: there is nothing at the place that models should come from.
        """
        return map(self._planned, self._checkpoints)

    def run(self) -> Iterator[tuple[str, Path]]:
        """Get each model; gives its name and the path of its file. One that fails does not stop the others.

        What failed is in `errors` afterwards.

        Raises:
            SenetError: the only model that was asked for cannot be had.
        """
        self._reporter.report(DownloadsPlanned(tuple(each.files[0].size for each in self._checkpoints)))
        got: list[Installed] = []
        for checkpoint in self._checkpoints:
            try:
                got.append(self._present(checkpoint) or self._get(checkpoint))
            except SenetError as error:
                if len(self._checkpoints) == 1:
                    raise
                self.errors.append(error)
            else:
                yield checkpoint.name, got[-1].path
        if not self._request.names and self._request.origin and got:
            self._forgive_absent(got)

    def _chosen(self) -> list[Checkpoint]:
        names, origin = self._request.names, self._request.origin
        if names:
            known = [self._catalogue.resolve(name).checkpoint for name in names]
        else:  # what comes with a manifest need not be carried here
            everything = [model.checkpoint for model in self._catalogue.all()]
            known = [each for each in everything if origin is None or not any(f.path for f in each.files)]
        chosen = list({checkpoint.name: checkpoint for checkpoint in known}.values())
        if len(chosen) > 1 and origin is not None and origin.is_file():
            raise UsageError(
                f"`{origin}` is one file, but {len(chosen)} models are asked for", "Give the folder."
            )
        return chosen

    def _planned(self, checkpoint: Checkpoint) -> PlannedDownload:
        from senet_cli.store.install import carried

        first, origin = checkpoint.files[0], self._request.origin
        if present := self._cache.holds(checkpoint):
            return PlannedDownload(checkpoint.name, "present", 0, str(present))
        if origin is None:
            place = first.urls[0] if first.urls else ""
            return PlannedDownload(checkpoint.name, "download", first.size, place)
        for _, path in carried(checkpoint, origin):
            return PlannedDownload(checkpoint.name, "import", path.stat().st_size, str(path))
        return PlannedDownload(checkpoint.name, "absent", None, str(origin))

    def _present(self, checkpoint: Checkpoint) -> Installed | None:
        """Look into the cache; a damaged file was put aside and is fetched again."""
        try:
            return self._cache.find(checkpoint)
        except DigestError as error:
            self._reporter.report(DamagedFilePutAside(error))
            return None

    def _get(self, checkpoint: Checkpoint) -> Installed:
        from senet_cli.store.fetch import Fetcher
        from senet_cli.store.install import import_file
        from senet_cli.store.transfer import open_transport

        origin = self._request.origin
        if origin is not None:
            return import_file(checkpoint, self._cache, origin, self._reporter, self._catalogue.manifest)
        transport = open_transport(offline=self._settings.offline)
        return Fetcher(self._cache, transport, self._reporter).fetch(checkpoint)

    def _forgive_absent(self, got: list[Installed]) -> None:
        """Drop errors of files that are absent: a folder that was asked for all models need not hold all.

        A file of a common name (`model.safetensors`) that belongs to another model is not a damaged one.
        """
        others = {installed.sha256 for installed in got}

        def absent(error: SenetError) -> bool:
            elsewhere = isinstance(error, DigestError) and error.sha256 in others
            return elsewhere or isinstance(error, CheckpointError)

        left = [error for error in self.errors if not absent(error)]
        if len(left) < len(self.errors):
            self._reporter.report(FilesAbsent(len(self.errors) - len(left)))
        self.errors = left
