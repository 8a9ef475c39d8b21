"""A server, a cache folder, and no settings of the machine's network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faultserver import FaultServer

_OF_THE_NETWORK = {"requests_ca_bundle", "curl_ca_bundle", "ssl_cert_file", "ssl_cert_dir", "netrc"}


@pytest.fixture(autouse=True)
def _plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies and certificates that this machine needs have no say in a test on loopback."""
    for name in [*os.environ]:
        if name.lower().endswith("_proxy") or name.lower() in _OF_THE_NETWORK:
            monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The cache folder, which SENET_CACHE names; it does not exist yet."""
    return tmp_path / "cache"
