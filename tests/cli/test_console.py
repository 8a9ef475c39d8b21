"""Words for people on standard error: whole words at any width of a terminal, whole lines elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from senet_cli.cli.console import complain, note, say, terminal_width, warn
from senet_cli.errors import UsageError

LONG = "`/data/photographs/of/birds/nobody/has/named.jpg` cannot be read: it ends before its 1,024 bytes"


class Stream(io.StringIO):
    """What is written; `terminal` says whether a person reads it."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> Stream:
    stream = Stream(terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", str(width))
    return stream


@pytest.mark.parametrize("width", [20, 50, 80, 120])
def test_lines_break_between_words_on_a_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch, width)
    for tell in (say, note, warn):
        tell(LONG)
    complain(UsageError(LONG, LONG))
    said = terminal.getvalue()
    assert [line for line in said.splitlines() if len(line) > width and " " in line] == []
    whole = [LONG, f"note: {LONG}", LONG, f"error: {LONG}", f"hint: {LONG}"]
    assert said.split() == " ".join(whole).split()
    assert width > 100 or said.count("\n") > len(whole)


def test_wide_characters_count_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_a_terminal(monkeypatch, 10)
    say("漢字漢字 漢字漢字")
    assert terminal.getvalue() == "漢字漢字\n漢字漢字\n"


def test_elsewhere_a_line_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(terminal=False)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "20")
    note(LONG)
    assert stream.getvalue() == f"note: {LONG}\n"
    assert terminal_width(stream) is None


def test_a_terminal_that_does_not_tell_its_width_has_80_columns() -> None:
    terminal = Stream(terminal=True)
    assert terminal_width(terminal, {}) == 80
    assert terminal_width(terminal, {"COLUMNS": "x"}) == 80
    assert terminal_width(terminal, {"COLUMNS": "33"}) == 33
