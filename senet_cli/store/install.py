"""Getting a checkpoint into the cache: from the network, or from a file that someone carried here."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from senet_cli.catalogue.entries import Checkpoint, CheckpointFile
from senet_cli.catalogue.lookup import Manifest
from senet_cli.errors import CheckpointError, DigestError, DiskError, NetworkError, advise
from senet_cli.events import DownloadAdvanced, DownloadFinished, DownloadStarted, Reporter
from senet_cli.settings import Settings
from senet_cli.store.cache import Cache, Installed
from senet_cli.store.fetch import Fetcher, check_space, disk_errors
from senet_cli.store.files import chunks_of, sha256_of
from senet_cli.store.partial import claimed
from senet_cli.store.published import check_published, is_published
from senet_cli.store.transfer import Request, offline_error, open_transport


def ensure_installed(checkpoint: Checkpoint, settings: Settings, reporter: Reporter) -> Installed:
    """Find the checkpoint's verified file, downloaded first if the cache does not hold it.

    Raises:
        NetworkError: no address delivered, or the network may not be used.
        DigestError: addresses delivered, but not the published bytes.
        DiskError: the cache cannot be written.
    """
    cache = Cache.from_settings(settings)
    if installed := cache.use(checkpoint):
        return installed
    transport = open_transport(offline=settings.offline)
    return Fetcher(cache, transport, reporter).fetch(checkpoint)


def check_answers(checkpoint: Checkpoint, settings: Settings, patience: float) -> None:
    """Make sure, in a few seconds, that a checkpoint is there or that a host delivers the first of its bytes.

    The looking up of a host's name cannot be given a limit, so each address is asked in a thread that is left
    behind when it takes too long.

    Raises:
        NetworkError: no address answers within `patience` seconds, or the network may not be used.
        DiskError: the cache cannot be read.
    """
    if Cache.from_settings(settings).holds(checkpoint):
        return
    transport = open_transport(offline=settings.offline)
    urls = [url for file in checkpoint.files for url in file.urls if transport.may_open(url)]
    if not urls:
        raise offline_error(checkpoint.name)
    outcome: queue.SimpleQueue[NetworkError | None] = queue.SimpleQueue()

    def ask(url: str) -> None:
        try:
            with transport.open(Request(url)) as incoming:
                next(iter(incoming.chunks), b"")
        except NetworkError as error:
            outcome.put(error)
        else:
            outcome.put(None)

    for url in urls:
        threading.Thread(target=ask, args=(url,), name="answers", daemon=True).start()
    until = time.monotonic() + patience
    error: NetworkError | None = None
    for _ in urls:
        try:
            failed = outcome.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            failed = NetworkError(f"no host answered within {patience:g} seconds", brief="no network")
        if failed is None:
            return
        error = error or failed
    if error:
        raise error


def import_file(
    checkpoint: Checkpoint, cache: Cache, origin: Path, reporter: Reporter, manifest: Manifest | None = None
) -> Installed:
    """Install a checkpoint from a file, or from the folder that holds it, after verifying the digest.

    In a folder the file is recognised by its published name, by its digest as a name, or by size and digest.
    With a `manifest` the error for a file says which other checkpoint it is, if it is one.

    Raises:
        CheckpointError: the folder holds no file that could be it.
        DigestError: the file, or every candidate, has other bytes than the published.
        DiskError: reading or writing failed.
    """
    error: DigestError | None = None
    for file, path in carried(checkpoint, origin):
        try:
            return _import(checkpoint, file, cache, path, reporter)
        except DigestError as wrong:
            error = error or wrong
    if error:
        raise _with_owner(error, checkpoint, origin, manifest) if manifest and origin.is_file() else error
    names = " or ".join(f"`{name}`" for file in checkpoint.files for name in file.names)
    raise CheckpointError(f"`{origin}` holds no file for `{checkpoint.name}`", f"Looked for {names}.")


def _with_owner(error: DigestError, checkpoint: Checkpoint, path: Path, manifest: Manifest) -> DigestError:
    """Reword an error if the file is that of another checkpoint."""
    try:
        sha256 = error.sha256 or sha256_of(path)
    except OSError:
        return error
    owners = manifest.published_as(sha256)
    if not owners:
        return error
    names = " and ".join(f"`{owner.name}`" for owner in owners)
    message = f"`{path}` is {names}, by its SHA-256, not `{checkpoint.name}`"
    return DigestError(message, advise("install-as", name=owners[0].name, path=path), sha256=sha256)


def carried(checkpoint: Checkpoint, origin: Path) -> Iterator[tuple[CheckpointFile, Path]]:
    """Yield what `import_file` would try, in that order.

    Raises:
        DiskError: there is nothing at `origin`, or it cannot be read.
    """
    if not origin.exists():
        raise DiskError(f"`{origin}` does not exist", "Give the file, or the folder that holds it.")
    for file in checkpoint.files:
        for path in [origin] if origin.is_file() else _candidates(origin, file):
            yield file, path


def _candidates(folder: Path, file: CheckpointFile) -> list[Path]:
    """Files of `folder` by name first, then by size and digest."""
    try:
        listed = sorted(path for path in folder.iterdir() if path.is_file())
        names = (*file.names, file.digest_name)
        named = [path for path in listed if path.name in names]
        others = (path for path in listed if path not in named and path.stat().st_size == file.size)
        return named + [path for path in others if is_published(file, path, sha256_of(path))]
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{folder}`") from error


def _import(
    checkpoint: Checkpoint, file: CheckpointFile, cache: Cache, path: Path, reporter: Reporter
) -> Installed:
    with disk_errors(cache.root):
        cache.prepare()
    try:
        source = path.open("rb")
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{path}`") from error
    with (
        source,
        disk_errors(cache.root),
        claimed(cache.partials, file.digest.value, locked=False, adopt=False) as partial,
    ):
        size = path.stat().st_size
        if size > file.max_bytes or (file.size and size != file.size):
            raise DigestError(f"{path}: {size:,} bytes, published are {file.size or file.max_bytes:,}")
        check_space(cache.partials, size)
        reporter.report(DownloadStarted(checkpoint.name, str(path), size, 0))
        for chunk in chunks_of(source):
            partial.append(chunk)
            reporter.report(DownloadAdvanced(len(chunk)))
        partial.flush()
        try:
            check_published(file, partial.path, partial.sha256, str(path))
        except (DigestError, CheckpointError):
            partial.restart()
            raise
        installed = cache.install(checkpoint.name, file, partial)
    reporter.report(DownloadFinished(installed.path, installed.sha256))
    return installed
