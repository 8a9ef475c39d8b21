"""Images, and a disk that is not waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from senet_cli.images.sources import Source
from tests.output.outputs import ODD_NAME


@pytest.fixture(autouse=True)
def _no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files of these tests need not outlast a power cut."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def images(tmp_path: Path) -> list[Source]:
    """Four images: one has an odd name, one is not there."""
    folder = tmp_path / "photos"
    folder.mkdir()
    names = ["a.jpg", os.path.basename(ODD_NAME), "gone.jpg", 'qu"ote,\n.jpg']  # noqa: PTH119 - odd bytes
    for name, text in zip(names, ["cat", "dög", None, "sea\nlion"], strict=True):
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")
    return [Source(str(folder / name)) for name in names]
