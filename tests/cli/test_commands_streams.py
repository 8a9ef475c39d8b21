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


def test_closed_standard_streams_are_taken_before_a_file_gets_their_numbers(tmp_path: Path) -> None:
    """Native code writes to 2 whatever that is, and a child process inherits the numbers."""
    program = """
import os, subprocess, sys
import senet_cli.__main__ as entry

def application():
    with open("results", "w") as results:
        os.write(2, b"words of native code")
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'words of a child')"])
        print("words", file=sys.stderr)
        failed = []
        for number, use in ((0, lambda: os.read(0, 1)), (1, lambda: os.write(1, b"x"))):
            try:
                use()
            except OSError as error:
                failed.append(number)
        results.write(f"{results.fileno() > 2} {failed}")

entry._app = application
entry.main()
"""
    words = [sys.executable, "-c", program]
    done = subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words], cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert (tmp_path / "results").read_text() == "True [0, 1]"


def test_results_hold_nothing_but_results_where_standard_error_is_closed(
    data: Path, cifar_cache: Path, tmp_path: Path
) -> None:
    """With -v, so that what native code says is not turned off: libtiff has much to say of such a file."""
    from PIL import Image

    image = tmp_path / "damaged.tif"
    Image.new("RGB", (64, 64)).save(image, compression="tiff_lzw")
    damaged = bytearray(image.read_bytes())
    damaged[8:40] = bytes(range(32))
    image.write_bytes(damaged)
    command = [sys.executable, "-m", "senet_cli", "predict", "-v", image, "-m", "seresnet32-cifar10"]
    loud = subprocess.run(
        command, env=os.environ | {"SENET_CACHE": str(cifar_cache)}, capture_output=True, check=False
    )
    assert b"LZW" in loud.stderr, "the damage is of no use"
    shell = ["sh", "-c", 'exec "$@" -o r.tsv 2>&-', "sh", *command]
    subprocess.run(shell, env=os.environ | {"SENET_CACHE": str(cifar_cache)}, cwd=tmp_path, check=False)
    assert (tmp_path / "r.tsv").read_bytes() == loud.stdout


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
