"""Getting a checkpoint into the cache: from the network, or from a file that someone carried here."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from senet_cli.errors import CheckpointError, DigestError, DiskError, NetworkError, SenetError
from senet_cli.manifest.entries import SUFFIXES, Checkpoint, CheckpointFile
from senet_cli.settings import Settings
from senet_cli.store.cache import Cache, Installed
from senet_cli.store.files import chunks_of, install, sha256_of, temporary_beside
from senet_cli.store.transfer import Incoming, Transport, open_transport, short

_SPARE_BYTES = 64 * 2**20
_CACHE_HINT = "Set SENET_CACHE to a folder that can be written and has room."


class Notices(Protocol):
    """Told what happens while a checkpoint is fetched; the command line shows it."""

    def started(self, name: str, origin: str, size: int | None) -> None:
        """A file begins to arrive."""

    def advanced(self, count: int) -> None:
        """That many more bytes have arrived."""

    def finished(self, installed: Installed) -> None:
        """The file is verified and installed."""

    def failed(self, error: SenetError) -> None:
        """One origin did not deliver; the next is tried."""


class Silence:
    """Notices that go nowhere."""

    def started(self, name: str, origin: str, size: int | None) -> None:
        """See `Notices`."""

    def advanced(self, count: int) -> None:
        """See `Notices`."""

    def finished(self, installed: Installed) -> None:
        """See `Notices`."""

    def failed(self, error: SenetError) -> None:
        """See `Notices`."""


def ensure_installed(checkpoint: Checkpoint, settings: Settings, notices: Notices | None = None) -> Installed:
    """The checkpoint's verified file; downloaded first if the cache does not hold it.

    Raises:
        NetworkError: no address delivered, or the network may not be used.
        DigestError: addresses delivered, but not the published bytes.
        DiskError: the cache cannot be written.
    """
    cache = Cache(settings.cache)
    if installed := cache.find(checkpoint):
        return installed
    transport = open_transport(offline=settings.offline)
    return fetch(checkpoint, cache, transport, notices or Silence())


def fetch(checkpoint: Checkpoint, cache: Cache, transport: Transport, notices: Notices) -> Installed:
    """Fetch a checkpoint from the first address that delivers the published bytes.

    Raises:
        NetworkError, DigestError, DiskError: see `ensure_installed`.
    """
    errors: list[SenetError] = []
    for file in checkpoint.files:
        for url in file.urls:
            try:
                with transport.open(url) as incoming:
                    return _receive(checkpoint, file, cache, incoming, short(url), notices)
            except (NetworkError, DigestError) as error:
                errors.append(error)
                notices.failed(error)
    raise _none_delivered(checkpoint, errors)


def import_file(checkpoint: Checkpoint, cache: Cache, origin: Path, notices: Notices) -> Installed:
    """Install a checkpoint from a file, or from the folder that holds it, after verifying the digest.

    In a folder the file is recognised by its published name, by its digest as a name, or by size and digest.

    Raises:
        CheckpointError: the folder holds no file that could be it.
        DigestError: the file, or every candidate, has other bytes than the published.
        DiskError: reading or writing failed.
    """
    if not origin.exists():
        raise DiskError(f"`{origin}` does not exist", "Give the file, or the folder that holds it.")
    error: DigestError | None = None
    for file in checkpoint.files:
        for path in [origin] if origin.is_file() else _candidates(origin, file):
            try:
                with _opened(path) as incoming:
                    return _receive(checkpoint, file, cache, incoming, str(path), notices)
            except DigestError as wrong:
                error = error or wrong
    if error:
        raise error
    names = " or ".join(f"`{name}`" for file in checkpoint.files for name in file.names)
    raise CheckpointError(f"`{origin}` holds no file for `{checkpoint.name}`", f"Looked for {names}.")


def _candidates(folder: Path, file: CheckpointFile) -> list[Path]:
    """Files of `folder` by name first, then by size."""
    try:
        listed = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise DiskError.from_os_error(error, f"listing `{folder}`") from error
    names = (*file.names, f"{file.digest.value}.{SUFFIXES[file.format]}")
    named = [path for path in listed if path.name in names]
    others = (path for path in listed if path not in named and path.stat().st_size == file.size)
    return named + [path for path in others if file.digest.matches(sha256_of(path))]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Incoming]:
    try:
        with path.open("rb") as file:
            yield Incoming(chunks_of(file), path.stat().st_size, "")
    except OSError as error:
        raise DiskError.from_os_error(error, f"reading `{path}`") from error


def _receive(
    checkpoint: Checkpoint,
    file: CheckpointFile,
    cache: Cache,
    incoming: Incoming,
    origin: str,
    notices: Notices,
) -> Installed:
    """Write what arrives beside its final place, hash it on the way, and install it if it is right."""
    size = incoming.size if incoming.size is not None else file.size
    if (size is not None and size > file.max_bytes) or (file.size and size != file.size):
        raise DigestError(
            f"{origin}: {size:,} bytes are announced instead of {file.size or file.max_bytes:,}"
        )
    notices.started(checkpoint.name, origin, size)
    place = cache.blob(file.digest.value, file)
    try:
        _check_space(place.parent, size or 0)
        with temporary_beside(place) as (temporary, path):
            sha256 = _copy(incoming.chunks, temporary, file, origin, notices)
            _check_digest(sha256, file, origin, incoming.content_type)
            target = cache.blob(sha256, file)
            install(temporary, path, target)
        cache.record(checkpoint.name, target, sha256)
    except OSError as error:
        raise DiskError.from_os_error(error, f"writing to `{cache.root}`", _CACHE_HINT) from error
    installed = Installed(target, sha256, file)
    notices.finished(installed)
    return installed


def _copy(
    chunks: Iterable[bytes], target: BinaryIO, file: CheckpointFile, origin: str, notices: Notices
) -> str:
    digest = hashlib.sha256()
    count = 0
    for chunk in chunks:
        count += len(chunk)
        if count > file.max_bytes:
            raise DigestError(f"{origin}: more bytes arrive than the published {file.max_bytes:,}")
        target.write(chunk)
        digest.update(chunk)
        notices.advanced(len(chunk))
    if file.size and count < file.size:
        raise NetworkError(f"{origin}: only {count:,} of {file.size:,} bytes arrived")
    return digest.hexdigest()


def _check_space(folder: Path, size: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < size + _SPARE_BYTES:
        raise DiskError(
            f"`{folder}` has {free / 1e6:,.0f} MB left, {(size + _SPARE_BYTES) / 1e6:,.0f} MB are needed",
            _CACHE_HINT,
        )


def _check_digest(sha256: str, file: CheckpointFile, origin: str, content_type: str) -> None:
    if file.digest.matches(sha256):
        return
    kind = f" (the server calls it {content_type})" if content_type.startswith("text/") else ""
    raise DigestError(
        f"{origin}: these are not the published bytes{kind}: SHA-256 {sha256}, published {file.digest}",
        "Nothing was installed. The file is damaged or was replaced; get it elsewhere and use --from FILE.",
    )


def _none_delivered(checkpoint: Checkpoint, errors: list[SenetError]) -> SenetError:
    """One error for all addresses; a wrong file is worse news than a missing one."""
    wrong = [error for error in errors if isinstance(error, DigestError)]
    worst = (wrong or errors)[-1]
    tried = f" from any of its {len(errors)} addresses" if len(errors) > 1 else ""
    return type(worst)(f"`{checkpoint.name}` could not be downloaded{tried}: {worst.message}", worst.hint)
