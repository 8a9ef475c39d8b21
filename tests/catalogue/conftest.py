"""A manifest of one's own over the bundled one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from senet_cli.catalogue.lookup import Manifest, load_manifest


@pytest.fixture
def load(tmp_path: Path) -> Callable[[object], Manifest]:
    """Write a manifest as a user would (a text or bytes as it is) and load it over the bundled one."""

    def write_and_load(content: object) -> Manifest:
        path = tmp_path / "own manifest.json"
        if not isinstance(content, str | bytes):
            content = json.dumps(content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return load_manifest(path)

    return write_and_load
