"""What the tests of commands share: the console script, what it completes and imports, a manifest."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from senet_cli.cli.app import app
from tests.environment import Environment

CUTMIX = "73487855365db1f92c2a0e46b0cc498c7f5e86343f40cc9b1bc3c41b8dfe86d4"


def script() -> str:
    """The console script of this environment, under whose name completion works."""
    found = shutil.which("senet", path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip("the console script `senet` is not installed beside this Python")
    return found


def every_command() -> dict[str, Any]:
    """The words of each command and the command, from the app itself; groups of commands are commands too."""

    def below(group: Any, words: str) -> Iterator[tuple[str, Any]]:
        for name in group.commands:
            command, whole = group.commands[name], f"{words} {name}".strip()
            yield whole, command
            if hasattr(command, "commands"):
                yield from below(command, whole)

    return dict(below(get_command(app), ""))


def modules_of_commands() -> set[str]:
    """Where the commands are written."""
    commands = every_command().values()
    return {command.callback.__module__ for command in commands if not hasattr(command, "commands")}


# --- manifests of one's own ---------------------------------------------------------------------


def manifest_with(path: Path, **changes: Any) -> Path:
    """A manifest with one checkpoint, `mine`, in which these fields are changed."""
    entry = {
        "publisher": "someone",
        "architecture": "seresnet18-caffe",
        "preprocess": {
            "resize": 256,
            "crop": 224,
            "interpolation": "bilinear",
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
        },
        "files": [
            {
                "urls": ["https://example.invalid/x.pth"],
                "sha256": "0" * 64,
                "format": "torch",
                "layout": "cadene",
            }
        ],
        "licence": {"name": "MIT"},
    }
    path.write_text(json.dumps({"schema": 1, "checkpoints": {"mine": entry | changes}}))
    return path


# --- completion ---------------------------------------------------------------------------------


def completions(line: str, **environment: str) -> list[str]:
    """What bash offers for the last word of `line`."""
    words = line.split(" ")
    asked = {"_SENET_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = Environment(Path.cwd(), asked | environment).run()
    assert done.returncode == 0
    assert done.stderr == ""
    return done.stdout.split()


# --- what is imported ---------------------------------------------------------------------------


def imported(*arguments: object, **environment: str) -> set[str]:
    """Top-level packages that the command imports, by Python's own account."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", script(), *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    packages = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert {"senet_cli", "typer"} <= packages
    return packages
