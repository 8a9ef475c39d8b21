"""What takes long says what it is; what does not says nothing."""

from __future__ import annotations

import threading
import time

import pytest

from senet_cli.cli import waiting
from senet_cli.cli.reporter import ConsoleReporter
from senet_cli.cli.waiting import Waiting
from senet_cli.events import ConversionStarted, ModelLoading


def seen(capsys: pytest.CaptureFixture[str], text: str) -> str:
    """What stands on standard error once `text` does."""
    held = ""
    for _ in range(200):
        held += capsys.readouterr().err
        if text in held:
            return held
        time.sleep(0.02)
    raise AssertionError(held)


def test_a_moment_passes_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    work = Waiting()
    work.begin("Loading a")
    work.end()
    work.end()
    assert capsys.readouterr().err == ""
    assert not [thread for thread in threading.enumerate() if "_watch" in thread.name]


def test_off_a_terminal_one_note_says_what_it_has_become(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.1)
    with ConsoleReporter(quiet=False) as reporter:
        reporter.report(ModelLoading("a"))
        reporter.report(ConversionStarted("a"))
        held = seen(capsys, "Preparing")
    assert held + capsys.readouterr().err == "note: Preparing a for this processor (once) ...\n"


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    with ConsoleReporter(quiet=True) as reporter:
        reporter.report(ModelLoading("a"))
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_a_line_turns_and_the_seconds_stay(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0.0)
    monkeypatch.setattr(waiting, "is_terminal", lambda stream: True)
    monkeypatch.setenv("TERM", "xterm")
    work = Waiting()
    work.begin("Preparing a for this processor (once)")
    held = seen(capsys, "\r\033[K/ Preparing a")
    work.end()
    held += capsys.readouterr().err
    assert held.startswith("\r\033[K| Preparing a for this processor (once) ... 0 s")
    assert held.endswith("\r\033[Knote: Preparing a for this processor (once) ... 0 s\n")
