"""Long answers are paged on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from senet_cli.cli.pager import pager_for

LONG = "line\n" * 1000


def test_off_a_terminal_nothing_is_paged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pager_for(LONG, {"PAGER": "cat -n"}) == []


@pytest.mark.parametrize(
    ("environment", "text", "words"),
    [
        ({"PAGER": "cat -n"}, LONG, ["cat", "-n"]),
        ({"PAGER": "cat -n"}, "short\n", []),
        ({"PAGER": "cat"}, LONG, []),
        ({"PAGER": ""}, LONG, []),
        ({"PAGER": "no-such-pager"}, LONG, []),
        ({"PAGER": "'open"}, LONG, []),
        ({"PAGER": "cat -n", "TERM": "dumb"}, LONG, []),
    ],
)
def test_what_does_not_fit_is_paged(
    environment: dict[str, str], text: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("senet_cli.cli.pager.is_terminal", lambda _: True)
    assert pager_for(text, environment) == words


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_a_list_on_a_terminal_goes_through_the_pager(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    pager = "sh -c 'cat > paged.txt'"
    process = subprocess.Popen(
        [sys.executable, "-m", "senet_cli", "list"],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        cwd=tmp_path,
        env=os.environ | {"PAGER": pager, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
    )
    assert process.wait(60) == 0
    os.close(follower)
    os.close(leader)
    lines = (tmp_path / "paged.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith("on this machine.")
    assert len(lines) > 120
    assert max(map(len, lines)) <= 80
