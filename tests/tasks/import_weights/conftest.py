"""Where the tests of importing keep their models."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"
