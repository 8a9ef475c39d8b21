"""What tasks report, in words: every event has some, `-q` leaves warnings only."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, get_args

import pytest

from senet_cli import events
from senet_cli.cli.reporter import ConsoleReporter
from senet_cli.errors import NetworkError
from senet_cli.events import Event

ERROR = NetworkError("the host is gone")
SAMPLES: dict[str, Any] = {
    "str": "some words",
    "int": 1234,
    "float": 0.5,
    "bool": True,
    "Path": Path("/cache/file"),
    "Path | None": Path("/cache/file"),
    "SenetError": ERROR,
    "tuple[str, ...]": ("one", "two"),
    "Sequence[str]": ("one", "two"),
    "tuple[int | None, ...]": (1, None),
    "int | None": 1234,
    "str | None": "some words",
    "Literal['fetching', 'converting', 'changing']": "changing",
}
SILENT = {
    events.DownloadsPlanned,
    events.ImagesCounted,
    events.ImagesDone,
    events.EpochAdvanced,
    events.ModelLoading,
}
"""Only progress, which is drawn on a terminal, or said where it takes long."""
WARNINGS = {events.BundledModelUsed, events.DamagedFilePutAside, events.RecordsOfAnotherVersion}
ALL = get_args(Event)


def sample(kind: type) -> Any:
    annotations = {name: str(text).replace('"', "'") for name, text in kind.__annotations__.items()}
    return kind(**{name: SAMPLES[text] for name, text in annotations.items()})


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_event_has_words(kind: type, capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleReporter(details=True) as reporter:
        reporter.report(sample(kind))
    said = capsys.readouterr()
    assert said.out == ""
    assert bool(said.err) is (kind not in SILENT)
    assert "object at 0x" not in said.err
    assert "Event" not in said.err


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_quiet_leaves_warnings(kind: type, capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleReporter(quiet=True, details=True) as reporter:
        reporter.report(sample(kind))
    assert bool(capsys.readouterr().err) is (kind in WARNINGS)


def test_an_epoch_without_held_back_images_says_nothing_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleReporter() as reporter:
        reporter.report(events.EpochFinished(1, 5, 0.25, 0.5, math.nan, 3.0))
        reporter.report(events.EpochFinished(2, 5, 0.25, 0.5, 0.75, 3.0))
    first, second = capsys.readouterr().err.splitlines()
    assert first == "epoch 1/5  loss 0.250  training 50.00 %  3 s"
    assert second == "epoch 2/5  loss 0.250  training 50.00 %  held back 75.00 %  3 s"
