"""A server, a cache folder, published files, the command in this process, and no settings of the network."""

from __future__ import annotations

import gc
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from senet_cli.__main__ import run
from senet_cli.cli.app import app
from tests.conftest import Senet
from tests.faultserver import Behaviour, FaultServer
from tests.store.downloads import PAYLOAD, TWINS, Publish, checkpoint_entry, file_entry, installed, sha256

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


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """The folder that SENET_CACHE names in every test."""
    return tmp_path / "cache"


@pytest.fixture
def publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Write a manifest with one checkpoint for each keyword and make it the user's."""

    def write(**checkpoints: list[dict[str, Any]]) -> Path:
        path = tmp_path / "manifest.json"
        entries = {name: checkpoint_entry(*files) for name, files in checkpoints.items()}
        path.write_text(json.dumps({"schema": 1, "checkpoints": entries}))
        monkeypatch.setenv("SENET_MANIFEST", str(path))
        return path

    return write


@pytest.fixture
def tiny(server: FaultServer, publish: Publish) -> Path:
    """The manifest of one checkpoint, `tiny`, at `/tiny.pth`, which the server serves without fault."""
    server.files["/tiny.pth"] = Behaviour(PAYLOAD)
    return publish(tiny=[file_entry(server.url("/tiny.pth"))])


@pytest.fixture
def twin(server: FaultServer, publish: Publish) -> str:
    """A checkpoint published with eight digits, which two files share; returns the name of the first."""
    one, two = map(sha256, TWINS)
    assert one != two
    assert one[:8] == two[:8]
    server.files["/twin.pth"] = Behaviour(TWINS[0])
    publish(twin=[file_entry(server.url("/twin.pth"), sha256=None, sha256_prefix=one[:8], bytes=None)])
    return installed(TWINS[0])


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Iterator[Senet]:
    """Like `senet`, but in this process: so many faults need not pay for as many starts.

    A connection that is left open shows as a warning in the test that left it.
    """

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        capsys.readouterr()
        code = run(lambda: app([*map(str, arguments)], prog_name="senet"))
        return subprocess.CompletedProcess(arguments, int(code), *capsys.readouterr())

    yield call
    gc.collect()
