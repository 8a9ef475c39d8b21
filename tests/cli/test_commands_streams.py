"""Standard streams that are closed or full: no command mixes them up, calls it a bug, or colours unasked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Senet


def closed_reader(*arguments: str, unbuffered: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command with a pipe as standard output that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            [sys.executable, *(["-u"] if unbuffered else []), "-m", "senet_cli", *arguments],
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)


@pytest.mark.parametrize(
    "command",
    [
        "list",
        "list --format json",
        "list --architectures",
        "info seresnet50",
        "cache dir",
        "verify seresnet50",
        "download seresnet50 --dry-run",
        "--help",
        "--version",
        "",
    ],
)
def test_a_reader_that_went_away_is_no_reason_for_words(command: str) -> None:
    done = closed_reader(*command.split())
    assert done.stderr == ""
    assert done.returncode == 141


def test_head_gets_its_line(senet: Senet) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash to ask for PIPESTATUS")
    shell = f"'{sys.executable}' -m senet_cli list | head -n 1; echo \"${{PIPESTATUS[@]}}\""
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    line, status = done.stdout.splitlines()
    assert line.startswith("name\t")
    assert status in ("0 0", "141 0")


@pytest.mark.parametrize("command", ["list", "info seresnet50", "cache dir", "--version", "--help"])
def test_no_standard_output_at_all_is_not_our_bug(command: str) -> None:
    shell = f"exec '{sys.executable}' -m senet_cli {command} >&-"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
    assert done.returncode in (0, 7, 141)


def test_no_standard_error_does_not_mix_words_into_results() -> None:
    shell = f"exec '{sys.executable}' -m senet_cli info nonsense 2>&-"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 4


@pytest.mark.parametrize("command", ["list", "info seresnet50", "cache dir", "--version", "--help"])
def test_a_full_disk_is_not_our_bug(command: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    shell = f"exec '{sys.executable}' -m senet_cli {command} >/dev/full"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_colours_only_where_they_are_wanted(senet: Senet) -> None:
    plain = senet("info", "nonsense", env={"NO_COLOR": ""}).stderr
    forced = senet("info", "nonsense", env={"NO_COLOR": "", "FORCE_COLOR": "1"}).stderr
    refused = senet("info", "nonsense", env={"NO_COLOR": "1", "FORCE_COLOR": "1"}).stderr
    assert "\x1b[" in forced
    assert "\x1b[" not in plain
    assert plain == refused
