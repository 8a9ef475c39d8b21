"""What the store tells while it works; the command line shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from senet_cli.catalogue.entries import CheckpointFile
from senet_cli.errors import SenetError


@dataclass(frozen=True, slots=True)
class Installed:
    """A file of the cache that was verified.

    Args:
        path: where it lies.
        sha256: its full digest.
        file: the manifest's description of it.
    """

    path: Path
    sha256: str
    file: CheckpointFile


class Notices(Protocol):
    """Told what happens while a checkpoint is fetched."""

    def started(self, name: str, origin: str, size: int | None, done: int) -> None:
        """Bytes of `name` begin to arrive; `done` of `size` are here already."""

    def advanced(self, count: int) -> None:
        """That many more bytes have arrived."""

    def waiting(self, error: SenetError, seconds: float) -> None:
        """An attempt failed; the same address is tried again after a while."""

    def locked(self, name: str) -> None:
        """Another process has been fetching the same file for a while; this one waits for it."""

    def failed(self, error: SenetError) -> None:
        """One origin did not deliver; the next is tried."""

    def finished(self, installed: Installed) -> None:
        """The file is verified and installed."""


class Silence:
    """Notices that go nowhere."""

    def started(self, name: str, origin: str, size: int | None, done: int) -> None:
        """See `Notices`."""

    def advanced(self, count: int) -> None:
        """See `Notices`."""

    def waiting(self, error: SenetError, seconds: float) -> None:
        """See `Notices`."""

    def locked(self, name: str) -> None:
        """See `Notices`."""

    def failed(self, error: SenetError) -> None:
        """See `Notices`."""

    def finished(self, installed: Installed) -> None:
        """See `Notices`."""
