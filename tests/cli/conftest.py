"""What the tests of `predict` need: an environment with real networks, the command in it, photographs."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.predictions import MODEL, Done
from tests.conftest import Senet


@pytest.fixture
def environment(cifar_cache: Path, tmp_path: Path) -> dict[str, str]:
    """The two real networks installed, one of them chosen, `senet` on the PATH.

    One thread for the network: it is so small that on a busy machine threads mostly wait for each other.
    """
    program = tmp_path / "bin" / "senet"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m senet_cli "$@"\n')
    program.chmod(0o755)
    return os.environ | {
        "SENET_CACHE": str(cifar_cache),
        "SENET_MODEL": MODEL,
        "OMP_NUM_THREADS": "1",
        "PATH": f"{program.parent}:{os.environ['PATH']}",
    }


@pytest.fixture
def predict(senet: Senet, environment: dict[str, str]) -> Senet:
    """`senet predict` with that environment."""

    def run(*arguments: object, env: dict[str, str] | None = None, **options: Any) -> Done:
        return senet("predict", *arguments, env=environment | (env or {}), **options)

    return run


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Callable[..., Done]:
    """A script of bash, in the folder for temporary files."""

    def run(script: str, *arguments: object, timeout: float = 120) -> Done:
        return subprocess.run(
            ["bash", "-c", script, "bash", *map(str, arguments)],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def photos(data: Path) -> list[Path]:
    found = sorted((data / "photos").iterdir())
    assert len(found) == 200
    return found


@pytest.fixture
def few(photos: list[Path], tmp_path: Path) -> Path:
    """A folder of eight photographs."""
    folder = tmp_path / "few"
    folder.mkdir()
    for photo in photos[::25]:
        shutil.copy(photo, folder)
    return folder
