"""Fetching a checkpoint: addresses in order, again where that helps, going on where an attempt ended."""

from __future__ import annotations

import contextlib
import errno
import random
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from senet_cli.catalogue.entries import Checkpoint, CheckpointFile
from senet_cli.errors import CheckpointError, DigestError, DiskError, NetworkError, SenetError, advise
from senet_cli.events import (
    DownloadAdvanced,
    DownloadFinished,
    DownloadRetried,
    DownloadStarted,
    OriginFailed,
    Reporter,
)
from senet_cli.store.cache import Cache, Installed
from senet_cli.store.partial import FetchedFrom, Partial, claimed
from senet_cli.store.published import check_published, kind_of
from senet_cli.store.retry import wait_before_retry
from senet_cli.store.transfer import (
    TEMPORARY,
    Incoming,
    RangeRefusedError,
    Request,
    TransferError,
    Transport,
    offline_error,
    short,
)

_SPARE_BYTES = 64 * 2**20
_ROOM_HINT = "Free some space, or set SENET_CACHE to a folder on another disk."
_CACHE_HINT = "Set SENET_CACHE to a folder that can be written."
_PROGRESS_BYTES = 64 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True, slots=True)
class World:
    """Time and chance, so that tests need neither.

    Args:
        sleep: waits that many seconds.
        jitter: a random number in 0..1.
    """

    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches checkpoints into a cache.

    Args:
        cache: where they go.
        transport: how addresses are opened.
        reporter: hears what happens.
        world: time and chance.
    """

    cache: Cache
    transport: Transport
    reporter: Reporter
    world: World = World()

    def fetch(self, checkpoint: Checkpoint) -> Installed:
        """Fetch from the first address that delivers the published bytes; one process does it for all.

        Raises:
            NetworkError: no address delivered.
            DigestError: addresses delivered, but not the published bytes.
            DiskError: the cache cannot be written, or is full.
        """
        if not any(file.urls for file in checkpoint.files):
            raise CheckpointError(f"`{checkpoint.name}` has no address that it could be fetched from")
        if not any(self.transport.may_open(url) for file in checkpoint.files for url in file.urls):
            raise offline_error(checkpoint.name)
        errors: list[SenetError] = []
        for file in checkpoint.files:
            lock = self.cache.locked(checkpoint.name, file, self.reporter)
            with disk_errors(self.cache.root), lock as locked:
                if installed := self.cache.find(checkpoint):
                    return installed  # another process was at work while we waited
                with claimed(self.cache.partials, file.digest.value, locked=locked) as partial:
                    for url in file.urls:
                        try:
                            return self._fetch_from(url, checkpoint, file, partial)
                        except (NetworkError, DigestError) as error:
                            errors.append(error)
                            self.reporter.report(OriginFailed(error))
        raise _none_delivered(checkpoint, errors)

    def _fetch_from(
        self, url: str, checkpoint: Checkpoint, file: CheckpointFile, partial: Partial
    ) -> Installed:
        for last in (False, True):
            content_type = self._complete(url, checkpoint, file, partial)
            partial.flush()
            try:
                check_published(file, partial.path, partial.sha256, short(url), content_type)
                break
            except (DigestError, CheckpointError):
                whole = partial.whole
                partial.restart()
                if whole or last:  # else what is wrong may be older than this server's answer
                    raise
        installed = self.cache.install(checkpoint.name, file, partial)
        self.reporter.report(DownloadFinished(installed.path, installed.sha256))
        return installed

    def _complete(self, url: str, checkpoint: Checkpoint, file: CheckpointFile, partial: Partial) -> str:
        """Ask until all bytes are here; returns what the server calls them."""
        idle, highest = 0, partial.size
        while True:
            try:
                return self._receive(url, checkpoint, file, partial)
            except TransferError as error:
                if isinstance(error, RangeRefusedError) and partial.size:
                    if error.total == partial.size:
                        return self._complete_already(url, checkpoint, partial)
                    partial.restart()
                    continue
                # a server that always breaks off at the same place must not keep us for ever
                idle = 1 if partial.size >= highest + _PROGRESS_BYTES else idle + 1
                highest = max(highest, partial.size)
                wait = wait_before_retry(
                    tries=error.tries,
                    idle_attempts=idle,
                    asked=error.retry_after,
                    jitter=self.world.jitter(),
                )
                if wait is None:
                    raise
                self.reporter.report(DownloadRetried(error, wait))
                self.world.sleep(wait)

    def _receive(self, url: str, checkpoint: Checkpoint, file: CheckpointFile, partial: Partial) -> str:
        """One request, from where the partial file ends."""
        if file.size and partial.size >= file.size:
            if partial.size == file.size:
                return self._complete_already(url, checkpoint, partial)
            partial.restart()
        if file.size:
            check_space(self.cache.partials, file.size - partial.size)
        same = partial.origin is not None and partial.origin.url == url
        validator = partial.origin.validator if same and partial.origin else None
        with self.transport.open(Request(url, partial.size, validator)) as incoming:
            size = check_announced(incoming, file, short(url))
            if incoming.offset != partial.size:
                partial.restart()
            if not file.size:
                check_space(self.cache.partials, (size or partial.size) - partial.size)
            partial.set_origin(FetchedFrom(url, incoming.validator))
            partial.whole = not partial.size
            self.reporter.report(DownloadStarted(checkpoint.name, short(url), size, partial.size))
            for chunk in incoming.chunks:
                if partial.size + len(chunk) > (size or file.max_bytes):
                    partial.restart()
                    raise DigestError(
                        f"{short(url)}: more bytes arrive than the {size or file.max_bytes:,} expected"
                    )
                partial.append(chunk)
                self.reporter.report(DownloadAdvanced(len(chunk)))
            if size is not None and partial.size < size:
                kind = kind_of(incoming.content_type)
                raise TransferError(
                    f"{short(url)}: only {partial.size:,} of {size:,} bytes arrived{kind}", tries=TEMPORARY
                )
            return incoming.content_type

    def _complete_already(self, url: str, checkpoint: Checkpoint, partial: Partial) -> str:
        """No byte is missing: an earlier attempt was stopped between the last one and the installation."""
        self.reporter.report(DownloadStarted(checkpoint.name, short(url), partial.size, partial.size))
        return ""


def check_announced(incoming: Incoming, file: CheckpointFile, origin: str) -> int | None:
    """Return the bytes to expect.

    Raises:
        DigestError: another number is announced than is published, so these cannot be the bytes.
    """
    size = incoming.size if incoming.size is not None else file.size
    if size is not None and (size > file.max_bytes or (file.size and size != file.size)):
        kind = kind_of(incoming.content_type)
        wanted = f"{file.size:,}" if file.size else f"at most {file.max_bytes:,}"
        raise DigestError(f"{origin}: the server announces {size:,} bytes{kind}, published are {wanted}")
    return size


def check_space(folder: Path, size: int) -> None:
    """Refuse before the first byte what cannot fit.

    Raises:
        DiskError: too little room.
    """
    free = shutil.disk_usage(folder).free
    if free < size + _SPARE_BYTES:
        needed = (size + _SPARE_BYTES) / 1e6
        raise DiskError(f"`{folder}` has {free / 1e6:,.0f} MB left, {needed:,.0f} MB are needed", _ROOM_HINT)


@contextlib.contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn what the system says about our files into `DiskError`."""
    try:
        yield
    except OSError as error:
        hint = _ROOM_HINT if error.errno in _FULL else _CACHE_HINT
        raise DiskError.from_os_error(error, f"writing to `{folder}`", hint) from error


def _none_delivered(checkpoint: Checkpoint, errors: list[SenetError]) -> SenetError:
    """One error for all addresses; a wrong file is worse news than a missing one."""
    wrong = [error for error in errors if isinstance(error, DigestError)]
    worst = (wrong or errors)[-1]
    tried = f" from any of its {len(errors)} addresses" if len(errors) > 1 else ""
    message = f"`{checkpoint.name}` could not be downloaded{tried}: {worst.message}"
    if isinstance(worst, NetworkError):
        return NetworkError(
            message, *worst.steps, advise("bring-copy", name=checkpoint.name), brief=worst.brief
        )
    return DigestError(message, *worst.steps)
